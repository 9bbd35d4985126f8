import CMalloc
import Glibc

// What the state engine costs without HTTP around it; run by `Benchmarks/bench.py state`, which makes tables of it.
//
// Usage: StateBench COMMAND [--OPTION VALUE]... Prints one JSON object of figures. Exits with status 1 when something
// that was kept did not come back as it was.

@main
enum StateBench {
    static func main() async {
        // As `torpor serve` sets it.
        _ = mallopt(M_MMAP_THRESHOLD, 128 << 10)
        let words = Array(CommandLine.arguments.dropFirst())
        // In a task of its own, so that it runs where calls do: on the pool, not on the main thread.
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    let options = try Options(Array(words.dropFirst()))
                    print(try await Self.run(words.first ?? "", options).json)
                } catch {
                    fail(error)
                }
            }
        }
    }

    private static func run(_ command: String, _ options: Options) async throws -> Figures {
        switch command {
        case "fill": try await fill(options)
        case "overhead": try await measureOverhead(options)
        case "asleep": try await measureAsleep(options)
        case "wake": try await measureWakes(options)
        case "give-back": try await measureGivingBack(options)
        case "write": try await measureWrites(options)
        case "bare-write": try await measureBareWrites(options)
        default:
            throw BenchFailure(
                "usage: StateBench fill|overhead|asleep|wake|give-back|write|bare-write [--OPTION VALUE]...")
        }
    }
}

/// Why there are no figures.
struct BenchFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The options of one run: `--name value`, all of them numbers but for paths.
struct Options: Sendable {
    private let values: [String: String]

    init(_ words: [String]) throws {
        guard words.count.isMultiple(of: 2) else { throw BenchFailure("every option has a value") }
        var values: [String: String] = [:]
        for index in stride(from: 0, to: words.count, by: 2) {
            guard words[index].hasPrefix("--") else { throw BenchFailure("\(words[index]) is no option") }
            values[String(words[index].dropFirst(2))] = words[index + 1]
        }
        self.values = values
    }

    func text(_ name: String) throws -> String {
        guard let value = self.values[name] else { throw BenchFailure("--\(name) is needed") }
        return value
    }

    /// A positive number.
    func number(_ name: String, default fallback: Int? = nil) throws -> Int {
        guard let text = self.values[name] else {
            guard let fallback else { throw BenchFailure("--\(name) is needed") }
            return fallback
        }
        guard let number = Int(text), number > 0 else { throw BenchFailure("--\(name) takes a positive number") }
        return number
    }
}

/// Figures by name, in the order in which they were measured.
struct Figures {
    private var members: [String] = []

    mutating func add(_ name: String, _ value: Int) { self.members.append("\"\(name)\": \(value)") }
    mutating func add(_ name: String, _ value: Double) { self.members.append("\"\(name)\": \(value)") }

    var json: String { "{\(self.members.joined(separator: ", "))}" }
}
