import Testing
import TorporProtocol

@Suite struct PatternTests {
    private func isMatch(_ pattern: String, _ text: String) throws -> Bool {
        let bytes = Array(text.utf8)
        var work = Int.max
        return try Pattern(pattern).matches(bytes.span, work: &work)
    }

    @Test(
        arguments: [
            ("b", ["abc", "b"], ["", "ac"]),
            ("^b", ["bc"], ["abc"]),
            ("b$", ["ab"], ["b\n", "ba"]),
            ("^$", [""], ["a", "\n"]),
            ("^a|b$", ["ax", "xb"], ["xa", "bx"]),
            ("^(a|b)+c?$", ["a", "abba", "abc"], ["", "c", "abcc"]),
            ("^a*?b+?$", ["b", "aabb"], ["a"]),
            ("^a{2}$", ["aa"], ["a", "aaa"]),
            ("^a{2,}$", ["aa", "aaaaa"], ["a"]),
            ("^a{0,2}$", ["", "aa"], ["aaa"]),
            ("^(ab){2,3}$", ["abab", "ababab"], ["ab", "abababab"]),
            ("^(a*)*$", ["", "aaa"], ["b"]),
            ("^(|a)+$", ["", "aa"], ["b"]),
            ("a{,2}", ["a{,2}"], ["aa"]),
            ("^x{$", ["x{"], ["x"]),
            (".", ["x", "é", "🐲"], ["", "\n", "\r", "\u{2028}"]),
            ("^.$", ["🐲"], ["ab"]),
            ("^[a-c_]$", ["a", "c", "_"], ["d", "-"]),
            ("^[a-]$", ["a", "-"], ["b"]),
            ("^[^a-c]$", ["d", "é"], ["a", ""]),
            ("^[\\d\\s-]$", ["5", " ", "-"], ["a"]),
            ("^[\\]\\\\]$", ["]", "\\"], ["["]),
            ("[]", [], ["", "a"]),
            ("^[^]$", ["a", "\n"], [""]),
            ("^[\\b]$", ["\u{8}"], ["b"]),
            ("^\\d\\D\\w\\W\\s\\S$", ["1aa- x"], ["aaa- x"]),
            ("^[é-ü]$", ["ö"], ["a"]),
            ("\\bfoo\\b", ["a foo.", "foo"], ["food", "a_foo"]),
            ("o\\B", ["foox"], ["fo"]),
            ("^\\p{Lu}\\p{Ll}+$", ["Émile"], ["émile"]),
            ("^\\P{L}$", ["1"], ["a"]),
            ("^\\p{gc=Nd}[\\p{Sc}\\p{White_Space}]$", ["1€", "২ "], ["a€"]),
            ("^\\x41\\u0042\\u{43}\\cJ\\0$", ["ABC\n\0"], ["ABC"]),
            ("^\\ud83d\\udc32$", ["🐲"], ["🐉"]),
            ("^\\.\\-\\/\\@\\ $", [".-/@ "], ["a-/@ "]),
            ("^(?:a)(?<name>b)$", ["ab"], ["a"]),
            ("^(?=.*\\d)(?=.*[a-z]).{4,}$", ["abc1", "1abcd"], ["abcd", "1234", "a1"]),
            ("^(?!.*\\.\\.)[a-z.]+$", ["a.b"], ["a..b"]),
            ("(?<=\\$)\\d+$", ["$12"], ["12"]),
            ("(?<!\\$)\\b\\d+$", ["a 12"], ["$12"]),
            ("^(?=(?!ab)a)", ["ac"], ["ab", "b"]),
            ("(?<=a+)b", ["aab"], ["b"]),
        ] as [(String, [String], [String])])
    func aPatternMatchesAsECMA262Says(pattern: String, matching: [String], others: [String]) throws {
        for text in matching { #expect(try self.isMatch(pattern, text), "\(pattern) and \(text)") }
        for text in others { #expect(try !self.isMatch(pattern, text), "\(pattern) and \(text)") }
    }

    @Test(
        arguments: [
            ("(", "parenthesis"), (")", "never opened"), ("[a", "["), ("*a", "nothing to repeat"),
            ("a**", "nothing to repeat"), ("a{3,2}", "out of order"), ("[b-a]", "out of order"), ("[a-\\d]", "class"),
            ("\\", "backslash"), ("\\q", "unknown escape"), ("\\Z", "unknown escape"), ("(a)\\1", "backreference"),
            ("\\k<a>", "backreference"), ("(?P<n>a)", "ECMA-262"), ("(?i)a", "ECMA-262"), ("(?<>a)", "name"),
            ("\\p{Script=Greek}", "property"), ("\\p", "name in braces"), ("\\cx1\\c1", "letter"),
            ("\\x4", "hexadecimal"), ("\\u00", "hexadecimal"), ("\\u{110000}", "broken"), ("\\01", "octal"),
        ])
    func aPatternThatIsNoneIsRefusedWithItsReason(pattern: String, reason: String) throws {
        let error = try #require(throws: PatternError.self) { try Pattern(pattern) }
        #expect(error.message.contains(reason), "\(error.message)")
    }

    @Test func aPatternCutAnywhereIsMatchedOrRefusedAndNeverTraps() {
        let pattern = Array(
            "^(?:a|[^\\d\\u{1F409}-\\u{1F432}x]{2,3}?)(?<=\\p{L}\\x41\\cJ)(?<n>b)\\ud83d\\udc32$".unicodeScalars)
        var accepted = 0
        for start in 0..<pattern.count {
            for end in start...pattern.count {
                var text = ""
                text.unicodeScalars.append(contentsOf: pattern[start..<end])
                // Whether a part is a pattern is not the point, only that the answer comes.
                if (try? self.isMatch(text, "aab🐲")) != nil { accepted += 1 }
            }
        }
        #expect(accepted > 100)
    }

    /// Each would keep a backtracking engine busy for years.
    @Test(
        arguments: [
            "^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(a*)*b", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y", "^(.*,){20}P",
            "(.*)*(.*)*(.*)*!", "^(?=(a+)+$)b", "(?<!(a|aa)+)b",
        ])
    func aHostilePatternTakesWorkInProportionToTheText(pattern: String) throws {
        let compiled = try Pattern(pattern)
        func work(_ count: Int) -> Int {
            let text = Array(repeating: UInt8(ascii: "a"), count: count) + [UInt8(ascii: "?")]
            var left = 100_000_000
            _ = compiled.matches(text.span, work: &left)
            return 100_000_000 - left
        }
        #expect(work(2_000) <= 2 * work(1_000) + 1_000)
        #expect(work(2_000) < 2_000 * 200)
    }

    @Test func aPatternTooLargeIsRefusedBeforeItIsExpanded() throws {
        for pattern in ["(((a{1000}){1000}){1000}){1000}", "a{1000000000}", "(a{0,1000000000}){0,1000000000}"] {
            let error = try #require(throws: PatternError.self) { try Pattern(pattern) }
            #expect(error.message.contains("10000 instructions"))
        }
        #expect(throws: Never.self) { try Pattern("a{10}", instructionsMax: 30) }
        #expect(throws: PatternError.self) { try Pattern("a{10}", instructionsMax: 29) }
        #expect(throws: PatternError.self) {
            try Pattern(String(repeating: "(", count: 101) + String(repeating: ")", count: 101))
        }
        #expect(throws: Never.self) {
            try Pattern(String(repeating: "(", count: 100) + String(repeating: ")", count: 100))
        }
    }

    @Test func aSearchEndsWhenItsWorkIsSpent() throws {
        let text = Array(repeating: UInt8(ascii: "a"), count: 1_000)
        for source in ["^(a|b)*c", "(?=a*c)c"] {
            let pattern = try Pattern(source)
            var work = 50
            #expect(!pattern.matches(text.span, work: &work))
            #expect(work < 0)
        }
    }
}
