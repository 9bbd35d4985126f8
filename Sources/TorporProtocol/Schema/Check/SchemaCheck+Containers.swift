import TorporJSON

/// Objects and arrays.
extension SchemaCheck {
    mutating func checkObject(_ rules: ObjectRules, _ scanner: inout JSONScanner, _ start: Int) throws(JSONError)
        -> Bool
    {
        var isValid = true
        var presence = Presence(count: rules.presenceCount)
        var count = 0
        try scanner.beginObject()
        var isFirst = true
        while let key = try scanner.nextKey(&isFirst) {
            count &+= 1
            var node: SchemaNode?
            if let index = rules.index(of: key, in: self.bytes) {
                let property = rules.properties[index]
                if let bit = property.presence { presence.insert(bit) }
                node = property.node
            }
            let isMemberValid: Bool
            if !rules.isPlain || self.evaluated != nil {
                isMemberValid = try self.checkMember(rules, key, node, &scanner, start)
            } else if let own = node ?? rules.checkedAdditional {
                if node == nil, own.refusesAll, self.isLoud {
                    isMemberValid = try self.checkMember(rules, key, nil, &scanner, start)
                } else {
                    isMemberValid = try self.check(own, &scanner)
                }
            } else {
                _ = try scanner.skipValue()
                isMemberValid = true
            }
            if !isMemberValid {
                guard self.isLoud else { return false }
                isValid = false
            }
        }
        if !presence.containsAll(rules.required.count) {
            for (index, name) in rules.required.enumerated() where !presence.contains(index) {
                self.report(start, "needs the property \"\(name)\"")
            }
            isValid = false
        }
        for dependency in rules.dependencies where presence.contains(dependency.presence) {
            for need in dependency.needs where !presence.contains(need.presence) {
                self.report(start, "needs the property \"\(need.name)\" because it has \"\(dependency.name)\"")
                isValid = false
            }
        }
        if !rules.count.contains(count) {
            self.report(start, rules.count.advice(count, "properties"))
            isValid = false
        }
        return isValid
    }

    /// Checks a member by all that speaks of it: its name, its own schema, patterns, and what holds for the rest.
    private mutating func checkMember(
        _ rules: ObjectRules, _ key: JSONKey, _ own: SchemaNode?, _ scanner: inout JSONScanner, _ start: Int
    ) throws(JSONError) -> Bool {
        var isValid = true
        if let names = rules.names {
            isValid = try self.checkName(names, key, start)
            guard isValid || self.isLoud else { return false }
        }
        _ = try scanner.peek()
        let offset = scanner.position
        var isKnown = false
        if let own {
            isKnown = true
            isValid = try self.checkInside(own, &scanner) && isValid
            guard isValid || self.isLoud else { return false }
        }
        for (pattern, node) in rules.patterns {
            guard try self.matches(pattern, key.range, hasEscapes: key.hasEscapes) else { continue }
            if isKnown {
                var again = self.scanner(at: offset)
                isValid = try self.checkInside(node, &again) && isValid
            } else {
                isKnown = true
                isValid = try self.checkInside(node, &scanner) && isValid
            }
            guard isValid || self.isLoud else { return false }
        }
        if !isKnown, let additional = rules.additional {
            isKnown = true
            if additional.refusesAll, self.isLoud {
                _ = try scanner.skipValue()
                let name = self.name(key)
                self.report(start, rules.adviceAgainst(name))
                isValid = false
            } else {
                isValid = try self.checkInside(additional, &scanner) && isValid
            }
        }
        if isKnown { try self.markEvaluated(offset) } else { _ = try scanner.skipValue() }
        return isValid
    }

    func name(_ key: JSONKey) -> String { JSONText.string(in: self.bytes, key.range, hasEscapes: key.hasEscapes) }

    /// Applies a schema to a name, which is a JSON string with the quotes around it.
    private mutating func checkName(_ node: SchemaNode, _ key: JSONKey, _ start: Int) throws(JSONError) -> Bool {
        let ours = self.evaluated.take()
        defer { self.evaluated = ours }
        let offset = key.range.lowerBound - 1
        if try self.passes(node, at: offset) { return true }
        if self.isLoud {
            let advice = try self.findings(of: node, at: offset).first?.advice ?? Self.refused
            let name = self.name(key).shortened(to: 80)
            self.report(start, "has the property name \"\(name)\", which \(advice)")
        }
        return false
    }

    // MARK: Arrays

    mutating func checkArray(_ rules: ArrayRules, _ scanner: inout JSONScanner, _ start: Int) throws(JSONError) -> Bool
    {
        var isValid = true
        var count = 0
        var containedCount = 0
        var ranges: [Range<Int>] = []
        try scanner.beginArray()
        var isFirst = true
        while try scanner.nextElement(&isFirst) {
            _ = try scanner.peek()
            let offset = scanner.position
            if let node = count < rules.prefix.count ? rules.prefix[count] : rules.items {
                if node.refusesAll, self.isLoud {
                    // Told once for all, below.
                    _ = try scanner.skipValue()
                    if count < rules.prefix.count { self.report(offset, Self.refused) }
                    isValid = false
                } else if try !self.checkInside(node, &scanner) {
                    guard self.isLoud else { return false }
                    isValid = false
                }
                try self.markEvaluated(offset)
            } else {
                _ = try scanner.skipValue()
            }
            if let contains = rules.contains, try self.isContained(contains, offset, containedCount) {
                containedCount += 1
                try self.markEvaluated(offset)
            }
            if rules.isUnique { ranges.append(offset..<scanner.position) }
            count &+= 1
        }
        if let items = rules.items, items.refusesAll, count > rules.prefix.count {
            self.report(start, CountBounds(least: 0, most: rules.prefix.count).advice(count, "elements"))
            isValid = false
        }
        if !rules.count.contains(count) {
            self.report(start, rules.count.advice(count, "elements"))
            isValid = false
        }
        guard isValid || self.isLoud else { return false }
        if let contains = rules.contains, !contains.count.contains(containedCount) {
            self.report(start, contains.advice(containedCount))
            isValid = false
        }
        guard isValid || self.isLoud, rules.isUnique else { return isValid }
        return try self.checkUnique(ranges, start) && isValid
    }

    /// Whether an element counts for `contains`; not looked at when enough are known and nobody asks which they are.
    private mutating func isContained(_ contains: ArrayRules.Contains, _ offset: Int, _ known: Int) throws(JSONError)
        -> Bool
    {
        if known >= contains.count.least, contains.count.most == .max, self.evaluated == nil { return false }
        let ours = self.evaluated.take()
        defer { self.evaluated = ours }
        return try self.passes(contains.node, at: offset)
    }

    private mutating func checkUnique(_ ranges: [Range<Int>], _ start: Int) throws(JSONError) -> Bool {
        guard ranges.count > 1 else { return true }
        var indices: [ComparableValue: Int] = [:]
        for (index, range) in ranges.enumerated() {
            guard let same = indices.updateValue(index, forKey: try self.comparable(range)) else { continue }
            self.report(start, "must not hold an element twice; elements \(same) and \(index) are equal")
            return false
        }
        return true
    }
}

extension ArrayRules.Contains {
    fileprivate func advice(_ count: Int) -> String {
        let isTooFew = count < self.count.least
        let number = isTooFew ? self.count.least : self.count.most
        let text = self.node.source.text.shortened(to: 120)
        return
            "must have at \(isTooFew ? "least" : "most") \(number) \(number == 1 ? "element that fits" : "elements that fit")"
            + " \(text), not \(count)"
    }
}
