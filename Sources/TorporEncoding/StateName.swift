/// A coding key that can be any name or index.
enum StateName: CodingKey {
    case name(String)
    case index(Int)

    /// The name under which a class's superclass is encoded by default.
    static var `super`: StateName { .name("super") }

    init?(stringValue: String) { self = .name(stringValue) }
    init?(intValue: Int) { self = .index(intValue) }

    var stringValue: String {
        switch self {
        case .name(let name): name
        case .index(let index): "Index \(index)"
        }
    }

    var intValue: Int? {
        switch self {
        case .name: nil
        case .index(let index): index
        }
    }
}
