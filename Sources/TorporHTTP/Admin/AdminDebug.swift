import HTTPTypes
import HummingbirdCore
import NIOCore
import Synchronization
import Torpor
import TorporJSON

/// Carries out what is asked of the pages below `/debug`, off the admin listener's event loop: health checks are answered
/// meanwhile.
struct AdminDebug: Sendable {
    /// The largest export that is imported, in bytes.
    static let importMax = 16 << 20
    /// Objects that are exported or imported at once; each may take several times its size.
    static let transfersMax = 2
    /// Bytes of an export that are given to the connection at once.
    private static let chunkMax = 64 << 10

    enum Answer: Sendable {
        case response(AdminResponder.Response)
        /// JSON lines, one after the other as the client takes them.
        case lines(StateExportText, TransferSlot)
    }

    private let operations: AdminOperations?
    private let slots = TransferSlots(max: Self.transfersMax)

    init(_ operations: AdminOperations?) { self.operations = operations }

    func answer(to request: AdminRequest, body: RequestBody) async -> Answer {
        guard let operations else { return .response(.notFound) }
        return await withTaskExecutorPreference(globalConcurrentExecutor) {
            do {
                return try await self.carryOut(request, operations, body)
            } catch let error as StateOperationError {
                return .response(.init(error))
            } catch {
                return .response(.error(.badRequest, "malformed", "The request was cut short."))
            }
        }
    }

    private func carryOut(
        _ request: AdminRequest, _ operations: AdminOperations, _ body: RequestBody
    ) async throws -> Answer {
        switch request {
        case .overview: return .response(.json(Self.overview(operations)))
        case .memory: return .response(.json(Self.memory(operations)))
        default: break
        }
        if let response = try Self.heapProfile(request, operations.heapProfile) { return .response(response) }
        guard let state = operations.state else {
            return .response(.error(.notFound, "unknown", "This server keeps no state."))
        }
        switch request {
        case .overview, .memory, .heap, .startHeapProfile, .dumpHeapProfile, .stopHeapProfile:
            preconditionFailure("answered above")
        case .contents: return .response(.json(await state.contents()))
        case .list(let listing): return .response(.json(try await state.list(listing)))
        case .show(let id): return .response(.json(try await state.show(id)))
        case .evict(let id): return .response(.json(["evicted": .bool(try await state.evict(id))]))
        case .evictAll: return .response(.json(["evicted": .number(JSONNumber(state.evictAll()))]))
        case .delete(let id):
            try await state.delete(id)
            return .response(.json(["deleted": true]))
        case .export(let id):
            guard let slot = self.slots.take() else { return .response(.tooManyTransfers) }
            return .lines(try await state.export(id), slot)
        case .restore(let replaces):
            guard let slot = self.slots.take() else { return .response(.tooManyTransfers) }
            defer { slot.giveBack() }
            guard let text = try await Self.read(body) else { return .response(.tooLarge) }
            let id = try await state.restore(text, replaces: replaces)
            return .response(.json(["id": .string("\(id)")]))
        }
    }

    /// What a dashboard shows, at little cost: counts and sums that are kept anyway. Counters are totals since the start.
    private static func overview(_ operations: AdminOperations) -> JSONObject {
        var page = operations.overview()
        for member in operations.process().members { page[member.name] = member.value }
        page["state"] = operations.state.map { .object($0.overview()) } ?? .null
        self.addGovernor(to: &page, operations)
        return page
    }

    private static func memory(_ operations: AdminOperations) -> JSONObject {
        var page = operations.process()
        page["state"] = operations.state.map { .object($0.memory()) } ?? .null
        self.addGovernor(to: &page, operations)
        return page
    }

    private static func addGovernor(to page: inout JSONObject, _ operations: AdminOperations) {
        page["governor"] = operations.governor().map { .object($0) } ?? .null
    }

    /// What is answered about heap profiles; `nil` when something else is asked.
    private static func heapProfile(
        _ request: AdminRequest, _ profile: AdminHeapProfile?
    ) throws -> AdminResponder.Response? {
        let carryOut: (AdminHeapProfile) throws(AdminHeapProfile.Refusal) -> AdminResponder.Response
        switch request {
        case .heap: carryOut = { profile throws(AdminHeapProfile.Refusal) in .heap(sampleBytes: try profile.status()) }
        case .startHeapProfile(let sampleBytes):
            if let sampleBytes, let range = profile?.sampleRange, !range.contains(sampleBytes) {
                return .error(.badRequest, "malformed", "sample is \(range.lowerBound) to \(range.upperBound)")
            }
            carryOut = { profile throws(AdminHeapProfile.Refusal) in
                try profile.start(sampleBytes)
                return .heap(sampleBytes: try profile.status())
            }
        case .dumpHeapProfile:
            carryOut = { profile throws(AdminHeapProfile.Refusal) in
                AdminResponder.Response(status: .ok, body: String(decoding: try profile.dump(), as: UTF8.self))
            }
        case .stopHeapProfile:
            carryOut = { profile throws(AdminHeapProfile.Refusal) in
                try profile.stop()
                return .heap(sampleBytes: nil)
            }
        default: return nil
        }
        guard let profile else {
            return .error(.notImplemented, "unsupported", "This server takes no heap profiles.")
        }
        do throws(AdminHeapProfile.Refusal) {
            return try carryOut(profile)
        } catch {
            switch error.code {
            case .unsupported: return .error(.notImplemented, "unsupported", error.message)
            case .conflict: return .error(.conflict, "conflict", error.message)
            case .failed: return .error(.internalServerError, "failed", error.message)
            }
        }
    }

    /// The whole body; `nil` when it is too large.
    private static func read(_ body: RequestBody) async throws -> [UInt8]? {
        var bytes: [UInt8] = []
        for try await part in body {
            guard bytes.count + part.readableBytes <= self.importMax else { return nil }
            bytes.append(contentsOf: part.readableBytesView)
        }
        return bytes
    }

    /// Writes the lines of an export, a bounded number of bytes at a time.
    static func body(_ lines: StateExportText, _ slot: TransferSlot) -> ResponseBody {
        ResponseBody { writer in
            defer { slot.giveBack() }
            var lines = lines
            while let line = lines.nextLine() {
                var rest = ByteBuffer(bytes: line)
                while let chunk = rest.readSlice(length: min(Self.chunkMax, max(1, rest.readableBytes))) {
                    try await writer.write(chunk)
                }
            }
            try await writer.finish(nil)
        }
    }
}

/// Counts what is exported and imported at once.
final class TransferSlots: Sendable {
    private let free: Atomic<Int>

    init(max: Int) { self.free = Atomic(max) }

    /// - Returns: `nil` when as many are taken as may be.
    func take() -> TransferSlot? {
        guard self.free.subtract(1, ordering: .relaxed).newValue >= 0 else {
            self.giveBack()
            return nil
        }
        return TransferSlot(self)
    }

    fileprivate func giveBack() { self.free.add(1, ordering: .relaxed) }
}

/// One place of ``TransferSlots``; given back at the latest when nobody refers to it, so that an answer that is never
/// written keeps none.
final class TransferSlot: Sendable {
    private let slots: TransferSlots
    private let isTaken = Atomic(true)

    fileprivate init(_ slots: TransferSlots) { self.slots = slots }

    deinit { self.giveBack() }

    func giveBack() {
        if self.isTaken.exchange(false, ordering: .relaxed) { self.slots.giveBack() }
    }
}

extension AdminResponder.Response {
    fileprivate static let tooManyTransfers = error(
        .serviceUnavailable, "unavailable",
        "\(AdminDebug.transfersMax) objects are being exported or imported already. Try again in a moment.")
    fileprivate static let tooLarge = error(
        .contentTooLarge, "malformed", "An export to be imported has at most \(AdminDebug.importMax >> 20) MiB.")

    fileprivate static func heap(sampleBytes: Int?) -> Self {
        .json([
            "is_sampling": .bool(sampleBytes != nil),
            "sample_bytes": sampleBytes.map { .number(JSONNumber($0)) } ?? .null,
        ])
    }

    static func json(_ object: JSONObject, status: HTTPResponse.Status = .ok) -> Self {
        Self(status: status, contentType: "application/json", body: JSONValue.object(object).text + "\n")
    }

    static func error(_ status: HTTPResponse.Status, _ code: String, _ message: String) -> Self {
        var response = self.json(["error": .string(code), "message": .string(message)], status: status)
        if status == .serviceUnavailable { response.retryAfter = 1 }
        return response
    }

    fileprivate init(_ error: StateOperationError) {
        let status: HTTPResponse.Status =
            switch error.code {
            case .unknown: .notFound
            case .conflict, .busy: .conflict
            case .malformed: .badRequest
            case .overLimit, .unreadable: .unprocessableContent
            case .unavailable: .serviceUnavailable
            }
        self = .error(status, error.code.rawValue, error.message)
    }
}
