package import TorporCore
package import TorporEngine
package import TorporJSON
import TorporStore

/// What operators see of a server's state, and do with it, as JSON.
///
/// Ids are whole, so that they can be acted on; callers go by the first digits of their digests. Keys and values leave by
/// ``export(_:)`` alone.
package struct StateOperations: Sendable {
    /// The most objects of one page.
    package static let pageMax = 1_000

    private let service: StateService

    package init(_ service: StateService) { self.service = service }

    private var engine: StateEngine { self.service.engine }

    // MARK: Looking

    /// How the engine stands, for gauges.
    package func snapshot() -> EngineSnapshot { self.engine.snapshot() }

    /// Why requests should go elsewhere: what the store has failed at for longer than a second.
    package func storeFaults() -> [String] { self.engine.storeFaults().map { "\($0)" } }

    /// How the breakers of the store stand.
    package var storeStandings: StoreStandings { self.engine.storeStandings }

    /// See ``StateEngine/committerProgress()``.
    package func committerProgress() -> (steps: UInt64, hasWork: Bool) { self.engine.committerProgress() }

    /// The ledger, the arena and the tables, with their limits.
    ///
    /// - Complexity: O(objects in use): those at rest are counted, not looked at.
    package func overview() -> JSONObject { Self.overview(self.engine.snapshot()) }

    /// ``overview()``, and the accounts that take most.
    package func memory() -> JSONObject {
        let snapshot = self.engine.snapshot()
        var page = Self.overview(snapshot)
        page["accounts"] = .init(snapshot.accounts)
        page["largest_accounts"] = .array(
            self.engine.largestAccounts().map { size in
                [
                    "account": .string(size.account.shortText), "resident_bytes": .init(size.residentBytes),
                    "stored_bytes": .init(size.storedBytes), "stored_objects": .init(size.storedObjects),
                ]
            })
        return page
    }

    private static func overview(_ snapshot: EngineSnapshot) -> JSONObject {
        let objects = snapshot.objects
        var disk: JSONValue = .null
        if let space = snapshot.store.disk {
            disk = ["free_bytes": .init(space.freeBytes), "size_bytes": .init(space.sizeBytes)]
        }
        return [
            "resident": self.use(snapshot.residentBytes, snapshot.residentLimitBytes),
            "anonymous": self.use(snapshot.anonymousBytes, snapshot.anonymousLimitBytes),
            "dirty": self.use(snapshot.dirtyBytes, snapshot.dirtyLimitBytes),
            "arena": [
                "live_bytes": .init(snapshot.arenaLiveBytes), "committed_bytes": .init(snapshot.arenaCommittedBytes),
            ],
            "objects": [
                "at_rest": .init(objects.atRest), "in_use": .init(objects.inUse), "loading": .init(objects.loading),
                "dirty": .init(objects.dirty), "closed": .init(objects.closed), "deleting": .init(objects.deleting),
            ],
            "stored": [
                "objects": .init(snapshot.storedObjects), "bytes": .init(snapshot.storedBytes),
                "limit_bytes": .init(snapshot.storedLimitBytes),
                "anonymous_bytes": .init(snapshot.anonymousStoredBytes),
                "compressed_bytes": .init(snapshot.store.storedBytes), "file_bytes": .init(snapshot.store.fileBytes),
                "disk": disk,
            ],
            "ended_sessions": ["count": .init(snapshot.tombstones), "limit": .init(snapshot.tombstonesMax)],
            "queued_objects": .init(snapshot.queuedObjects), "waiting_calls": .init(snapshot.waitingCalls),
        ]
    }

    private static func use(_ bytes: Int, _ limit: Int) -> JSONValue {
        ["bytes": .init(bytes), "limit_bytes": .init(limit)]
    }

    /// The largest objects in memory, and values that are there several times.
    package func contents() async -> JSONObject {
        let now = self.engine.environment.now()
        let largest = await self.engine.largestObjects()
        let duplicated = await self.engine.duplicatedValues()
        return [
            "largest": .array(largest.map { self.object($0, now: now) }),
            "duplicated": [
                "sampled_values": .init(duplicated.sampledValues), "is_complete": .bool(duplicated.isComplete),
                "values": .array(
                    duplicated.values.map { value in
                        [
                            "bytes": .init(value.bytes), "count": .init(value.count), "objects": .init(value.objects),
                            "wasted_bytes": .init(value.wastedBytes), "example": .string("\(value.example)"),
                            "state": value.state.map { .string($0) } ?? .null,
                        ]
                    }),
            ],
        ]
    }

    private func object(_ object: ResidentObject, now: Instant) -> JSONValue {
        [
            "id": .string("\(object.id)"), "kind": .string("\(object.kind)"), "name": .string(object.name),
            "account": .string(object.account.shortText), "values": .init(object.values), "bytes": .init(object.bytes),
            "idle_milliseconds": .init(now.since(object.lastUse).wholeMilliseconds),
            "standing": .string(object.standing.rawValue),
        ]
    }

    /// Which objects are listed.
    package struct Listing: Sendable, Equatable {
        package var after: StateObjectID?
        package var kind: ObjectKind?
        package var name: String?
        /// 1 to ``StateOperations/pageMax``. Default 100.
        package var limit = 100

        package init() {}
    }

    /// Stored objects in the order of their ids, as the store has them; `next` is where the next page begins.
    package func list(_ listing: Listing) async throws(StateOperationError) -> JSONObject {
        let headers: [RecordHeader]
        do {
            headers = try await self.engine.headers(
                after: listing.after, matching: RecordFilter(kind: listing.kind, name: listing.name),
                limit: listing.limit)
        } catch let error as EngineError {
            throw StateOperationError(error)
        } catch {
            throw StateOperationError(.unavailable, "The request was cancelled.")
        }
        let areResident = self.engine.areResident(headers.map(\.id))
        let isMore = headers.count == listing.limit
        return [
            "objects": .array(zip(headers, areResident).map { .object(self.object($0, isResident: $1)) }),
            "next": isMore ? headers.last.map { .string("\($0.id)") } ?? .null : .null,
        ]
    }

    private func object(_ header: RecordHeader, isResident: Bool) -> JSONObject {
        [
            "id": .string("\(header.id)"), "kind": .string("\(header.kind)"), "name": .string(header.name),
            "account": .string(header.account.shortText),
            "revision": .number(JSONNumber(header.revision.number)), "values": .init(header.valueCount),
            "bytes": .init(header.byteCount), "created": .number(JSONNumber(header.created.milliseconds)),
            "expiry": .number(JSONNumber(header.expiry.milliseconds)),
            "memory": isResident ? "resident" : "asleep", "is_quarantined": .bool(header.isQuarantined),
        ]
    }

    /// One object: what the store has, and under `resident` how it stands in memory, `null` while it is asleep.
    package func show(_ id: StateObjectID) async throws(StateOperationError) -> JSONObject {
        let header = try await self.header(of: id)
        let resident = self.engine.resident(id)
        var object = self.object(header, isResident: resident != nil)
        let now = self.engine.environment.now()
        object["resident"] = resident.map { self.object($0, now: now) } ?? .null
        return object
    }

    private func header(of id: StateObjectID) async throws(StateOperationError) -> RecordHeader {
        let found: RecordHeader?
        do {
            found = try await self.engine.header(of: id)
        } catch {
            throw StateOperationError(error)
        }
        guard let found else { throw .unknown }
        return found
    }

    // MARK: Doing

    /// Takes an object out of memory.
    /// - Returns: Whether it was there; `false` when it was asleep already.
    /// - Throws: ``StateOperationError/Code/busy`` when it is used, or has changes on their way to the store.
    package func evict(_ id: StateObjectID) async throws(StateOperationError) -> Bool {
        let end: StateEngine.EvictionEnd
        do {
            end = try await self.engine.evictOnRequest(id)
        } catch {
            throw StateOperationError(error)
        }
        switch end {
        case .evicted: return true
        case .asleep: return false
        case .busy(let standing):
            throw StateOperationError(.busy, "The object is \(standing.rawValue); it stays in memory. Try again later.")
        case .unknown: throw .unknown
        }
    }

    /// Takes all objects out of memory that nobody uses and the store has.
    /// - Returns: How many.
    package func evictAll() -> Int { self.engine.evictAll() }

    /// Deletes an object, durably. Its session gets 404 from then on; its handle is unknown.
    package func delete(_ id: StateObjectID) async throws(StateOperationError) {
        let isDeleted = try await self.carryingOut { try await self.engine.deleteOnRequest(id) }
        guard isDeleted else { throw .unknown }
    }

    /// The lines of an object's export: what is durable of it.
    ///
    /// The whole object is copied, past the memory for state: bound how many are exported at once.
    package func export(_ id: StateObjectID) async throws(StateOperationError) -> StateExportText {
        do {
            guard let (header, values) = try await self.engine.copy(of: id) else { throw StateOperationError.unknown }
            return StateExportText(header, values, at: self.engine.environment.wallTime())
        } catch let error as EngineError {
            throw StateOperationError(error)
        } catch let error as StateOperationError {
            throw error
        } catch {
            throw StateOperationError(.unavailable, "The request was cancelled.")
        }
    }

    /// Brings an exported object back, durably: all of it or nothing.
    /// - Parameters:
    ///   - text: What ``export(_:)`` wrote.
    ///   - replaces: Whether an object of that id gives way.
    /// - Returns: Its id.
    package func restore(_ text: [UInt8], replaces: Bool) async throws(StateOperationError) -> StateObjectID {
        let parsed = try StateImportText(parsing: text)
        let (header, values) = (parsed.header, parsed.values)
        let time = self.engine.environment.wallTime()
        guard values.values.contains(where: { $0.expiry.map { $0 > time } ?? true }) else {
            throw StateOperationError(.malformed, "The time of all values of this export is over.")
        }
        guard header.kind != .principal || header.id == self.service.principalObject(header.account) else {
            throw StateOperationError(.malformed, "The id of this export is not that of its principal's object.")
        }
        let end = try await self.carryingOut { try await self.engine.restore(header, values, replaces: replaces) }
        switch end {
        case .restored: return header.id
        case .exists:
            throw StateOperationError(
                .conflict, "There is such an object already; import with replace to put this in its place.")
        case .foreign:
            throw StateOperationError(
                .conflict, "The object of this id is of another kind, state or account; it stays.")
        case .ended: throw StateOperationError(.conflict, "This session has been ended; it cannot come back.")
        }
    }

    private func carryingOut<Result>(
        _ body: () async throws -> Result
    ) async throws(StateOperationError) -> Result {
        do {
            return try await body()
        } catch let error as EngineError {
            throw StateOperationError(error)
        } catch {
            // Cancellation is all that is left.
            throw StateOperationError(.unavailable, "The request was cancelled; it may have been carried out.")
        }
    }
}
