import TorporJSON

/// Strings, numbers, and the values listed by `enum` and `const`.
extension SchemaCheck {
    mutating func checkString(_ rules: StringRules, _ text: (range: Range<Int>, hasEscapes: Bool), _ start: Int)
        throws(JSONError) -> Bool
    {
        var isValid = true
        if rules.length.isBounded {
            let count = self.characterCount(text.range, hasEscapes: text.hasEscapes)
            if !rules.length.contains(count) {
                self.report(start, rules.length.advice(count, "characters"))
                isValid = false
            }
        }
        for pattern in rules.patterns {
            guard isValid || self.isLoud else { return false }
            if try !self.matches(pattern, text.range, hasEscapes: text.hasEscapes) {
                self.report(start, "must match the pattern \(pattern.source.shortened(to: 200))")
                isValid = false
            }
        }
        if let format = rules.format, isValid || self.isLoud {
            try self.spend(text.range.count >> 3)
            if !format.accepts(JSONText.string(in: self.bytes, text.range, hasEscapes: text.hasEscapes)) {
                self.report(start, "must be \(format.advice)")
                isValid = false
            }
        }
        return isValid
    }

    /// In Unicode scalars.
    private func characterCount(_ range: Range<Int>, hasEscapes: Bool) -> Int {
        if hasEscapes { return JSONText.string(in: self.bytes, range, hasEscapes: true).unicodeScalars.count }
        let text = self.bytes.extracting(range)
        var count = 0
        for index in text.indices where text[unchecked: index] & 0xC0 != 0x80 { count &+= 1 }
        return count
    }

    // MARK: Numbers

    func isIntegral(_ range: Range<Int>) -> Bool {
        let text = self.bytes.extracting(range)
        for index in text.indices where !text[unchecked: index].isASCIIDigit && text[unchecked: index] != 0x2D {
            return ExactNumber(in: self.bytes, range).isIntegral
        }
        return true
    }

    mutating func checkNumber(_ rules: NumberRules, _ range: Range<Int>) throws(JSONError) -> Bool {
        try self.spend(range.count >> 4)
        var isValid = true
        let double = JSONText.double(in: self.bytes, range)
        for bound in rules.bounds where !self.isWithin(bound, double, range) {
            let limit =
                switch bound.side {
                case .least: "at least"
                case .most: "at most"
                case .above: "more than"
                case .below: "less than"
                }
            guard self.isLoud else { return false }
            let written = self.text(range)
            self.report(range.lowerBound, "must be \(limit) \(bound.text), not \(written)")
            guard self.isLoud else { return false }
            isValid = false
        }
        if let divisor = rules.divisor,
            !ExactNumber(in: self.bytes, range).isMultiple(of: divisor.digits, exponent: divisor.exponent)
        {
            let written = self.isLoud ? self.text(range) : ""
            self.report(range.lowerBound, "must be a multiple of \(divisor.text), not \(written)")
            isValid = false
        }
        return isValid
    }

    private func isWithin(_ bound: NumberRules.Bound, _ double: Double?, _ range: Range<Int>) -> Bool {
        // Rounding keeps order, so doubles that differ tell which number is greater; equal ones do not.
        if let double, let limit = bound.double, double != limit {
            return (double > limit) == (bound.side == .least || bound.side == .above)
        }
        let exact = ExactNumber(in: self.bytes, range)
        return switch bound.side {
        case .least: exact >= bound.exact
        case .most: exact <= bound.exact
        case .above: exact > bound.exact
        case .below: exact < bound.exact
        }
    }

    // MARK: Listed values

    mutating func checkAllowed(_ node: SchemaNode, _ kind: JSONScanner.Kind, _ range: Range<Int>) throws(JSONError)
        -> Bool
    {
        var isValid = true
        for allowed in node.allowed where try !self.isAmong(allowed, kind, range) {
            self.report(range.lowerBound, isChoice: true, "must be one of \(allowed.text)")
            guard self.isLoud else { return false }
            isValid = false
        }
        return isValid
    }

    private mutating func isAmong(_ allowed: AllowedValues, _ kind: JSONScanner.Kind, _ range: Range<Int>)
        throws(JSONError) -> Bool
    {
        switch kind {
        case .string:
            try self.spend(allowed.strings.count >> 3)
            let contents = (range.lowerBound + 1)..<(range.upperBound - 1)
            // Only a look at the bytes tells whether there are escapes; the scanner's word for it was not kept.
            var hasEscapes = false
            for index in contents where self.bytes[index] == UInt8(ascii: "\\") {
                hasEscapes = true
                break
            }
            return allowed.strings.contains {
                JSONText.equals(in: self.bytes, contents, hasEscapes: hasEscapes, to: $0.span)
            }
        case .object, .array:
            guard allowed.hasContainers else { return false }
            return allowed.others.contains(try self.comparable(range))
        default: return allowed.others.contains(try self.comparable(range))
        }
    }

    /// The value in a range, to compare it with others.
    mutating func comparable(_ range: Range<Int>) throws(JSONError) -> ComparableValue {
        try self.spend(4 + (range.count >> 1))
        return ComparableValue(JSONValue(in: self.bytes, range))
    }
}
