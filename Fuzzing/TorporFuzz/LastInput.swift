import Foundation
import Glibc
import TorporFuzzing

/// Keeps the input under check in a file that outlives the process, for the case that the check traps.
struct LastInput {
    private static let sizeMax = 1 << 20
    private let bytes: UnsafeMutableRawBufferPointer

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Makes the file; it is mapped for as long as the process lives.
    init(at path: String) throws(Failure) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0, ftruncate(descriptor, Self.sizeMax) == 0,
            let start = mmap(nil, Self.sizeMax, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), start != MAP_FAILED
        else { throw Failure(description: "\(path) cannot be made: \(String(cString: strerror(errno)))") }
        close(descriptor)
        self.bytes = UnsafeMutableRawBufferPointer(start: start, count: Self.sizeMax)
    }

    /// Costs a copy and no call of the system.
    func note(_ input: [UInt8]) {
        precondition(input.count <= Self.sizeMax - 8, "inputs are small")
        self.bytes.storeBytes(of: UInt64(input.count), as: UInt64.self)
        UnsafeMutableRawBufferPointer(rebasing: self.bytes[8..<8 + input.count]).copyBytes(from: input)
    }

    /// What was noted last.
    static func read(_ path: String) throws -> [UInt8] {
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
        let count = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        return Array(bytes.dropFirst(8).prefix(count))
    }
}
