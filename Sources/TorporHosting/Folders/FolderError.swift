import TorporCore
import TorporEngine

/// Why a folder was not saved, restored or deleted. What it says is written for people.
package struct FolderError: Error, Sendable, Equatable {
    package struct Code: Hashable, Sendable, CaseIterable, CustomStringConvertible {
        private enum Value: String, CaseIterable {
            case overLimit, storageFull, unavailable, busy, damaged, newerFormat, superseded, inaccessible, inUse,
                cancelled
        }
        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// The folder is larger than a folder may be. What was saved before stays as it was.
        package static let overLimit = Code(.overLimit)
        /// Whoever it belongs to, or the store, has no room left. What was saved before stays as it was. Delete something.
        package static let storageFull = Code(.storageFull)
        /// The store cannot be reached, or there is no memory for it now. What was saved before stays as it was. Try again.
        package static let unavailable = Code(.unavailable)
        /// Too many wait, or the folder is being used already. Nothing was changed. Try again.
        package static let busy = Code(.busy)
        /// What is stored cannot be read. It is left as it is.
        package static let damaged = Code(.damaged)
        /// A newer version of the program stored it. It is left as it is.
        package static let newerFormat = Code(.newerFormat)
        /// Somebody else has saved or deleted the folder since it was restored. What they did stays.
        package static let superseded = Code(.superseded)
        /// The system refuses: a file cannot be read, or the folder cannot be made.
        package static let inaccessible = Code(.inaccessible)
        /// Another process has the place where folders lie.
        package static let inUse = Code(.inUse)
        /// The task was cancelled. What was saved before stays as it was.
        package static let cancelled = Code(.cancelled)

        package static var allCases: [Code] { Value.allCases.map { Code($0) } }

        package var description: String { self.value.rawValue }
    }

    package let code: Code
    /// What happened and what to do, in sentences. May name files of the folder.
    package let reason: String
    /// The file or folder that it is about, if it is about one.
    package let path: FolderPath?

    package init(_ code: Code, _ reason: String, path: FolderPath? = nil) {
        self.code = code
        self.reason = reason
        self.path = path
    }

    /// Whether the same may succeed a little later.
    package var isRetryable: Bool { [.unavailable, .busy, .inaccessible, .cancelled].contains(self.code) }
}

extension FolderError: CustomStringConvertible {
    package var description: String { self.reason }
}

extension FolderError {
    static let cancelled = FolderError(.cancelled, "It was cancelled. What was saved before is as it was.")

    static let superseded = FolderError(
        .superseded, "The folder was saved or deleted by somebody else in the meantime, which is what counts.")

    init(_ error: EngineError) {
        switch error.code {
        case .overLimit: self.init(.storageFull, error.reason)
        case .corrupt: self.init(.damaged, error.reason)
        case .newerFormat: self.init(.newerFormat, error.reason)
        case .busy: self.init(.busy, error.reason)
        case .missing: self.init(.damaged, "The id of a stored folder belongs to something else.")
        default: self.init(.unavailable, error.reason)
        }
    }

    init(_ failure: SystemFailure, _ what: String) {
        self.init(.inaccessible, "\(what): \(failure.text).")
    }

    /// Runs what asks the engine, with its errors as those of folders.
    static func translating<Result>(_ body: () async throws -> Result) async throws(FolderError) -> Result {
        do {
            return try await body()
        } catch let error as FolderError {
            throw error
        } catch let error as EngineError {
            throw FolderError(error)
        } catch {
            precondition(error is CancellationError, "the engine throws its own errors, or that of cancellation")
            throw .cancelled
        }
    }

    static func checkCancellation() throws(FolderError) {
        if Task.isCancelled { throw .cancelled }
    }
}
