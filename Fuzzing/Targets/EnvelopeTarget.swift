import TorporJSON
import TorporProtocol

extension FuzzTarget {
    /// Messages, as clients of both eras send them.
    static let messageWords =
        [
            "jsonrpc", "2.0", "id", "method", "params", "result", "error", "_meta", "tools/call", "tools/list",
            "resources/read", "resources/list", "resources/templates/list", "prompts/get", "prompts/list",
            "completion/complete", "server/discover", "initialize", "ping", "notifications/initialized",
            "2026-07-28", "2025-11-25", "2025-06-18", "2024-11-05", "ref/prompt", "ref/resource", "value", "type",
        ] + EnvelopeModel.paramNames + EnvelopeModel.metaNames

    /// What one pass finds in a message is what its tree says.
    static let envelope = FuzzTarget("envelope", shape: .json, dictionary: messageWords) {
        input throws(PropertyViolation) in
        let value = try? JSONValue(parsing: input)  // `nil`: refused, as the envelope has to be
        let envelope: Envelope
        do throws(JSONError) {
            envelope = try Envelope.parse(input.span)
        } catch {
            try require(value == nil, "JSON text has an envelope", "\(error)")
            return "\(error.reason)"
        }
        guard let value else { throw PropertyViolation("only JSON text has an envelope") }
        let model = EnvelopeModel(value)
        try require(
            EnvelopeModel.Shape(envelope.shape) == model.shape, "the shape is that of the tree",
            "\(envelope.shape), \(model.shape)")
        let slices = [
            ("id", envelope.id, model.id), ("method", envelope.method, model.method),
            ("params", envelope.params.source, model.params),
        ]
        for (name, slice, expected) in slices { try checkSlice(slice, name, is: expected, in: input) }
        // A message with members given twice is refused; what the envelope shows of them is nobody's concern.
        if !model.hasRepeats { try checkParameters(envelope, model, input) }
        return "\(envelope.shape) \(envelope.id.kind) \(RequestMethod(envelope.method, in: input.span))"
    }
}

private func checkParameters(_ envelope: Envelope, _ model: EnvelopeModel, _ input: [UInt8])
    throws(PropertyViolation)
{
    let params = envelope.params
    let slices = [
        params.name, params.uri, params.arguments, params.cursor, params.ref, params.argument, params.context,
        params.protocolVersion, params.capabilities, params.clientInfo,
    ]
    for (name, slice) in zip(EnvelopeModel.paramNames, slices) {
        try checkSlice(slice, name, is: model.params?[name], in: input)
    }
    let meta = params.meta
    try checkSlice(meta.source, "_meta", is: model.meta, in: input)
    let metaSlices = [meta.protocolVersion, meta.clientCapabilities, meta.clientInfo, meta.progressToken]
    for (name, slice) in zip(EnvelopeModel.metaNames, metaSlices) {
        try checkSlice(slice, name, is: model.meta?[name], in: input)
    }
    guard case .string(let method)? = model.method else { return }
    let named = RequestMethod.allCases.first { $0 != .other && EnvelopeModel.areSame($0.name.description, method) }
    try require(
        RequestMethod(envelope.method, in: input.span) == named ?? .other, "a method is known by its bytes", method)
}

/// Checks that a slice lies inside the message and holds `expected`.
private func checkSlice(_ slice: JSONSlice, _ name: String, is expected: JSONValue?, in input: [UInt8])
    throws(PropertyViolation)
{
    guard slice.isPresent else {
        try require(expected == nil, "a member that is there is found", name)
        return
    }
    let range = slice.sourceRange
    try require(
        range.lowerBound >= 0 && range.upperBound <= input.count && !range.isEmpty, "a slice lies inside the message",
        "\(name): \(range)")
    let held = try? JSONValue(parsing: input.span.extracting(range), depthMax: JSONScanner.depthMaxLimit)
    guard let held, let expected else { throw PropertyViolation("a slice holds the member's value", name) }
    try require(held == expected, "a slice holds the member's value", name)
    if case .string(let text) = expected {
        try require(
            slice.string(in: input.span)?.utf8.elementsEqual(text.utf8) == true, "a slice reads as its text", name)
    }
}

extension EnvelopeModel.Shape {
    init(_ shape: Envelope.Shape) {
        switch shape {
        case .request: self = .request
        case .notification: self = .notification
        case .response: self = .response
        case .batch: self = .batch
        case .invalid: self = .invalid
        }
    }
}
