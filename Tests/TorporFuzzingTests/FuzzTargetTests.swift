import Testing
import TorporFuzzing

/// The part of fuzzing that every run of the tests has: fixed seeds, and few enough inputs for a debug build.
@Suite struct FuzzTargetTests {
    @Test(arguments: FuzzTarget.all)
    func everyInputOfTheCorpusHoldsEveryProperty(target: FuzzTarget) throws {
        let corpus = try Corpus.inputs(of: target)
        #expect(!corpus.isEmpty)
        for input in corpus {
            do {
                _ = try target.check(input)
            } catch {
                Issue.record("\(target.name): \(error) with \"\(escaped(input))\"")
            }
        }
    }

    @Test(arguments: FuzzTarget.all)
    func mutationsOfTheCorpusHoldEveryProperty(target: FuzzTarget) throws {
        let corpus = try Corpus.inputs(of: target)
        var campaign = try Campaign(target, corpus: corpus, seed: 1)
        let fromCorpus = campaign.outcomeCount
        for step in 0..<Self.stepCount {
            do {
                try campaign.step()
            } catch {
                Issue.record("seed 1, step \(step): \(error)")
                return
            }
        }
        // A corpus of which one thing comes, or mutations that are all refused, would check nothing.
        #expect(fromCorpus > 1)
        #expect(campaign.executionCount == corpus.count + Self.stepCount)
    }

    private static let stepCount = 2_000
}

extension FuzzTarget: CustomTestStringConvertible {
    public var testDescription: String { self.name }
}

/// Without them no mutation would come near a token that opens.
@Test func everySealedTokenIsInTheCorpus() throws {
    let corpus = try Corpus.inputs(of: #require(FuzzTarget.named("session-token")))
    for token in TokenKeys.tokens { #expect(corpus.contains(Array(token.sealed.utf8)), "\(token.sealed)") }
    let states = try Corpus.inputs(of: #require(FuzzTarget.named("request-state")))
    for state in RequestStates.states { #expect(states.contains(Array(state.sealed.utf8)), "\(state.sealed)") }
}
