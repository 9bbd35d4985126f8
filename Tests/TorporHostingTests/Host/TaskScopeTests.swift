import Testing

@testable import TorporHosting

/// Tasks that somebody answers for.
@Suite(.timeLimit(.minutes(5))) struct TaskScopeTests {
    private let events = Recorder<String>()

    @Test func nothingBeginsAfterTheEnd() async {
        let scope = TaskScope()
        await scope.end()
        #expect(scope.begin { self.events.add("ran") } == nil)
        await scope.end()
        #expect(self.events.all == [])
    }

    @Test func theEndCancelsAndWaits() async {
        let scope = TaskScope()
        scope.begin {
            try? await self.events.until("never")
            self.events.add("cancelled")
        }
        await scope.end()
        #expect(self.events.all == ["cancelled"])
    }

    @Test func finishingWaitsAndCancelsNothing() async throws {
        let scope = TaskScope()
        scope.begin {
            try? await self.events.until("go")
            self.events.add(Task.isCancelled ? "cancelled" : "done")
        }
        let finishing = Task.immediate {
            await scope.finish()
            self.events.add("finished")
        }
        #expect(scope.begin { self.events.add("ran") } == nil, "it is closed while it waits")
        self.events.add("go")
        await finishing.value
        #expect(self.events.all == ["go", "done", "finished"])
    }

    @Test func aTaskOfAScopeCanBeCancelledAlone() async throws {
        let scope = TaskScope()
        let task = scope.begin {
            try? await self.events.until("never")
            self.events.add("cancelled")
        }
        let other = scope.begin { try? await self.events.until("cancelled") }
        task?.cancel()
        await scope.finish()
        #expect(task != nil && other?.isCancelled == false)
    }
}
