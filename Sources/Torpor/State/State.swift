import Synchronization
import TorporCore
import TorporEncoding
import TorporEngine

/// State that outlives a call: declared once, typed, kept for whom its scope says.
///
///     struct Basket: Codable, Sendable { var note = ""; var lines: [Line] = [] }
///
///     State(Basket.self, named: "basket", initially: Basket(), scope: .handle, retention: .hours(24))
///
///     Tool("add_item", "Puts an item into a basket.") { (input: AddItem, call) in
///         try await call.state(Basket.self, input.basket).update { $0.lines.append(input.line) }
///         return "\(input.line.sku) added"
///     }
///
/// What a call changes is durable before its answer leaves the server. While nobody uses it, it sleeps in the store.
///
/// A state with handles brings tools: `create_basket`, `destroy_basket` and `list_baskets`.
///
/// **Types change.** Fields that a stored value has and the type has not are passed over; fields that it lacks are `nil`
/// if they are optional, else taken from `initially`, or from `init()` of their type if that is ``StateDefaults``. For
/// all else raise `version` and give `migrating`. A value that does not decode fails the call and stays where it is.
public struct State<Value: Codable & Sendable>: ServerComponent {
    let declaration: StateDeclaration

    /// - Parameters:
    ///   - name: 1 to 32 characters of `a-z 0-9 _`, unique in the server. It is stored: it must not change.
    ///   - initially: The value before anything was set.
    ///   - memory: What an object of a handle takes at most; for the other scopes, what the value takes. Default: the
    ///     limit of all objects, 8 MiB.
    ///   - retention: How long an object of a handle is kept that nobody uses. Default: that of the server, 7 days.
    ///   - version: Counts the changes of `Value` that decoding cannot bridge. 1 to 65,535.
    ///   - tools: Which tools a state with handles brings. Default: all three.
    ///   - createdBy: The server's own tool that makes an object, which errors advise to use, for a state that does not
    ///     bring one.
    ///   - migrating: Makes a value of one that an older version stored.
    public init(
        _ type: Value.Type, named name: String, initially: Value, scope: StateScope, memory: ByteCount? = nil,
        retention: Duration? = nil, version: Int = 1, tools: StateTools = .all, createdBy: String? = nil,
        migrating: (@Sendable (StoredValue) throws -> Value)? = nil
    ) {
        self.declaration = StateDeclaration(
            name: name, shape: .value, scope: scope, memory: memory, retention: retention, tools: tools,
            createdBy: createdBy,
            coder: StateCoder(Value.self, initially: initially, version: version, migrating: migrating))
    }

    public func add(to definition: inout ServerDefinition) { self.declaration.add(to: &definition) }
}

/// State of many entries under keys, each stored by itself: a change costs the entry, not the whole.
///
/// An entry has a key of 1 to 400 bytes of UTF-8. See ``State`` for the rest.
public struct StateMap<Value: Codable & Sendable>: ServerComponent {
    let declaration: StateDeclaration

    /// - Parameter within: The handle's state in whose objects the map lies, beside its value; `nil` for a map of its own.
    public init(
        _ type: Value.Type, named name: String, scope: StateScope, within: String? = nil, memory: ByteCount? = nil,
        retention: Duration? = nil, version: Int = 1, tools: StateTools = .all, createdBy: String? = nil,
        migrating: (@Sendable (StoredValue) throws -> Value)? = nil
    ) {
        self.declaration = StateDeclaration(
            name: name, shape: .map, scope: scope, within: within, memory: memory, retention: retention,
            tools: within == nil ? tools : [], createdBy: createdBy,
            coder: StateCoder(Value.self, initially: nil, version: version, migrating: migrating))
    }

    public func add(to definition: inout ServerDefinition) { self.declaration.add(to: &definition) }
}

/// State of many elements in the order in which they were added, each stored by itself.
///
/// See ``State`` and ``StateMap``.
public struct StateList<Value: Codable & Sendable>: ServerComponent {
    let declaration: StateDeclaration

    public init(
        _ type: Value.Type, named name: String, scope: StateScope, within: String? = nil, memory: ByteCount? = nil,
        retention: Duration? = nil, version: Int = 1, tools: StateTools = .all, createdBy: String? = nil,
        migrating: (@Sendable (StoredValue) throws -> Value)? = nil
    ) {
        self.declaration = StateDeclaration(
            name: name, shape: .list, scope: scope, within: within, memory: memory, retention: retention,
            tools: within == nil ? tools : [], createdBy: createdBy,
            coder: StateCoder(Value.self, initially: nil, version: version, migrating: migrating))
    }

    public func add(to definition: inout ServerDefinition) { self.declaration.add(to: &definition) }
}

/// The tools that a state with handles brings.
public struct StateTools: OptionSet, Sendable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// `create_NAME`: makes a new object and answers its handle.
    public static let create = StateTools(rawValue: 1)
    /// `destroy_NAME`: deletes an object.
    public static let destroy = StateTools(rawValue: 2)
    /// `list_NAMEs`: answers the caller's handles: those of an authenticated caller, or those made in a session.
    public static let list = StateTools(rawValue: 4)
    public static let all: StateTools = [.create, .destroy, .list]
}

/// A value as an older version of the program stored it, for `migrating`.
public struct StoredValue: Sendable {
    /// The version that stored it; lower than the present one.
    public let version: Int
    let bytes: [UInt8]

    /// The value as it was.
    /// - Throws: `DecodingError` when it is none.
    public func decode<Old: Decodable>(_ type: Old.Type) throws -> Old {
        try StateDecoder.decode(type, from: self.bytes, in: 2..<self.bytes.count)
    }
}

/// A declared state, whatever its type.
final class StateDeclaration: Sendable {
    enum Shape: Sendable { case value, map, list }

    let name: String
    let shape: Shape
    let scope: StateScope
    /// The state in whose objects it lies.
    let within: String?
    let memory: ByteCount?
    let retention: Duration?
    let tools: StateTools
    /// The tool that makes an object.
    let creator: String?
    let coder: any AnyStateCoder
    /// Under which the value is stored, or which all keys of its entries begin with.
    let key: [UInt8]

    init(
        name: String, shape: Shape, scope: StateScope, within: String? = nil, memory: ByteCount?, retention: Duration?,
        tools: StateTools, createdBy: String?, coder: any AnyStateCoder
    ) {
        precondition(Self.isName(name), "\(name) is no name of a state: 1 to 32 characters of a-z 0-9 _")
        precondition(
            retention == nil || scope == .handle && within == nil, "the retention of \(name) is that of its object")
        precondition(retention.map { $0 >= .seconds(1) } ?? true, "\(name) is kept for at least a second")
        self.name = name
        self.shape = shape
        self.scope = scope
        self.within = within
        self.memory = memory
        self.retention = retention
        self.tools = scope.hasHandles ? tools : []
        self.creator = self.tools.contains(.create) ? "create_\(name)" : createdBy
        self.coder = coder
        self.key = Array(name.utf8) + (shape == .value ? [] : [UInt8(ascii: "/")])
    }

    /// The state that names the objects.
    var objectName: String { self.within ?? self.name }

    /// - Precondition: No two states have the same name; each lies within one with handles, of its scope.
    static func check(_ states: [StateDeclaration]) {
        precondition(Set(states.map(\.name)).count == states.count, "no two states have the same name")
        for state in states {
            guard let within = state.within else { continue }
            precondition(
                states.contains {
                    $0.name == within && $0.scope.hasHandles && $0.scope == state.scope && $0.within == nil
                },
                "\(state.name) lies within \(within), which is no state of its scope, with handles")
        }
    }

    static func isName(_ name: String) -> Bool {
        (1...32).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == UInt8(ascii: "_")
            }
    }

    func add(to definition: inout ServerDefinition) {
        definition.states.append(self)
        definition.tools += self.generatedTools
    }
}

/// Turns values of a state into bytes and back.
protocol AnyStateCoder: Sendable {
    var typeID: ObjectIdentifier { get }
}

final class StateCoder<Value: Codable & Sendable>: AnyStateCoder {
    let initially: Value?
    private let defaults: [UInt8]?
    private let version: Int
    private let migrating: (@Sendable (StoredValue) throws -> Value)?

    var typeID: ObjectIdentifier { ObjectIdentifier(Value.self) }

    init(
        _ type: Value.Type, initially: Value?, version: Int,
        migrating: (@Sendable (StoredValue) throws -> Value)?
    ) {
        precondition((1...Int(UInt16.max)).contains(version), "a version is 1 to 65,535")
        self.initially = initially
        self.version = version
        self.migrating = migrating
        do {
            self.defaults = try initially.map { try StateEncoder.encode($0) }
        } catch {
            preconditionFailure("the initial \(Value.self) cannot be encoded: \(error)")
        }
    }

    /// The version, two bytes, and the value.
    func encode(_ value: Value) throws -> [UInt8] {
        [UInt8(self.version >> 8), UInt8(self.version & 255)] + (try StateEncoder.encode(value))
    }

    func decode(_ bytes: [UInt8]) throws -> Value {
        guard bytes.count > 2 else { throw StateError(.unreadable, "What is stored here is no value.") }
        let version = Int(bytes[0]) << 8 | Int(bytes[1])
        do {
            if version == self.version {
                return try StateDecoder.decode(Value.self, from: bytes, in: 2..<bytes.count, defaults: self.defaults)
            }
            if version < self.version, let migrating {
                return try migrating(StoredValue(version: version, bytes: bytes))
            }
        } catch let error as StateError {
            throw error
        } catch {
            throw StateError(
                .unreadable, "What is stored here does not fit this version of the server. It stays as it is.")
        }
        throw StateError(
            .unreadable,
            version > self.version
                ? "What is stored here was written by a newer version of the server. It stays as it is."
                : "What is stored here was written by an older version of the server that this one cannot read.")
    }
}
