import TorporCore
import TorporEngine

/// What operators do, which must change nothing for clients but what they ask for.
extension Client {
    func operate(_ operation: OperatorStep, _ step: Step, in world: World) async {
        switch operation {
        case .evict(let target):
            guard let name = self.names.resolve(target, for: self.account) else { return }
            self.witness.note("step \(step.number) evicts \(name.id): \(world.engine.evict(name.id))")
        case .evictAll: self.witness.note("step \(step.number) evicts \(world.engine.evictAll()) objects")
        case .inspect: await self.inspect(step, in: world)
        case .copy(let target):
            guard let name = self.names.resolve(target, for: self.account) else { return }
            await self.copy(name, step, in: world)
        case .delete(let target):
            guard let name = self.names.resolve(target, for: self.account) else { return }
            await self.deleteOnRequest(name, step, in: world)
        }
    }

    /// What is told of the memory is what is there.
    private func inspect(_ step: Step, in world: World) async {
        let (snapshot, figures) = (world.engine.snapshot(), world.engine.figures)
        self.witness.expect(
            .theCapHolds,
            snapshot.residentBytes == figures.reservedBytes && snapshot.dirtyBytes == figures.dirtyBytes
                && snapshot.storedBytes == figures.storedBytes && snapshot.storedObjects == figures.storedObjects,
            "operators are told other figures than those that hold")
        let largest = await world.engine.largestObjects(3)
        let duplicated = await world.engine.duplicatedValues(3)
        self.witness.note(
            "step \(step.number) sees \(largest.count) objects, \(duplicated), \(world.engine.storeFaults().count) faults"
        )
    }

    /// A copy is what is stored, past the memory for state.
    private func copy(_ name: ObjectName, _ step: Step, in world: World) async {
        let watched = self.witness.watch(self.names.owner(of: name))
        do {
            guard let copy = try await world.engine.copy(of: name.id), !world.isOver else { return }
            let log = copy.values.values.first { copy.values.bytes[$0.key].elementsEqual(Key.log) }
            let operations = Operation.decodeLog(log.map { Array(copy.values.bytes[$0.value]) })
            self.witness.note("step \(step.number) copies \(name.id): \(operations)")
            // It was read some time ago; since then it may have changed, or been deleted.
            self.witness.expect(
                .changesHaveOneOrder, watched.deletions > 0 || watched.durable.log.starts(with: operations),
                "the copy of \(name.id) has \(operations), and stored is \(watched.durable.log)")
        } catch {
            self.witness.note("step \(step.number) copies nothing: \(error.code)")
            self.witness.expect(
                .sleepIsInvisible, error.code != .corrupt || watched.wasDamaged,
                "\(name.id) cannot be read, and nobody damaged it")
        }
    }

    private func deleteOnRequest(_ name: ObjectName, _ step: Step, in world: World) async {
        let watched = self.witness.watch(self.names.owner(of: name))
        watched.openDeletions += 1
        do {
            let isDeleted = try await world.engine.deleteOnRequest(name.id)
            guard !world.isOver else { return }
            self.witness.note("step \(step.number) deletes \(name.id) as an operator: \(isDeleted)")
            watched.openDeletions -= 1
        } catch let error as EngineError where !world.isOver {
            self.witness.note("step \(step.number) failed: \(error.code)")
            // Of the rest nobody knows.
            if [.missing, .lost, .noRoom, .overLimit].contains(error.code) { watched.openDeletions -= 1 }
        } catch {
            self.witness.note("step \(step.number) was cancelled")
        }
    }
}
