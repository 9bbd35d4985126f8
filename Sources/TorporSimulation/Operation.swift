import TorporCore

/// One atomic change of an object by a client. Each has a number of its own, and leaves it in the object's log, so that
/// the log of an object tells which changes took effect and in which order, and what the object must hold.
struct Operation: Sendable {
    typealias ID = UInt32

    enum Effect: Sendable, Hashable {
        /// The counter rises by one.
        case count
        /// A value is set, for good or for a time.
        case put(key: Int, size: Int, milliseconds: Int?)
        case remove(key: Int)
        /// One of three amounts falls and another rises; their sum stays what it is.
        case transfer(from: Int, to: Int, amount: Int)
    }

    let id: ID
    let object: StateObjectID
    let effects: [Effect]
    /// When it was carried out, which values with an end count from.
    let time: WallTime
}

/// The keys that clients use.
enum Key {
    static let log = Array("log".utf8)
    static let counter = Array("count".utf8)
    static let valuePrefix = Array("v/".utf8)
    static func value(_ index: Int) -> [UInt8] { Array("v/\(index)".utf8) }
    static func amount(_ index: Int) -> [UInt8] { Array("t/\(index)".utf8) }
    static let amounts = 3
    static let values = 8
}

/// What an object holds, as the sequential model has it.
struct Contents: Equatable {
    struct Value: Equatable {
        var bytes: [UInt8]
        var expiry: WallTime?
    }

    private(set) var values: [[UInt8]: Value] = [:]
    private(set) var log: [Operation.ID] = []

    /// What is there at a time.
    func visible(at time: WallTime) -> [[UInt8]: [UInt8]] {
        self.values.filter { $0.value.expiry.map { time < $0 } ?? true }.mapValues(\.bytes)
    }

    mutating func apply(_ operation: Operation) {
        var target = ModelTarget(contents: self)
        // The model has every value that it asks for.
        operation.carryOut(on: &target)
        self = target.contents
        self.log.append(operation.id)
    }

    fileprivate mutating func set(_ key: [UInt8], _ value: Value?) { self.values[key] = value }
}

/// Where an operation is carried out: a transaction of the engine, or the model.
protocol OperationTarget {
    associatedtype Failure: Error
    func bytes(_ key: [UInt8]) throws(Failure) -> [UInt8]?
    mutating func set(_ key: [UInt8], _ bytes: [UInt8], expiry: WallTime?)
    mutating func remove(_ key: [UInt8])
}

private struct ModelTarget: OperationTarget {
    var contents: Contents
    func bytes(_ key: [UInt8]) -> [UInt8]? { self.contents.values[key]?.bytes }
    mutating func set(_ key: [UInt8], _ bytes: [UInt8], expiry: WallTime?) {
        self.contents.set(key, Contents.Value(bytes: bytes, expiry: expiry))
    }
    mutating func remove(_ key: [UInt8]) { self.contents.set(key, nil) }
}

extension Operation {
    func carryOut<Target: OperationTarget>(on target: inout Target) throws(Target.Failure) {
        for effect in self.effects {
            switch effect {
            case .count:
                target.set(Key.counter, Self.encode(try Self.number(Key.counter, target, 0) + 1), expiry: nil)
            case .put(let key, let size, let milliseconds):
                let expiry = milliseconds.map { self.time + .milliseconds($0) }
                target.set(Key.value(key), self.filling(size), expiry: expiry)
            case .remove(let key): target.remove(Key.value(key))
            case .transfer(let from, let to, let amount):
                let (source, sink) = (Key.amount(from), Key.amount(to))
                let left = try Self.number(source, target, 100)
                let right = try Self.number(sink, target, 100)
                target.set(source, Self.encode(left - amount), expiry: nil)
                target.set(sink, Self.encode(right + amount), expiry: nil)
            }
        }
        let log = try target.bytes(Key.log) ?? []
        target.set(Key.log, log + withUnsafeBytes(of: self.id.littleEndian) { Array($0) }, expiry: nil)
    }

    private static func number<Target: OperationTarget>(_ key: [UInt8], _ target: Target, _ start: Int) throws(Target
        .Failure) -> Int
    {
        guard let bytes = try target.bytes(key) else { return start }
        return bytes.withUnsafeBytes { $0.loadUnaligned(as: Int.self) }
    }

    private static func encode(_ number: Int) -> [UInt8] { withUnsafeBytes(of: number) { Array($0) } }

    private func filling(_ size: Int) -> [UInt8] {
        (0..<size).map { UInt8(truncatingIfNeeded: Int(self.id) &* 31 &+ $0) }
    }

    static func decodeLog(_ bytes: [UInt8]?) -> [Operation.ID] {
        guard let bytes else { return [] }
        return stride(from: 0, to: bytes.count, by: 4).map { offset in
            bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
        }
    }
}

extension Key {
    static let all =
        [Self.log, Self.counter] + (0..<Self.amounts).map { Self.amount($0) } + (0..<Self.values).map { Self.value($0) }
}
