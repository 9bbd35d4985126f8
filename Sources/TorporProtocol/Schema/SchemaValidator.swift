package import TorporJSON

/// A JSON Schema of 2020-12, compiled once: checks values where they lie in their bytes, without a tree.
///
/// All keywords of 2020-12 are checked; `format` only on request, and `content…` never, as the specification has it.
/// `docs/json-schema.md` tells what is left to choice, and how the choice was made. Work is bounded by
/// ``SchemaLimits``; a value that would take more is refused.
package final class SchemaValidator: Sendable {
    /// The most violations reported at once, so that the report stays readable.
    package static let violationsMax = 8

    private let program: SchemaProgram

    /// - Throws: ``SchemaError`` where the schema cannot be checked as it was meant: broken keywords, references that
    ///   lead nowhere, another dialect, or more than the limits allow.
    package init(_ schema: JSONSchema, options: SchemaOptions = SchemaOptions()) throws(SchemaError) {
        self.program = try SchemaCompiler.compile(schema.value, options: options)
    }

    /// Something about a value that its schema forbids.
    package struct Violation: Sendable, Equatable {
        /// A JSON Pointer to the value, empty for the whole.
        package let path: String
        /// What to do about it, for a model to read.
        package let advice: String

        package init(path: String, advice: String) {
            self.path = path
            self.advice = advice
        }
    }

    /// Checks the value at `range`, which the scanner has validated.
    /// - Returns: what is wrong with it, at most ``violationsMax``; empty when it conforms.
    package func validate(_ bytes: Span<UInt8>, at range: Range<Int>) -> [Violation] {
        var check = SchemaCheck(self.program, bytes, at: range.lowerBound)
        return check.violations()
    }

    /// Checks a value that was made here, such as a tool's structured result.
    /// - Returns: what is wrong with it, at most ``violationsMax``; empty when it conforms. A value deeper than
    ///   ``JSONScanner/depthMaxLimit`` does not.
    package func validate(_ value: JSONValue) -> [Violation] {
        guard value.isNested(atMost: JSONScanner.depthMaxLimit) else {
            return [Violation(path: "", advice: SchemaCheck.tooComplex)]
        }
        var writer = JSONWriter()
        value.write(to: &writer)
        let bytes = writer.bytes
        return self.validate(bytes.span, at: 0..<bytes.count)
    }
}

extension JSONValue {
    /// Whether no more arrays and objects than `depth` are open at once.
    fileprivate func isNested(atMost depth: Int) -> Bool {
        switch self {
        case .array(let elements): depth > 0 && elements.allSatisfy { $0.isNested(atMost: depth - 1) }
        case .object(let object): depth > 0 && object.members.allSatisfy { $0.value.isNested(atMost: depth - 1) }
        default: true
        }
    }
}
