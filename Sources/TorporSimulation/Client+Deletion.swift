import TorporCore
import TorporEngine

extension Client {
    /// Deletes an object of the client's, or tries to with another's.
    func delete(_ name: ObjectName, _ step: Step, in world: World) async {
        let watched = self.witness.watch(self.names.owner(of: name))
        let call = CallRecord(step: step.number, account: self.account, jumpCount: self.witness.counts.jumps)
        self.witness.begin(call)
        // What is not the caller's is not deleted. That it is not there at all is no secret.
        let isForeign = self.names.isForeign(name)
        if !isForeign { watched.openDeletions += 1 }
        let tombstone = name.kind == .session ? self.clock.wallTime + self.witness.limits.sessionLifetime : nil
        do {
            try await world.engine.delete(name, tombstone: tombstone)
            if !world.isOver, !isForeign { self.deleted(name, watched, tombstone) }
        } catch let error as EngineError {
            if !world.isOver {
                self.judge(error, of: call, world.store.outageCount, in: world)
                // Of the rest nobody knows.
                if !isForeign, [.missing, .lost, .noRoom, .overLimit].contains(error.code) {
                    watched.openDeletions -= 1
                }
            }
        } catch {
            self.witness.note("step \(step.number) was cancelled")
        }
        self.witness.end(call)
    }

    private func deleted(_ name: ObjectName, _ watched: Witness.Watched, _ tombstone: WallTime?) {
        self.witness.note("deletion of \(name.id) is acknowledged")
        watched.openDeletions -= 1
        guard name.kind != .principal else { return }
        self.witness.expect(
            .acknowledgedMeansDurable, watched.durable == Contents() && watched.deletions > 0,
            "the deletion of \(name.id) is acknowledged, and it is stored")
        if let tombstone {
            watched.endedUntil = tombstone
            watched.endedAt = self.clock.now
            self.names.renewSession(name.id)
        }
    }
}
