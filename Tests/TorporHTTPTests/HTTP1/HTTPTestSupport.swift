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
