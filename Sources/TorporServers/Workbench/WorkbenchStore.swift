import Synchronization
import Torpor

/// Keeps the workbench's spaces: one for each principal, and one that anonymous callers share.
protocol WorkbenchStore: Sendable {
    /// The owner's space as it is now; an empty one when nothing was stored yet. Later changes do not show in it.
    func space(of owner: Principal?) async throws -> WorkbenchSpace

    /// Changes the owner's space.
    ///
    /// Changes of one space happen one after the other. When this returns, every later ``space(of:)`` shows the change.
    /// - Parameter change: Runs once, quickly. Changes nothing when it throws.
    /// - Throws: What `change` throws, or a ``ToolError`` when there is no room for one more space.
    func update<Result: Sendable>(
        _ owner: Principal?, _ change: @Sendable (inout WorkbenchSpace) throws(ToolError) -> Result
    ) async throws -> Result
}

/// Keeps the spaces in memory, under one lock: they end with the process.
final class MemoryWorkbenchStore: WorkbenchStore {
    private struct State {
        var spaces: [Principal?: WorkbenchSpace] = [:]
        /// What all spaces take together.
        var byteCount = 0

        mutating func update<Result>(
            _ owner: Principal?, _ change: (inout WorkbenchSpace) throws(ToolError) -> Result
        ) throws(ToolError) -> Result {
            let before = self.spaces[owner]?.byteCount ?? 0
            guard self.spaces[owner] != nil || self.spaces.count < WorkbenchLimits.spaceCountMax else {
                throw ToolError(
                    """
                    The workbench has room for \(WorkbenchLimits.spaceCountMax) callers, and all places are taken. \
                    Somebody else has to empty theirs first.
                    """)
            }
            defer {
                self.byteCount += (self.spaces[owner]?.byteCount ?? 0) - before
                if self.spaces[owner]?.isEmpty ?? false { self.spaces[owner] = nil }
            }
            self.spaces[owner, default: WorkbenchSpace()].roomOutside =
                WorkbenchLimits.contentsMax.bytes - self.byteCount
            return try change(&self.spaces[owner, default: WorkbenchSpace()])
        }
    }

    private let state = Mutex(State())

    func space(of owner: Principal?) -> WorkbenchSpace { self.state.withLock { $0.spaces[owner] } ?? WorkbenchSpace() }

    func update<Result: Sendable>(
        _ owner: Principal?, _ change: @Sendable (inout WorkbenchSpace) throws(ToolError) -> Result
    ) throws(ToolError) -> Result {
        try self.state.withLock { (state) throws(ToolError) in try state.update(owner, change) }
    }
}
