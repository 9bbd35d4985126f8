import TorporJSON

/// Turns a schema into nodes.
struct SchemaCompiler {
    var index: SchemaIndex
    let options: SchemaOptions
    private var nodes: [Int: SchemaNode] = [:]
    /// By subschema: its index among the targets.
    private var targets: [Int: Int] = [:]
    private var targetIDs: [Int] = []
    /// By dynamic anchor: its index among the dynamic targets.
    private var dynamicAnchors: [String: Int] = [:]
    /// By subschema: those that are applied to the same value whenever it is.
    var edges: [Int: [Int]] = [:]

    static func compile(_ schema: JSONValue, options: SchemaOptions) throws(SchemaError) -> SchemaProgram {
        var compiler = SchemaCompiler(
            index: try SchemaIndex(schema, options: options), options: options)
        return try compiler.program()
    }

    private init(index: SchemaIndex, options: SchemaOptions) {
        self.index = index
        self.options = options
    }

    private mutating func program() throws(SchemaError) -> SchemaProgram {
        let root = SchemaProgram.Target(node: try self.node(0), resource: self.index.subschemas[0].resource)
        var dynamicTargets: [[Int: Int]] = []
        var isSettled = false
        // A target may refer to further ones, and the documents that it loads may have anchors that are looked for.
        while !isSettled {
            var done = 0
            while done < self.targetIDs.count {
                _ = try self.node(self.targetIDs[done])
                done += 1
            }
            dynamicTargets = Array(repeating: [:], count: self.dynamicAnchors.count)
            for (name, anchor) in self.dynamicAnchors {
                for (resource, entry) in self.index.resources.enumerated() {
                    if let id = entry.dynamicAnchors[name] { dynamicTargets[anchor][resource] = self.target(id) }
                }
            }
            isSettled = done == self.targetIDs.count
        }
        try self.refuseEndlessReferences()
        let targets = self.targetIDs.map { id in
            guard let node = self.nodes[id] else { preconditionFailure("every target was compiled") }
            return SchemaProgram.Target(node: node, resource: self.index.subschemas[id].resource)
        }
        return SchemaProgram(
            root: root, targets: targets, dynamicTargets: dynamicTargets, limits: self.options.limits)
    }

    // MARK: Nodes

    func error(_ reason: SchemaError.Reason, _ id: Int, _ keyword: String, _ message: String) -> SchemaError {
        self.index.error(reason, at: id, keyword, message)
    }

    mutating func node(_ id: Int) throws(SchemaError) -> SchemaNode {
        if let known = self.nodes[id] { return known }
        let node = try self.compiled(id)
        self.nodes[id] = node
        return node
    }

    private mutating func compiled(_ id: Int) throws(SchemaError) -> SchemaNode {
        let subschema = self.index.subschemas[id]
        guard case .object(let keywords) = subschema.value else { return SchemaNode(subschema.value == true) }
        let vocabularies = self.index.resources[subschema.resource].vocabularies
        let asked = Keywords(id: id, members: keywords, vocabularies: vocabularies)
        let title: String? = if case .string(let title)? = keywords["title"] { title } else { nil }
        return SchemaNode(
            kinds: try self.kinds(asked), allowed: try self.allowed(asked), object: try self.objectRules(asked),
            array: try self.arrayRules(asked), string: try self.stringRules(asked),
            number: try self.numberRules(asked), inPlace: try self.inPlaceRules(asked), title: title,
            source: subschema.value)
    }

    /// The node of the subschema under a keyword.
    mutating func child(_ keywords: Keywords, _ name: String) throws(SchemaError) -> SchemaNode? {
        guard keywords[name] != nil else { return nil }
        return try self.node(self.index.child(of: keywords.id, name))
    }

    /// The nodes of the subschemas in a keyword's array.
    mutating func children(_ keywords: Keywords, _ name: String) throws(SchemaError) -> [SchemaNode] {
        guard case .array(let elements)? = keywords[name] else { return [] }
        var nodes: [SchemaNode] = []
        for index in elements.indices {
            nodes.append(try self.node(self.index.child(of: keywords.id, name, String(index))))
        }
        return nodes
    }

    /// The nodes of the subschemas in a keyword's object.
    mutating func members(_ keywords: Keywords, _ name: String) throws(SchemaError) -> [(
        name: String, node: SchemaNode
    )] {
        guard case .object(let object)? = keywords[name] else { return [] }
        var nodes: [(name: String, node: SchemaNode)] = []
        for (member, value) in object.distinct {
            if case .array = value { continue }  // `dependencies` alone has these
            nodes.append((member, try self.node(self.index.child(of: keywords.id, name, member))))
        }
        return nodes
    }

    // MARK: References

    /// The index of a subschema among the targets, which it becomes one of.
    mutating func target(_ id: Int) -> Int {
        if let known = self.targets[id] { return known }
        self.targets[id] = self.targetIDs.count
        self.targetIDs.append(id)
        return self.targetIDs.count - 1
    }

    mutating func dynamicAnchor(_ name: String) -> Int {
        if let known = self.dynamicAnchors[name] { return known }
        let index = self.dynamicAnchors.count
        self.dynamicAnchors[name] = index
        return index
    }

    /// Refuses references that lead back to where they stand before a step into the value was made: checking would
    /// never end.
    private func refuseEndlessReferences() throws(SchemaError) {
        var isDone: [Int: Bool] = [:]  // `false` on the way
        for start in self.edges.keys.sorted() where isDone[start] == nil {
            var way: [(id: Int, next: Int)] = [(start, 0)]
            isDone[start] = false
            while let (id, next) = way.last {
                let targets = self.edges[id] ?? []
                guard next < targets.count else {
                    isDone[id] = true
                    way.removeLast()
                    continue
                }
                way[way.count - 1].next += 1
                switch isDone[targets[next]] {
                case nil:
                    isDone[targets[next]] = false
                    way.append((targets[next], 0))
                case true: break
                case .some:
                    throw self.index.error(
                        .endless, at: self.index.subschemas[id].place,
                        "The schema refers back to itself without looking deeper into the value; "
                            + "refer from under properties or items.")
                }
            }
        }
    }
}

/// The keywords of one schema that its dialect knows.
struct Keywords {
    let id: Int
    let members: JSONObject
    let vocabularies: Vocabularies

    subscript(name: String) -> JSONValue? { self.members[name] }

    func has(_ vocabulary: Vocabularies) -> Bool { self.vocabularies.contains(vocabulary) }
}
