import Testing
import TorporJSON
import TorporProtocol

/// Numbers are compared by value, however they are written and whatever their size.
@Suite struct SchemaNumberTests {
    private func number(_ text: String) throws -> JSONValue { .number(try #require(JSONNumber(text: text))) }

    private func conforms(_ value: String, _ keyword: String, _ limit: String) throws -> Bool {
        let schema = JSONSchema(.object([keyword: try self.number(limit)]))
        return try SchemaValidator(schema).validate(self.number(value)).isEmpty
    }

    /// Different spellings of `digits` × 10^`exponent`.
    private func spellings(_ digits: Int, _ exponent: Int) -> [String] {
        let padded = (digits < 0 ? "-" : "") + "\(digits.magnitude)\(digits == 0 ? "" : "00")e\(exponent - 2)"
        let pointed =
            (digits < 0 ? "-" : "") + "0.000\(digits.magnitude)E+\(exponent + 3 + "\(digits.magnitude)".count)"
        return ["\(digits)e\(exponent)", padded, pointed.replacing("+-", with: "-")]
    }

    @Test func orderIsThatOfTheValues() throws {
        let values = [-120, -12, -1, 0, 1, 5, 9, 10, 12, 99, 100]
        for left in values {
            for right in values {
                for exponent in [-400, -3, 0, 25, 400] {
                    for (value, limit) in zip(
                        self.spellings(left, exponent), self.spellings(right, exponent).reversed())
                    {
                        #expect(try self.conforms(value, "minimum", limit) == (left >= right), "\(value) \(limit)")
                        #expect(try self.conforms(value, "maximum", limit) == (left <= right), "\(value) \(limit)")
                        #expect(try self.conforms(value, "exclusiveMinimum", limit) == (left > right))
                        #expect(try self.conforms(value, "exclusiveMaximum", limit) == (left < right))
                        #expect(try self.conforms(value, "const", limit) == (left == right), "\(value) \(limit)")
                    }
                }
            }
        }
    }

    @Test func multiplesAreThoseOfWholeNumberArithmetic() throws {
        for value in [-1_200, -7, 0, 1, 6, 14, 75, 100, 999_999_999, 1_234_567_890] {
            for divisor in [1, 2, 3, 7, 25, 100, 1_000, 123_456_789] {
                for exponent in [-20, 0, 30] {
                    #expect(
                        try self.conforms("\(value)e\(exponent)", "multipleOf", "\(divisor)e\(exponent)")
                            == value.isMultiple(of: divisor), "\(value) \(divisor)")
                }
            }
        }
        #expect(try self.conforms("0.0075", "multipleOf", "0.0001"))
        #expect(try !self.conforms("0.00751", "multipleOf", "0.0001"))
        #expect(try !self.conforms("1e99999999", "multipleOf", "9223372036854775.807e3"))
        #expect(try self.conforms("18446744073709551614", "multipleOf", "9223372036854775807"))
        #expect(try !self.conforms("18446744073709551615", "multipleOf", "9223372036854775807"))
    }

    @Test func aWholeNumberIsAnIntegerHoweverItIsWritten() throws {
        let validator = try SchemaValidator(JSONSchema(["type": "integer"]))
        for text in ["1", "-0", "1.0", "10e-1", "1.5e1", "1e400", "0.0e-9", "12345678901234567890123.000"] {
            #expect(validator.validate(try self.number(text)) == [], "\(text)")
        }
        for text in ["1.5", "1e-1", "-0.1", "1e-400", "12345678901234567890123.0001"] {
            #expect(validator.validate(try self.number(text)).count == 1, "\(text)")
        }
    }

    @Test func exponentsBeyondAnyUseDoNotTrap() throws {
        let huge = "1e" + String(repeating: "9", count: 100)
        let tiny = "1e-" + String(repeating: "9", count: 100)
        #expect(try self.conforms(huge, "minimum", "1"))
        #expect(try self.conforms(tiny, "maximum", "1"))
        #expect(try self.conforms(huge, "multipleOf", "3") == false)
        #expect(try self.conforms(huge, "multipleOf", "0.5"))
        #expect(try self.conforms("1", "multipleOf", tiny))
        #expect(try SchemaValidator(JSONSchema(["maxLength": try self.number(huge)])).validate("text") == [])
    }
}
