import NIOCore
import Torpor
import TorporProtocol

// Time limits, and the stop of the server.
extension MCPConnection {
    /// How long a client may take to close its half when the server stops. In ticks.
    private static let drainingLingerTicks = 2

    /// Called once a second.
    func checkTimeLimits() {
        let age = self.loop.tick - self.sinceTick
        switch self.activity {
        case .reading: self.checkReading(age)
        // Its turn comes.
        case .waiting: break
        case .running(let call, let exchange):
            if self.loop.tick - call.startTick >= self.listener.callTicks {
                // Ended first: its own answer to being cancelled would come before this one.
                let end = call.call.timedOut(after: self.listener.configuration.callTimeout)
                call.task.cancel()
                self.finish(call, end, exchange)
            } else if exchange.acceptsStreams, self.loop.tick - call.startTick >= self.listener.heartbeatTicks {
                // So that nobody on the way takes the connection for dead.
                call.call.openStream()
            }
        case .streaming(let answer): self.checkStreaming(answer)
        case .blocked, .closing:
            // A stop does not wait for clients that were told everything and stay.
            let limit =
                self.outputIsClosed && self.loop.isDraining ? Self.drainingLingerTicks : self.listener.writeTicks
            if age >= limit { self.context?.close(promise: nil) }
        }
    }

    private func checkReading(_ age: Int) {
        let late: Bool
        switch self.phase {
        case .idle:
            if age >= self.listener.idleTicks { self.context?.close(promise: nil) }
            return
        case .head: late = age >= self.listener.headTicks
        case .body: late = age >= self.listener.bodyTicks
        case .finished: late = false
        }
        guard late else { return }
        self.answer(Refusal(408, .invalidRequest, "The request did not arrive in time."), Exchange(keepsAlive: false))
    }

    /// Begins no further request.
    func drain() {
        switch self.activity {
        case .reading where self.phase == .idle: self.closeAfterWriting(lingers: false)
        case .streaming(let answer): self.drain(answer)
        case .reading, .waiting, .running, .blocked, .closing: break
        }
    }

    /// Ends the connection with an answer to whatever it waits for.
    func cutShort() {
        switch self.activity {
        case .running(let call, var exchange):
            exchange.keepsAlive = false
            let end = call.call.cutShort()
            call.task.cancel()
            self.finish(call, end, exchange)
        case .streaming(let answer): self.cutShort(answer)
        case .reading, .waiting, .blocked, .closing: self.context?.close(promise: nil)
        }
    }
}
