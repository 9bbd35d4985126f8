/// A coding key that can be any name or index.
///
/// It is small enough to be stored in an `any CodingKey` without an allocation.
package enum AnyCodingKey: CodingKey {
    case name(String)
    case index(Int)

    /// The name under which a class's superclass is encoded by default.
    package static var `super`: AnyCodingKey { .name("super") }

    package init?(stringValue: String) { self = .name(stringValue) }
    package init?(intValue: Int) { self = .index(intValue) }

    package var stringValue: String {
        switch self {
        case .name(let name): name
        case .index(let index): "Index \(index)"
        }
    }

    package var intValue: Int? {
        switch self {
        case .name: nil
        case .index(let index): index
        }
    }
}
