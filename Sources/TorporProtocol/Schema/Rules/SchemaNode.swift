import TorporJSON

/// One schema, compiled: what it asks of each kind of value, and what must hold beside that.
///
/// Immutable after `init`. Schemas inside it are held; schemas that it refers to are looked up in ``SchemaProgram``,
/// so that recursive schemas make no cycle of objects.
final class SchemaNode: Sendable {
    /// The kinds accepted; none for the schema `false`.
    let kinds: KindSet
    /// What `enum` or `const` allows; a value must be in each.
    let allowed: [AllowedValues]
    // `nil` where nothing is asked of such a value.
    let object: ObjectRules?
    let array: ArrayRules?
    let string: StringRules?
    let number: NumberRules?
    /// What must hold of the same value by other schemas.
    let inPlace: Boxed<InPlaceRules>?
    /// The schema's title, for advice.
    let title: String?
    /// The schema itself, for advice.
    let source: JSONValue

    init(
        kinds: KindSet, allowed: [AllowedValues], object: ObjectRules?, array: ArrayRules?, string: StringRules?,
        number: NumberRules?, inPlace: InPlaceRules, title: String?, source: JSONValue
    ) {
        self.kinds = kinds
        self.allowed = allowed
        self.object = object
        self.array = array
        self.string = string
        self.number = number
        self.inPlace = inPlace.isEmpty ? nil : Boxed(inPlace)
        self.title = title
        self.source = source
    }

    /// The schema `true` or `false`.
    convenience init(_ accepts: Bool) {
        self.init(
            kinds: accepts ? .all : [], allowed: [], object: nil, array: nil, string: nil, number: nil,
            inPlace: InPlaceRules(),
            title: nil, source: .bool(accepts))
    }

    var refusesAll: Bool { self.kinds.isEmpty }
}

/// A value held apart, so that what holds it stays small.
final class Boxed<Value: Sendable>: Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

/// A compiled schema with everything that it refers to.
final class SchemaProgram: Sendable {
    struct Target: Sendable {
        let node: SchemaNode
        /// The resource that the schema lies in; where `$dynamicRef` looks for its anchors.
        let resource: Int
    }

    let root: Target
    /// The schemas that references lead to.
    let targets: [Target]
    /// By dynamic anchor and then by resource: the target that a `$dynamicRef` finds there.
    let dynamicTargets: [[Int: Int]]
    let limits: SchemaLimits

    /// Whether the resources that are entered need to be known.
    var isDynamic: Bool { !self.dynamicTargets.isEmpty }

    init(root: Target, targets: [Target], dynamicTargets: [[Int: Int]], limits: SchemaLimits) {
        self.root = root
        self.targets = targets
        self.dynamicTargets = dynamicTargets
        self.limits = limits
    }
}

/// How few and how many.
struct CountBounds: Sendable {
    let least: Int
    let most: Int

    var isBounded: Bool { self.least > 0 || self.most < .max }

    @inline(__always)
    func contains(_ count: Int) -> Bool { self.least <= count && count <= self.most }

    func advice(_ count: Int, _ unit: String) -> String {
        count < self.least
            ? "must have at least \(self.least) \(unit), not \(count)"
            : "must have at most \(self.most) \(unit), not \(count)"
    }
}

final class StringRules: Sendable {
    /// In characters: Unicode scalars.
    let length: CountBounds
    let patterns: [Pattern]
    let format: StringFormat?

    init(length: CountBounds, patterns: [Pattern], format: StringFormat?) {
        self.length = length
        self.patterns = patterns
        self.format = format
    }
}

final class NumberRules: Sendable {
    struct Bound: Sendable {
        enum Side: Sendable { case least, most, above, below }
        let side: Side
        let exact: ExactNumber
        let double: Double?
        let text: String
    }

    struct Divisor: Sendable {
        let digits: UInt64
        let exponent: Int
        let text: String
    }

    let bounds: [Bound]
    let divisor: Divisor?

    init(bounds: [Bound], divisor: Divisor?) {
        self.bounds = bounds
        self.divisor = divisor
    }
}

final class ArrayRules: Sendable {
    struct Contains: Sendable {
        let node: SchemaNode
        let count: CountBounds
    }

    let count: CountBounds
    let prefix: [SchemaNode]
    /// For the elements behind `prefix`.
    let items: SchemaNode?
    let contains: Contains?
    let isUnique: Bool

    init(count: CountBounds, prefix: [SchemaNode], items: SchemaNode?, contains: Contains?, isUnique: Bool) {
        self.count = count
        self.prefix = prefix
        self.items = items
        self.contains = contains
        self.isUnique = isUnique
    }
}
