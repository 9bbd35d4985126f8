package import TorporCore
package import TorporUpstream

/// Starts what answers for a hosted server: a process, or a conversation with a server elsewhere.
package protocol Launcher: Sendable {
    /// For logs and messages: `the command npx some-server`.
    var description: String { get }

    /// It is what starts from now on, in the place of one of the same name that there may have been.
    func begin()

    /// Whether what it starts are processes of this machine.
    var startsProcesses: Bool { get }

    /// Starts one, and opens a conversation with it.
    /// - Throws: ``LaunchError``, `CancellationError`. Nothing is left then.
    func launch(_ order: LaunchOrder) async throws -> any Launched

    /// Removes what is kept for a key while nothing runs for it. Nobody comes back for it.
    func remove(_ caller: HostCaller) async
}

/// For whom something is started.
package struct LaunchOrder: Sendable {
    /// `nil`: for nobody yet.
    package let caller: HostCaller?
    /// Hears what belongs to no request.
    package let events: @Sendable (UpstreamEvent) -> Void
}

/// What has been started.
package protocol Launched: AnyObject, Sendable {
    var session: UpstreamSession { get }

    /// Whether calls run in it.
    func setBusy(_ isBusy: Bool)

    /// Memory that it takes, if that is known.
    func memory() -> ByteCount?

    /// For the log and for pages of operators: a process's number, or nothing.
    var pid: Int32? { get }

    /// Ends it, gently, and saves what it leaves.
    /// - Parameter discards: Nobody comes back for what it leaves: that is not saved.
    /// - Returns: Whether all that it left is stored, or was not to be.
    func stop(discards: Bool) async -> Bool

    /// After the conversation has ended by itself: how. Ends what is left.
    func untilEnded() async -> LaunchedEnd
}

/// How something ended that nobody had ended.
package struct LaunchedEnd: Sendable {
    package let ending: HostEnding
    /// `was ended by signal 9`, to follow the name of what ended.
    package let text: String
    /// What a caller can do about it, in a sentence; empty when there is nothing.
    package let advice: String

    package init(_ ending: HostEnding, _ text: String, advice: String = "") {
        self.ending = ending
        self.text = text
        self.advice = advice
    }
}

/// Why nothing could be started.
package struct LaunchError: Error, Sendable {
    /// For people: what happened, and what to do.
    package let message: String
    /// Whether it is the fault of the key's own files, and others may start.
    package let isOfKey: Bool

    package init(_ message: String, isOfKey: Bool = false) {
        self.message = message
        self.isOfKey = isOfKey
    }
}
