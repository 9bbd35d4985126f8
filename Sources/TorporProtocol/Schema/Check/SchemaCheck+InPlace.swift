import TorporJSON

/// References and combining keywords.
extension SchemaCheck {
    mutating func checkInPlace(_ node: SchemaNode, _ rules: InPlaceRules, _ scanner: inout JSONScanner)
        throws(JSONError) -> Bool
    {
        self.nesting += 1
        guard self.nesting <= self.program.limits.nestingMax else { throw self.exhausted() }
        let entersScope = self.program.isDynamic && rules.resource != nil
        if entersScope, let resource = rules.resource { self.scope.append(resource) }
        // `unevaluated…` sees what the schema itself and those inside it speak of, but not its neighbours.
        let outer = self.evaluated
        if rules.tracks { self.evaluated = [] }
        let isValid = try self.applyInPlace(node, rules, &scanner)
        if rules.tracks {
            let inner = self.evaluated.take() ?? []
            if let outer {
                try self.spend(outer.count + inner.count)
                self.evaluated = outer.union(inner)
            }
        }
        if entersScope { self.scope.removeLast() }
        self.nesting -= 1
        return isValid
    }

    private mutating func applyInPlace(_ node: SchemaNode, _ rules: InPlaceRules, _ scanner: inout JSONScanner)
        throws(JSONError) -> Bool
    {
        let kind = try scanner.peek()
        let start = scanner.position
        var isValid = try self.checkOwn(node, &scanner)
        // A value of another kind is not worth more words.
        guard isValid || (self.isLoud && node.kinds.accepts(kind)) else { return false }
        if let target = rules.reference {
            isValid = try self.follow(target, at: start) && isValid
            guard isValid || self.isLoud else { return false }
        }
        if let reference = rules.dynamicReference {
            isValid = try self.follow(self.target(of: reference), at: start) && isValid
            guard isValid || self.isLoud else { return false }
        }
        for node in rules.allOf {
            isValid = try self.apply(node, at: start) && isValid
            guard isValid || self.isLoud else { return false }
        }
        if !rules.anyOf.isEmpty {
            isValid = try self.checkAnyOf(rules.anyOf, kind, start) && isValid
            guard isValid || self.isLoud else { return false }
        }
        if !rules.oneOf.isEmpty {
            isValid = try self.checkOneOf(rules.oneOf, kind, start) && isValid
            guard isValid || self.isLoud else { return false }
        }
        if let not = rules.not {
            isValid = try self.checkNot(not, start) && isValid
            guard isValid || self.isLoud else { return false }
        }
        if let condition = rules.condition {
            isValid = try self.checkCondition(condition, start) && isValid
            guard isValid || self.isLoud else { return false }
        }
        if kind == .object, !rules.dependentSchemas.isEmpty {
            isValid = try self.checkDependents(rules.dependentSchemas, start) && isValid
        }
        // What failed spoke of nothing, so there is no telling what is left over.
        guard isValid else { return false }
        if kind == .object, let node = rules.unevaluatedProperties {
            return try self.checkRest(node, inObjectAt: start)
        }
        if kind == .array, let node = rules.unevaluatedItems { return try self.checkRest(node, inArrayAt: start) }
        return true
    }

    // MARK: References

    private mutating func follow(_ index: Int, at start: Int) throws(JSONError) -> Bool {
        let target = self.program.targets[index]
        guard self.program.isDynamic else { return try self.apply(target.node, at: start) }
        self.scope.append(target.resource)
        let isValid = try self.apply(target.node, at: start)
        self.scope.removeLast()
        return isValid
    }

    /// The outermost of the resources entered that has the anchor decides.
    private func target(of reference: InPlaceRules.DynamicReference) -> Int {
        let targets = self.program.dynamicTargets[reference.anchor]
        for resource in self.scope {
            if let target = targets[resource] { return target }
        }
        return reference.target
    }

    // MARK: Combining

    private mutating func checkAnyOf(_ nodes: [SchemaNode], _ kind: JSONScanner.Kind, _ start: Int) throws(JSONError)
        -> Bool
    {
        var isValid = false
        for node in nodes where try self.passes(node, at: start) {
            // Every one that fits speaks of members; without anybody asking, one is enough.
            if self.evaluated == nil { return true }
            isValid = true
        }
        if !isValid, self.isLoud { try self.explain(nodes, kind, start) }
        return isValid
    }

    private mutating func checkOneOf(_ nodes: [SchemaNode], _ kind: JSONScanner.Kind, _ start: Int) throws(JSONError)
        -> Bool
    {
        var fitting: [Int] = []
        for (index, node) in nodes.enumerated() where try self.passes(node, at: start) {
            fitting.append(index)
            if fitting.count > 1, !self.isLoud { return false }
        }
        switch fitting.count {
        case 1: return true
        case 0: if self.isLoud { try self.explain(nodes, kind, start) }
        default:
            self.report(
                start,
                "must fit exactly one of \(nodes.count) alternatives, but fits "
                    + fitting.map { nodes[$0].label($0) }.joined(separator: " and "))
        }
        return false
    }

    private mutating func checkNot(_ node: SchemaNode, _ start: Int) throws(JSONError) -> Bool {
        let ours = self.evaluated
        if ours != nil { self.evaluated = [] }
        let isFitting = try self.passes(node, at: start)
        self.evaluated = ours
        if isFitting { self.report(start, node.adviceAgainst) }
        return !isFitting
    }

    private mutating func checkCondition(_ condition: InPlaceRules.Condition, _ start: Int) throws(JSONError) -> Bool {
        let holds = try self.passes(condition.test, at: start)
        guard let node = holds ? condition.then : condition.otherwise else { return true }
        let known = self.findings.count
        let isValid = try self.apply(node, at: start)
        self.addReason(
            holds ? "because it fits the schema's \"if\"" : "because it does not fit the schema's \"if\"", known)
        return isValid
    }

    private mutating func checkDependents(_ dependents: [(name: String, node: SchemaNode)], _ start: Int)
        throws(JSONError) -> Bool
    {
        var isValid = true
        for (name, node) in dependents where try self.hasMember(name, inObjectAt: start) {
            let known = self.findings.count
            isValid = try self.apply(node, at: start) && isValid
            guard isValid || self.isLoud || self.findings.count > known else { return false }
            self.addReason("because \"\(name)\" is there", known)
        }
        return isValid
    }

    private mutating func addReason(_ reason: String, _ known: Int) {
        for index in self.findings.indices.dropFirst(known) { self.findings[index].advice += ", \(reason)" }
    }

    private mutating func hasMember(_ name: String, inObjectAt start: Int) throws(JSONError) -> Bool {
        var scanner = self.scanner(at: start)
        try scanner.beginObject()
        var isFirst = true
        while let key = try scanner.nextKey(&isFirst) {
            if JSONText.equals(in: self.bytes, key.range, hasEscapes: key.hasEscapes, to: name) { return true }
            _ = try scanner.skipValue()
        }
        try self.spend((scanner.position - start) >> 4)
        return false
    }

    // MARK: What is left over

    private mutating func checkRest(_ node: SchemaNode, inObjectAt start: Int) throws(JSONError) -> Bool {
        var isValid = true
        var scanner = self.scanner(at: start)
        try scanner.beginObject()
        var isFirst = true
        while let key = try scanner.nextKey(&isFirst) {
            _ = try scanner.peek()
            let offset = scanner.position
            if self.evaluated?.contains(offset) ?? false {
                _ = try scanner.skipValue()
                continue
            }
            if node.refusesAll {
                guard self.isLoud else { return false }
                let name = self.name(key).shortened(to: 80)
                self.report(start, "has the unknown property \"\(name)\"; no part of its schema takes it")
                guard self.isLoud else { return false }
                _ = try scanner.skipValue()
                isValid = false
            } else {
                isValid = try self.checkInside(node, &scanner) && isValid
                guard isValid || self.isLoud else { return false }
            }
            try self.markEvaluated(offset)
        }
        return isValid
    }

    private mutating func checkRest(_ node: SchemaNode, inArrayAt start: Int) throws(JSONError) -> Bool {
        var isValid = true
        var scanner = self.scanner(at: start)
        try scanner.beginArray()
        var isFirst = true
        while try scanner.nextElement(&isFirst) {
            _ = try scanner.peek()
            let offset = scanner.position
            if self.evaluated?.contains(offset) ?? false {
                _ = try scanner.skipValue()
                continue
            }
            isValid = try self.checkInside(node, &scanner) && isValid
            guard isValid || self.isLoud else { return false }
            try self.markEvaluated(offset)
        }
        return isValid
    }
}
