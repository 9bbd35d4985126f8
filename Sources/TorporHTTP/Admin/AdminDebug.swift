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
        if request == .memory {
            var page = operations.process()
            page["state"] = operations.state.map { .object($0.memory()) } ?? .null
            return .response(.json(page))
        }
        guard let state = operations.state else {
            return .response(.error(.notFound, "unknown", "This server keeps no state."))
        }
        switch request {
        case .memory, .contents: return .response(.json(await state.contents()))
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
