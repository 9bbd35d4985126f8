/// What must hold of a value by other schemas: references and combining keywords.
struct InPlaceRules: Sendable {
    struct Condition: Sendable {
        let test: SchemaNode
        let then: SchemaNode?
        let otherwise: SchemaNode?
    }

    struct DynamicReference: Sendable {
        /// Where it leads when no resource on the way has the anchor.
        let target: Int
        /// An index into ``SchemaProgram/dynamicTargets``.
        let anchor: Int
    }

    /// An index into ``SchemaProgram/targets``.
    var reference: Int?
    var dynamicReference: DynamicReference?
    var allOf: [SchemaNode] = []
    var anyOf: [SchemaNode] = []
    var oneOf: [SchemaNode] = []
    var not: SchemaNode?
    var condition: Condition?
    var dependentSchemas: [(name: String, node: SchemaNode)] = []
    var unevaluatedProperties: SchemaNode?
    var unevaluatedItems: SchemaNode?
    /// Set for a schema with an `$id` of its own.
    var resource: Int?
}

extension InPlaceRules {
    var isEmpty: Bool {
        self.reference == nil && self.dynamicReference == nil && self.allOf.isEmpty && self.anyOf.isEmpty
            && self.oneOf.isEmpty && self.not == nil && self.condition == nil && self.dependentSchemas.isEmpty
            && !self.tracks && self.resource == nil
    }

    /// Whether it must be known which members and elements the other keywords spoke of.
    var tracks: Bool { self.unevaluatedProperties != nil || self.unevaluatedItems != nil }
}
