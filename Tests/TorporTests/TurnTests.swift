import Testing

@testable import Torpor

/// A wait that ends once.
@Suite struct TurnTests {
    @Test func anEndThatCameFirstIsKept() async {
        let turn = Turn<Int>()
        turn.end(7)
        #expect(await turn.wait() == 7)
    }

    @Test func whoWaitsGoesOnWithTheEnd() async {
        let turn = Turn<String>()
        // Runs here until it waits.
        let waiting = Task.immediate { await turn.wait() }
        turn.end("begun")
        #expect(await waiting.value == "begun")
    }

    @Test func cancellingWhoWaitsEndsNothing() async {
        let turn = Turn<Int>()
        let waiting = Task.immediate { await turn.wait() }
        waiting.cancel()
        turn.end(1)
        #expect(await waiting.value == 1)
    }

    @Test func aWaitAndItsEndMeetInWhateverOrderTheyCome() async {
        for number in 0..<1_000 {
            let turn = Turn<Int>()
            async let end = turn.wait()
            async let ended: Void = turn.end(number)
            #expect(await end == number)
            await ended
        }
    }

    @Test func theEndIsGivenUpWithTheTurn() async {
        final class Held: Sendable {}
        weak var end: Held?
        do {
            let turn = Turn<Held>()
            let held = Held()
            end = held
            turn.end(held)
            _ = await turn.wait()
        }
        #expect(end == nil)
    }

    @Test func aSecondEndIsAMistakeOfTheProgram() async {
        await #expect(processExitsWith: .failure) {
            let turn = Turn<Int>()
            turn.end(1)
            turn.end(2)
        }
    }

    @Test func aSecondTaskThatWaitsIsAMistakeOfTheProgram() async {
        await #expect(processExitsWith: .failure) {
            let turn = Turn<Int>()
            let first = Task.immediate { await turn.wait() }
            _ = await turn.wait()
            withExtendedLifetime(first) {}
        }
    }
}
