import TorporJSON

/// The keywords of the validation vocabulary.
extension SchemaCompiler {
    func kinds(_ keywords: Keywords) throws(SchemaError) -> KindSet {
        guard keywords.has(.validation), let type = keywords["type"] else { return .all }
        let names: [JSONValue] = if case .array(let several) = type { several } else { [type] }
        var kinds: KindSet = []
        for name in names {
            guard let (_, kind) = KindSet.named.first(where: { name == .string($0.0) }) else {
                throw self.error(
                    .malformed, keywords.id, "type",
                    "\(name.text.shortened(to: 40)) is no type; the types are "
                        + KindSet.named.map(\.0).joined(separator: ", ") + ".")
            }
            kinds.insert(kind)
        }
        guard !kinds.isEmpty else { throw self.error(.malformed, keywords.id, "type", "type names no type.") }
        if kinds.contains(.number) { kinds.insert(.integer) }
        return kinds
    }

    func allowed(_ keywords: Keywords) throws(SchemaError) -> [AllowedValues] {
        guard keywords.has(.validation) else { return [] }
        var allowed: [AllowedValues] = []
        switch keywords["enum"] {
        case .array(let values)?: allowed.append(AllowedValues(values))
        case nil: break
        default: throw self.error(.malformed, keywords.id, "enum", "enum is an array of values.")
        }
        if let value = keywords["const"] { allowed.append(AllowedValues([value])) }
        return allowed
    }

    func counts(_ keywords: Keywords, _ least: String, _ most: String) throws(SchemaError) -> CountBounds {
        guard keywords.has(.validation) else { return CountBounds(least: 0, most: .max) }
        return CountBounds(
            least: try self.count(keywords, least) ?? 0, most: try self.count(keywords, most) ?? .max)
    }

    func count(_ keywords: Keywords, _ name: String) throws(SchemaError) -> Int? {
        guard let value = keywords[name] else { return nil }
        guard case .number(let number) = value, let count = ExactNumber(number).count else {
            throw self.error(.malformed, keywords.id, name, "\(name) is a whole number of at least 0.")
        }
        return count
    }

    func flag(_ keywords: Keywords, _ name: String) throws(SchemaError) -> Bool {
        switch keywords[name] {
        case nil: return false
        case .bool(let value): return value
        default: throw self.error(.malformed, keywords.id, name, "\(name) is true or false.")
        }
    }

    func names(_ keywords: Keywords, _ name: String) throws(SchemaError) -> [String] {
        guard let value = keywords[name] else { return [] }
        return try self.names(value, keywords.id, name)
    }

    private func names(_ value: JSONValue, _ id: Int, _ keyword: String) throws(SchemaError) -> [String] {
        guard case .array(let elements) = value else {
            throw self.error(
                .malformed, id, keyword,
                "\(keyword) is an array of property names\(keyword == "required" ? ", beside properties" : "").")
        }
        var names: [String] = []
        var known: Set<[UInt8]> = []
        for element in elements {
            guard case .string(let name) = element else {
                throw self.error(.malformed, id, keyword, "\(keyword) holds property names, which are strings.")
            }
            if known.insert(Array(name.utf8)).inserted { names.append(name) }
        }
        return names
    }

    /// `dependentRequired`, and what names alone `dependencies` has.
    func dependencies(_ keywords: Keywords) throws(SchemaError) -> [(String, [String])] {
        var dependencies: [(String, [String])] = []
        if keywords.has(.validation), let value = keywords["dependentRequired"] {
            guard case .object(let object) = value else {
                throw self.error(
                    .malformed, keywords.id, "dependentRequired", "dependentRequired is an object of name arrays.")
            }
            for (name, needs) in object.distinct {
                dependencies.append((name, try self.names(needs, keywords.id, "dependentRequired")))
            }
        }
        if keywords.has(.applicator), case .object(let object)? = keywords["dependencies"] {
            for (name, needs) in object.distinct {
                guard case .array = needs else { continue }
                dependencies.append((name, try self.names(needs, keywords.id, "dependencies")))
            }
        }
        return dependencies
    }

    // MARK: Strings and numbers

    func stringRules(_ keywords: Keywords) throws(SchemaError) -> StringRules? {
        let length = try self.counts(keywords, "minLength", "maxLength")
        var patterns: [Pattern] = []
        if keywords.has(.validation), let value = keywords["pattern"] {
            guard case .string(let source) = value else {
                throw self.error(.malformed, keywords.id, "pattern", "pattern is a string.")
            }
            patterns.append(try self.pattern(source, keywords.id, "pattern"))
        }
        var format: StringFormat?
        if let value = keywords["format"] {
            guard case .string(let name) = value else {
                throw self.error(.malformed, keywords.id, "format", "format is a string.")
            }
            if keywords.has(.formatAssertion) { format = StringFormat(rawValue: name) }
        }
        guard length.isBounded || !patterns.isEmpty || format != nil else { return nil }
        return StringRules(length: length, patterns: patterns, format: format)
    }

    func pattern(_ source: String, _ id: Int, _ keyword: String) throws(SchemaError) -> Pattern {
        do {
            return try Pattern(source, instructionsMax: self.options.limits.patternInstructionsMax)
        } catch {
            throw self.error(
                .unusablePattern, id, keyword,
                "The regular expression \(source.shortened(to: 80)) \(error.message); write it otherwise.")
        }
    }

    func numberRules(_ keywords: Keywords) throws(SchemaError) -> NumberRules? {
        guard keywords.has(.validation) else { return nil }
        var bounds: [NumberRules.Bound] = []
        for (name, side) in [
            ("minimum", .least), ("maximum", .most), ("exclusiveMinimum", .above), ("exclusiveMaximum", .below),
        ] as [(String, NumberRules.Bound.Side)] {
            guard let number = try self.number(keywords, name) else { continue }
            bounds.append(
                NumberRules.Bound(
                    side: side, exact: ExactNumber(number), double: number.double,
                    text: number.text.shortened(to: 40)))
        }
        var divisor: NumberRules.Divisor?
        if let number = try self.number(keywords, "multipleOf") {
            let exact = ExactNumber(number)
            guard !exact.isNegative, let digits = exact.significand, digits > 0 else {
                throw self.error(
                    .malformed, keywords.id, "multipleOf",
                    "multipleOf is a number above 0, of at most 19 significant digits.")
            }
            divisor = NumberRules.Divisor(
                digits: digits, exponent: exact.exponent, text: number.text.shortened(to: 40))
        }
        return bounds.isEmpty && divisor == nil ? nil : NumberRules(bounds: bounds, divisor: divisor)
    }

    private func number(_ keywords: Keywords, _ name: String) throws(SchemaError) -> JSONNumber? {
        switch keywords[name] {
        case nil: return nil
        case .number(let number): return number
        default:
            throw self.error(
                .malformed, keywords.id, name,
                "\(name) is a number\(name.hasPrefix("exclusive") ? ", the bound itself" : "").")
        }
    }
}
