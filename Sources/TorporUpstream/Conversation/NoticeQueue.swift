import DequeModule
package import TorporJSON

/// What a server says during a request.
package enum Notice: Sendable, Equatable {
    case progress(JSONObject)
    case log(JSONObject)
}

/// What waits for one request's observer: in order, and no more than the limits.
///
/// Of several reports of progress that wait only the newest is kept where one has to go; what finds no room all the
/// same is dropped and counted. Questions are bounded by limits of their own.
package struct NoticeQueue: Sendable {
    package enum Item: Sendable, Equatable {
        case notice(Notice)
        case ask(Ask)
    }

    private let noticesMax: Int
    private let bytesMax: Int
    private var items: Deque<(item: Item, bytes: Int)> = []
    private var noticeCount = 0
    private var bytes = 0
    /// Notices that were left out.
    package private(set) var dropped = 0

    /// - Parameter bytesMax: How long the messages may be altogether that wait; one alone may be longer.
    package init(noticesMax: Int, bytesMax: Int) {
        precondition(noticesMax > 0, "at least one notice may wait")
        self.noticesMax = noticesMax
        self.bytesMax = bytesMax
    }

    /// - Parameter bytes: How long the notice's message was.
    package mutating func add(_ notice: Notice, bytes: Int) {
        if !self.hasRoom(for: bytes), case .progress = notice,
            let place = self.items.lastIndex(where: { $0.item.isProgress })
        {
            self.forget(self.items.remove(at: place))
            self.dropped += 1
        }
        guard self.hasRoom(for: bytes) else {
            self.dropped += 1
            return
        }
        self.items.append((.notice(notice), bytes))
        self.noticeCount += 1
        self.bytes += bytes
    }

    package mutating func add(_ ask: Ask) { self.items.append((.ask(ask), 0)) }

    package mutating func next() -> Item? {
        guard let next = self.items.popFirst() else { return nil }
        self.forget(next)
        return next.item
    }

    private func hasRoom(for bytes: Int) -> Bool {
        self.noticeCount == 0 || self.noticeCount < self.noticesMax && self.bytes + bytes <= self.bytesMax
    }

    private mutating func forget(_ entry: (item: Item, bytes: Int)) {
        guard case .notice = entry.item else { return }
        self.noticeCount -= 1
        self.bytes -= entry.bytes
    }
}

extension NoticeQueue.Item {
    fileprivate var isProgress: Bool {
        if case .notice(.progress) = self { true } else { false }
    }
}
