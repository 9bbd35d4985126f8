import DequeModule

/// Decides which state objects go to the store, and when.
///
/// Objects that have changed queue up; a batch takes them from the front, one batch at a time, and the next forms
/// meanwhile. So under load the cost of a commit is shared by more and more changes. Objects are named by their dense
/// numbers.
package struct CommitStateMachine: Sendable {
    /// When a change has to be durable.
    package enum Pace: Sendable, Equatable {
        /// Before anything that reveals it leaves a call.
        case acknowledged
        /// Within this time, or when it is called for.
        case interval(Duration)
    }

    private enum Progress: UInt8 {
        /// The store has everything.
        case clean
        /// Waits for a batch. Next: `sent`.
        case queued
        /// Is in the batch under way. Next: `clean`, `unknown`, or `sentAndChanged`.
        case sent
        /// Is in the batch under way, and has changed since. Next: `queued`, or `unknown`.
        case sentAndChanged
        /// Has changed, and may not be sent yet. Next: `queued`.
        case held
        /// Nobody knows whether the last batch took effect. Next: `clean` or `queued`.
        case unknown, unknownAndChanged
    }

    private let pace: Pace
    private var queue: Deque<UInt32> = []
    private var progress: ContiguousArray<Progress> = []
    /// How many are in the batch under way.
    private var sentCount = 0
    /// Whether a batch is under way.
    package private(set) var isSending = false
    /// Somebody asks for everything that waits now to be committed.
    private var isUrgent = false
    /// When the last interval began.
    private var intervalStart: Instant

    package init(pace: Pace, now: Instant) {
        self.pace = pace
        self.intervalStart = now
    }

    /// The objects that wait for a batch.
    package var queuedCount: Int { self.queue.count }
    /// Whether everything is in the store, as far as is known.
    package var isIdle: Bool { self.queue.isEmpty && !self.isSending }

    // MARK: Changes

    /// An object has a change that the store lacks.
    package mutating func changed(_ number: UInt32) {
        let index = Int(number)
        while self.progress.count <= index { self.progress.append(.clean) }
        switch self.progress[index] {
        case .clean:
            self.progress[index] = .queued
            self.queue.append(number)
        case .sent: self.progress[index] = .sentAndChanged
        case .unknown: self.progress[index] = .unknownAndChanged
        case .queued, .held, .sentAndChanged, .unknownAndChanged: break
        }
    }

    /// Everything that waits now is to be committed without delay: memory is needed, somebody counts on it, or the process
    /// stops. What has changed since it was sent waits, too.
    package mutating func hurry() { self.isUrgent = !self.queue.isEmpty || self.isSending }

    // MARK: Batches

    package enum Step: Sendable, Equatable {
        /// Take a batch: ``beginBatch(now:)``.
        case send
        /// Nothing is to be done before this moment, or before something changes.
        case wait(until: Instant?)
    }

    /// What is to be done now.
    package func next(now: Instant) -> Step {
        if self.isSending || self.queue.isEmpty { return .wait(until: nil) }
        guard case .interval(let interval) = self.pace, !self.isUrgent else { return .send }
        let due = self.intervalStart + interval
        return due <= now ? .send : .wait(until: due)
    }

    /// A batch is taken from now on, by ``takeNext()``.
    package mutating func beginBatch(now: Instant) {
        precondition(!self.isSending, "one batch is under way at a time")
        self.isSending = true
        self.intervalStart = now
    }

    /// Takes the next object into the batch; `nil` when none waits.
    package mutating func takeNext() -> UInt32? {
        precondition(self.isSending, "objects are taken for a batch")
        guard let number = self.queue.popFirst() else {
            self.isUrgent = false
            return nil
        }
        self.progress[Int(number)] = .sent
        self.sentCount += 1
        return number
    }

    /// Leaves an object that was taken out of this batch and of those to come, until it is ``resumed(_:)``.
    package mutating func held(_ number: UInt32) {
        precondition(self.progress[Int(number)] == .sent, "what was taken is left out")
        self.progress[Int(number)] = .held
        self.sentCount -= 1
    }

    /// An object may be sent again.
    package mutating func resumed(_ number: UInt32) {
        guard Int(number) < self.progress.count, self.progress[Int(number)] == .held else { return }
        self.progress[Int(number)] = .queued
        self.queue.append(number)
    }

    /// What became of an object of the batch.
    package mutating func ended(_ number: UInt32, _ end: End) {
        let before = self.progress[Int(number)]
        let hasChanged = before == .sentAndChanged || before == .unknownAndChanged
        switch before {
        case .sent, .sentAndChanged: self.sentCount -= 1
        case .unknown, .unknownAndChanged: precondition(end != .unknown, "what is unknown becomes known")
        case .clean, .queued, .held: preconditionFailure("an outcome is of something sent")
        }
        switch end {
        case .committed:
            self.progress[Int(number)] = hasChanged ? .queued : .clean
            if hasChanged { self.queue.append(number) }
        case .dropped: self.progress[Int(number)] = .clean
        case .unknown: self.progress[Int(number)] = hasChanged ? .unknownAndChanged : .unknown
        }
    }

    package enum End: Sendable, Equatable {
        /// It is durable. What has changed since queues again.
        case committed
        /// It was refused: this change and those since are dropped.
        case dropped
        /// It has to be settled. Until then it is in no batch.
        case unknown
    }

    /// Every object of the batch has had its outcome, or was left out.
    package mutating func endBatch() {
        precondition(self.isSending && self.sentCount == 0, "a batch ends when all of it has ended")
        self.isSending = false
    }
}
