import Testing
import TorporFuzzing
import TorporTestSupport

@Suite struct EngineTests {
    /// Breaks for inputs that hold `a{` before `z`.
    private static let broken = FuzzTarget("broken", dictionary: ["a{", "z"]) { input throws(PropertyViolation) in
        let text = String(decoding: input, as: UTF8.self)
        if text.contains(/a\{.*z/) { throw PropertyViolation("no a{ stands before z") }
        return "\(text.contains("a{")) \(text.contains("z"))"
    }

    private static func finding(seed: UInt64) throws -> Campaign.Finding? {
        var campaign = try Campaign(self.broken, corpus: [Array("hello".utf8)], seed: seed)
        for _ in 0..<20_000 {
            do throws(Campaign.Finding) {
                try campaign.step()
            } catch {
                return error
            }
        }
        return nil
    }

    @Test func aCampaignFindsWhatIsBroken() throws {
        let finding = try #require(try Self.finding(seed: 1))
        #expect(finding.violation.property == "no a{ stands before z")
        #expect(finding.description.contains("broken"))
    }

    @Test func theSameSeedFindsTheSame() throws {
        #expect(try Self.finding(seed: 2)?.input == Self.finding(seed: 2)?.input)
    }

    @Test func aFindingIsMadeAsSmallAsCanBe() throws {
        let smallest = Minimiser.minimise(Array("some a{ text, then z, then more".utf8)) { input in
            (try? Self.broken.check(input)) == nil  // `nil` for a violation, which is all that it throws
        }
        #expect(smallest == Array("a{z".utf8))
    }

    @Test func whatDoesNotFailIsNotMadeSmaller() {
        #expect(Minimiser.minimise([1, 2, 3]) { _ in false } == [1, 2, 3])
    }

    @Test func anInputIsNotedBeforeItIsChecked() throws {
        var noted: [[UInt8]] = []
        var campaign = try Campaign(Self.broken, corpus: [[1]], seed: 3) { noted.append($0) }
        try campaign.step { noted.append($0) }
        #expect(noted.count == 2)
        #expect(noted[0] == [1])
    }

    @Test func mutationsKeepToTheLongestInput() throws {
        for target in FuzzTarget.all {
            let mutator = Mutator(target)
            var random = SeededGenerator(seed: 4)
            var input = [UInt8](repeating: UInt8(ascii: "["), count: target.lengthMax)
            for _ in 0..<200 {
                input = mutator.mutate(input, with: Array("[1,{\"a\":2}]\n\n".utf8), using: &random)
                #expect(input.count <= target.lengthMax)
            }
        }
    }

    @Test func mutationsOfJSONOftenStayJSON() throws {
        let target = try #require(FuzzTarget.named("json"))
        let mutator = Mutator(target)
        var random = SeededGenerator(seed: 5)
        let document = Array(#"{"a":[1,2,{"b":"c"}],"d":null}"#.utf8)
        var accepted = 0
        for _ in 0..<1_000 {
            let outcome = try target.check(mutator.mutate(document, with: document, using: &random))
            if outcome.hasPrefix("object") || outcome.hasPrefix("array") { accepted += 1 }
        }
        #expect(accepted > 200)
    }

    @Test func everyTargetHasANameOfItsOwn() {
        #expect(Set(FuzzTarget.all.map(\.name)).count == FuzzTarget.all.count)
    }
}
