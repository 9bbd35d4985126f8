import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import TorporHTTP

/// A loop tells when it has looked at its sockets.
@Suite struct NextLookTests {
    /// What happened on a loop, in order.
    private final class Course: Sendable {
        private let events = Mutex<[String]>([])
        /// Set before the first look.
        let look = Mutex<NIOLoopBound<NextLook>?>(nil)

        var all: [String] { self.events.withLock { $0 } }

        func note(_ event: String) { self.events.withLock { $0.append(event) } }
    }

    @Test func whatIsToBeDoneAtOnceIsDoneBeforeTheNextLook() async throws {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let course = Course()
        let (looks, continuation) = AsyncStream.makeStream(of: Void.self)
        let look = try await NextLook.open(on: eventLoop) {
            course.note("look")
            if course.all.count < 5 {
                #expect(course.look.withLock { $0 }?.value.expect() == true)
                eventLoop.execute { course.note("task") }
            } else {
                continuation.finish()
            }
        }.get()
        let bound = try #require(look)
        course.look.withLock { $0 = bound }
        #expect(try await eventLoop.submit { bound.value.expect() }.get())
        for await _ in looks {}
        #expect(course.all == ["look", "task", "look", "task", "look"])
        try await eventLoop.submit { bound.value.close() }.get()
    }

    @Test func oneThatIsClosedWritesNothingAndSaysSo() async throws {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let (looks, continuation) = AsyncStream.makeStream(of: Void.self)
        let look = try await NextLook.open(on: eventLoop) { continuation.finish() }.get()
        let bound = try #require(look)
        let isExpected = try await eventLoop.submit {
            bound.value.close()
            bound.value.close()
            return bound.value.expect()
        }.get()
        #expect(!isExpected)
        // Whoever waited for a look has been told.
        for await _ in looks {}
    }
}
