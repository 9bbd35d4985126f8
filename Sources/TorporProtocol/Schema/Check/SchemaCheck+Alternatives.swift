import TorporJSON

/// Advice where a value fits none of several schemas: what to say of all of them, or of the one that was meant.
extension SchemaCheck {
    /// The most alternatives that are looked at for the nearest.
    private static let comparedMax = 16
    /// The most violations of the nearest alternative that are told.
    private static let toldMax = 3

    /// Reports why a value fits none of the alternatives; only called by a loud check.
    mutating func explain(_ nodes: [SchemaNode], _ kind: JSONScanner.Kind, _ start: Int) throws(JSONError) {
        let kinds = nodes.map { self.expectedKinds($0) }
        let near = nodes.indices.filter { kinds[$0].accepts(kind) }
        if near.isEmpty {
            let accepted = kinds.reduce(into: KindSet()) { $0.formUnion($1) }
            self.report(
                start, accepted.isEmpty ? Self.refused : "must be \(accepted.text), not \(kind.text)")
        } else if near.count == 1 {
            // The others are out by their kind, so what this one asks for is what to do.
            _ = try self.apply(nodes[near[0]], at: start)
        } else if near.allSatisfy({ nodes[$0].isChoice }) {
            let texts = near.flatMap { nodes[$0].allowed.map(\.text) }.joined(separator: ", ").shortened(to: 1_000)
            self.report(start, isChoice: true, "must be one of \(texts)")
        } else {
            try self.explainNearest(nodes, near, start)
        }
    }

    private mutating func explainNearest(_ nodes: [SchemaNode], _ near: [Int], _ start: Int) throws(JSONError) {
        var nearest: (index: Int, findings: [Finding], distance: Int)?
        for index in near.prefix(Self.comparedMax) {
            let findings = try self.findings(of: nodes[index], at: start)
            // A listed value that differs, such as the kind that tells alternatives apart, outweighs all else.
            let distance = findings.reduce(0) { $0 + ($1.isChoice ? 100 : 1) }
            if nearest.map({ distance < $0.distance }) ?? true { nearest = (index, findings, distance) }
        }
        guard let nearest else { preconditionFailure("there are alternatives") }
        var parts: [String] = []
        for finding in nearest.findings.prefix(Self.toldMax) {
            let pointer = try self.pointer(from: start, to: finding.offset)
            parts.append(pointer.isEmpty ? "it \(finding.advice)" : "\(pointer) \(finding.advice)")
        }
        if nearest.findings.count > Self.toldMax { parts.append("…") }
        self.report(
            start,
            "fits none of \(nodes.count) alternatives; to fit \(nodes[nearest.index].label(nearest.index)), the nearest: "
                + parts.joined(separator: "; "))
    }

    /// What a schema has against the value at an offset, which does not fit it.
    mutating func findings(of node: SchemaNode, at start: Int) throws(JSONError) -> [Finding] {
        let (findings, wasLoud, evaluated) = (self.findings, self.isLoud, self.evaluated)
        self.findings = []
        self.isLoud = true
        _ = try self.apply(node, at: start)
        let found = self.findings
        (self.findings, self.isLoud, self.evaluated) = (findings, wasLoud, evaluated)
        return found
    }

    /// The kinds of values that have a chance to fit, as far as `type` and references tell.
    private func expectedKinds(_ node: SchemaNode) -> KindSet {
        var kinds = node.kinds
        var node = node
        // References that lead in a circle are refused when a schema is compiled.
        while let reference = node.inPlace?.value.reference {
            node = self.program.targets[reference].node
            kinds.formIntersection(node.kinds)
        }
        return kinds
    }
}

extension SchemaNode {
    /// What to call the schema among alternatives: `number 2 ("title")`.
    func label(_ index: Int) -> String {
        "number \(index + 1)" + (self.title.map { " (\"\($0.shortened(to: 40))\")" } ?? "")
    }

    /// Whether the schema lists values and asks for nothing else.
    fileprivate var isChoice: Bool { !self.allowed.isEmpty && self.inPlace == nil }

    /// What to say to a value that fits the schema under `not`.
    var adviceAgainst: String {
        guard case .object(let keywords) = self.source else { return SchemaCheck.refused }
        if keywords.count == 1 {
            if keywords["type"] != nil { return "must not be \(self.kinds.text)" }
            if !self.allowed.isEmpty { return "must not be \(self.allowed[0].text)" }
            if let required = self.object?.required, required.count == 1, keywords["required"] != nil {
                return "must not have the property \"\(required[0])\""
            }
        }
        return "must not fit \(self.source.text.shortened(to: 120))"
    }
}
