import TorporEncoding
import TorporJSON

extension FuzzTarget {
    /// Bytes that are taken for an encoded value: what reads at all reads the same again once it is encoded anew.
    static let stateEncoding = FuzzTarget("state-encoding", lengthMax: 2_048) { input throws(PropertyViolation) in
        do throws(StateEncodingError) {
            _ = try StateExport.jsonValue(of: input)
        } catch {
            // Damage that a reader does not look at may pass, but nothing that has another format.
            try require(error.code != .tooLarge, "no input is too large", escaped(input))
            try require(
                error.code != .newerFormat || StateEncodingModel.read(input) == nil, "a newer format is left alone",
                escaped(input))
            return error.code.description
        }
        do {
            let value = try StateDecoder.decode(JSONValue.self, from: input)
            let encoded = try StateEncoder.encode(value)
            let again = try StateDecoder.decode(JSONValue.self, from: encoded)
            try require(again == value, "what was decoded comes back", escaped(input))
            try require(
                try StateEncoder.encode(again) == encoded, "an encoding depends on its value alone", escaped(input))
        } catch let violation as PropertyViolation {
            throw violation
        } catch {
            throw PropertyViolation("what is exported decodes", "\(error): \(escaped(input))")
        }
        return StateEncodingModel.read(input) == nil ? "other type" : "decoded"
    }
}

/// A type with a field of every kind, read with defaults and without.
private struct StateEncodingModel: StateDefaults {
    var id = 7
    var name: String? = "Ada"
    var tags = ["a"]
    var blob: [UInt8] = [1, 2]
    var ratio = 0.5
    var isOn = true
    var children: [StateEncodingModel] = []
    var byName: [String: StateEncodingModel] = [:]

    static func read(_ input: [UInt8]) -> StateEncodingModel? {
        let defaults = try? StateEncoder.encode(StateEncodingModel())  // it has no more than a few bytes
        _ = try? StateDecoder.decode([StateEncodingModel].self, from: input)  // any outcome will do, but a trap
        return try? StateDecoder.decode(StateEncodingModel.self, from: input, defaults: defaults)
    }
}
