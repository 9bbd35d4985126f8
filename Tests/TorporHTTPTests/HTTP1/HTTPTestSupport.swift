import TorporHTTP

/// What came of a byte stream.
struct Outcome: Equatable {
    var requests: [HTTPRequest] = []
    var refusal: HTTPRefusal?
    var phase: HTTPRequestStateMachine.Phase = .idle
}

extension Outcome {
    /// Feeds `pieces` to one machine, each piece as one read.
    init(of pieces: [some Collection<UInt8>], limits: HTTPLimits = HTTPLimits()) {
        var machine = HTTPRequestStateMachine(limits: limits)
        for piece in pieces {
            let bytes = Array(piece)
            var position = 0
            reading: while true {
                switch machine.next(bytes.span, position: &position) {
                case .needsMoreBytes: break reading
                case .sendContinue: continue
                case .request(let request): self.requests.append(request)
                case .refuse(let refusal): self.refusal = refusal
                }
            }
            precondition(position == bytes.count, "a machine that needs more bytes has consumed those it was given")
        }
        self.phase = machine.phase
    }

    init(of text: String, limits: HTTPLimits = HTTPLimits()) {
        self.init(of: [Array(text.utf8)], limits: limits)
    }
}

extension HTTPRequest {
    func text(_ range: Range<Int>?) -> String? {
        range.map { String(decoding: self.bytes[$0], as: UTF8.self) }
    }

    var bodyText: String { String(decoding: self.bytes[self.body], as: UTF8.self) }

    /// The method as sent.
    var methodText: String { String(decoding: self.bytes[..<(self.head.target.lowerBound - 1)], as: UTF8.self) }
}

/// A small seeded generator, the same on every platform.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

    mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &self)]
    }
}

/// `bytes` as a Swift string literal would show them.
func escaped(_ bytes: some Collection<UInt8>) -> String {
    bytes.map { byte in
        switch byte {
        case 0x0D: "\\r"
        case 0x0A: "\\n"
        case 0x09: "\\t"
        case 0x20...0x7E: String(UnicodeScalar(byte))
        default: "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
    }.joined()
}

/// One byte for each scalar of `text`, so that "\u{FF}" gives the byte FF, which no UTF-8 text could hold.
func latin1(_ text: String) -> [UInt8] {
    text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
}
