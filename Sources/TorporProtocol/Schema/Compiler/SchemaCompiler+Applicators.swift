import TorporJSON

/// The keywords that apply schemas.
extension SchemaCompiler {
    mutating func objectRules(_ keywords: Keywords) throws(SchemaError) -> ObjectRules? {
        let count = try self.counts(keywords, "minProperties", "maxProperties")
        let required = keywords.has(.validation) ? try self.names(keywords, "required") : []
        let dependencies = try self.dependencies(keywords)
        var properties: [(name: String, node: SchemaNode)] = []
        var patterns: [(pattern: Pattern, node: SchemaNode)] = []
        var additional: SchemaNode?
        var names: SchemaNode?
        if keywords.has(.applicator) {
            properties = try self.members(keywords, "properties")
            for (source, node) in try self.members(keywords, "patternProperties") {
                patterns.append((try self.pattern(source, keywords.id, "patternProperties"), node))
            }
            additional = try self.child(keywords, "additionalProperties")
            names = try self.child(keywords, "propertyNames")
        }
        guard
            count.isBounded || !required.isEmpty || !dependencies.isEmpty || !properties.isEmpty || !patterns.isEmpty
                || additional != nil || names != nil
        else { return nil }
        return ObjectRules(
            properties: properties, patterns: patterns, additional: additional, names: names, required: required,
            dependencies: dependencies, count: count)
    }

    mutating func arrayRules(_ keywords: Keywords) throws(SchemaError) -> ArrayRules? {
        let count = try self.counts(keywords, "minItems", "maxItems")
        let isUnique = keywords.has(.validation) ? try self.flag(keywords, "uniqueItems") : false
        var prefix: [SchemaNode] = []
        var items: SchemaNode?
        var contains: ArrayRules.Contains?
        if keywords.has(.applicator) {
            prefix = try self.children(keywords, "prefixItems")
            items = try self.child(keywords, "items")
            if let node = try self.child(keywords, "contains") {
                let isCounted = keywords.has(.validation)
                contains = ArrayRules.Contains(
                    node: node,
                    count: CountBounds(
                        least: isCounted ? try self.count(keywords, "minContains") ?? 1 : 1,
                        most: isCounted ? try self.count(keywords, "maxContains") ?? .max : .max))
            }
        }
        guard count.isBounded || isUnique || !prefix.isEmpty || items != nil || contains != nil else { return nil }
        return ArrayRules(count: count, prefix: prefix, items: items, contains: contains, isUnique: isUnique)
    }

    mutating func inPlaceRules(_ keywords: Keywords) throws(SchemaError) -> InPlaceRules {
        var rules = InPlaceRules()
        try self.addReferences(keywords, to: &rules)
        if self.index.isResourceRoot(keywords.id), keywords.id != 0 {
            rules.resource = self.index.subschemas[keywords.id].resource
        }
        if keywords.has(.applicator) {
            for name in ["allOf", "anyOf", "oneOf"] {
                guard keywords[name] == [] else { continue }
                throw self.error(.malformed, keywords.id, name, "\(name) holds at least one schema.")
            }
            rules.allOf = try self.children(keywords, "allOf")
            rules.anyOf = try self.children(keywords, "anyOf")
            rules.oneOf = try self.children(keywords, "oneOf")
            rules.not = try self.child(keywords, "not")
            if let test = try self.child(keywords, "if") {
                let then = try self.child(keywords, "then")
                let otherwise = try self.child(keywords, "else")
                rules.condition = InPlaceRules.Condition(test: test, then: then, otherwise: otherwise)
            }
            rules.dependentSchemas = try self.members(keywords, "dependentSchemas")
            rules.dependentSchemas += try self.members(keywords, "dependencies")
        }
        if keywords.has(.unevaluated) {
            rules.unevaluatedProperties = try self.child(keywords, "unevaluatedProperties")
            rules.unevaluatedItems = try self.child(keywords, "unevaluatedItems")
        }
        self.noteEdges(keywords)
        return rules
    }

    private mutating func addReferences(_ keywords: Keywords, to rules: inout InPlaceRules) throws(SchemaError) {
        if let reference = try self.reference(keywords, "$ref") {
            let (id, _) = try self.index.target(of: reference, in: keywords.id, "$ref")
            rules.reference = self.target(id)
            self.edges[keywords.id, default: []].append(id)
        }
        if let reference = try self.reference(keywords, "$dynamicRef") {
            let (id, anchor) = try self.index.target(of: reference, in: keywords.id, "$dynamicRef")
            if let anchor {
                rules.dynamicReference = InPlaceRules.DynamicReference(
                    target: self.target(id), anchor: self.dynamicAnchor(anchor))
            } else if rules.reference == nil {
                // Without a dynamic anchor it is an ordinary reference.
                rules.reference = self.target(id)
                self.edges[keywords.id, default: []].append(id)
            } else {
                throw self.error(
                    .malformed, keywords.id, "$dynamicRef",
                    "$dynamicRef leads to no $dynamicAnchor and stands beside $ref; put one of them under allOf.")
            }
        }
    }

    private func reference(_ keywords: Keywords, _ name: String) throws(SchemaError) -> String? {
        switch keywords[name] {
        case nil: return nil
        case .string(let reference): return reference
        default: throw self.error(.malformed, keywords.id, name, "\(name) is a URI reference, a string.")
        }
    }

    /// Notes the schemas that are applied to the same value as this one.
    private mutating func noteEdges(_ keywords: Keywords) {
        guard keywords.has(.applicator) else { return }
        var targets: [Int] = []
        for name in ["allOf", "anyOf", "oneOf"] {
            guard case .array(let elements)? = keywords[name] else { continue }
            targets += elements.indices.map { self.index.child(of: keywords.id, name, String($0)) }
        }
        for name in ["not", "if", "then", "else"] where keywords[name] != nil {
            // Without `if`, the others are not applied.
            if name == "not" || keywords["if"] != nil { targets.append(self.index.child(of: keywords.id, name)) }
        }
        for name in ["dependentSchemas", "dependencies"] {
            guard case .object(let object)? = keywords[name] else { continue }
            for (member, value) in object.distinct {
                if case .array = value { continue }
                targets.append(self.index.child(of: keywords.id, name, member))
            }
        }
        if !targets.isEmpty { self.edges[keywords.id, default: []] += targets }
    }
}
