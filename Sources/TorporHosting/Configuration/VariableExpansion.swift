/// Puts the values of variables where their names stand: `${NAME}`, `${env:NAME}`, and `${NAME:-text}` for a text where
/// the variable is not set or empty. `$${` stands for `${`; any other `$` for itself.
///
/// Done once: what a value contains is not looked at again.
enum VariableExpansion {
    /// What is wrong with a text, as the end of a sentence about its place.
    struct Failure: Error, Hashable {
        let reason: String
    }

    static func expand(_ text: String, with variables: [String: String]) throws(Failure) -> String {
        var result = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$${") {
                result += "${"
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("${") {
                guard let end = rest.firstIndex(of: "}") else {
                    throw Failure(reason: "\"${\" has no \"}\"; write \"$${\" where no variable is meant")
                }
                let inside = rest[rest.index(rest.startIndex, offsetBy: 2)..<end]
                result += try self.value(of: inside, with: variables)
                rest = rest[rest.index(after: end)...]
            } else {
                result += "$"
                rest = rest.dropFirst()
            }
        }
        return result + rest
    }

    private static func value(of reference: Substring, with variables: [String: String]) throws(Failure) -> String {
        let (name, replacement) = self.split(reference)
        if let replacement, replacement.contains("${") {
            throw Failure(reason: "\"${\(name):-…}\" has another variable in it; give a plain text after \":-\"")
        }
        if name.hasPrefix("input:") {
            throw Failure(
                reason:
                    "\"${\(name)}\" asks somebody at a screen, and there is none; name a variable of the environment")
        }
        let plain = name.hasPrefix("env:") ? name.dropFirst(4) : name
        guard self.isName(plain) else {
            throw Failure(reason: "\"${\(name)}\" is no variable; write \"${NAME}\" or \"${NAME:-text}\"")
        }
        let value = variables[String(plain)]
        if let replacement, value ?? "" == "" { return String(replacement) }
        guard let value else {
            throw Failure(reason: "the variable \(plain) is not set; set it, or write \"${\(plain):-text}\"")
        }
        return value
    }

    private static func split(_ reference: Substring) -> (name: Substring, replacement: Substring?) {
        var index = reference.startIndex
        while index < reference.endIndex {
            if reference[index...].hasPrefix(":-") {
                return (reference[..<index], reference[index...].dropFirst(2))
            }
            index = reference.index(after: index)
        }
        return (reference, nil)
    }

    private static func isName(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            return false
        }
        return text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }
}
