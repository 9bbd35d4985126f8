import TorporJSON

/// Validates one value and what surrounds it, and returns its range.
func scan(_ bytes: [UInt8], depthMax: Int = JSONScanner.depthMaxDefault) throws(JSONError) -> Range<Int> {
    var scanner = JSONScanner(bytes.span, depthMax: depthMax)
    let range = try scanner.skipValue()
    try scanner.finish()
    return range
}

func scan(_ text: String, depthMax: Int = JSONScanner.depthMaxDefault) throws(JSONError) -> Range<Int> {
    try scan(Array(text.utf8), depthMax: depthMax)
}

/// The error with which `text` is refused, or `nil` if it is accepted.
func refusal(of bytes: [UInt8], depthMax: Int = JSONScanner.depthMaxDefault) -> JSONError? {
    do {
        _ = try scan(bytes, depthMax: depthMax)
        return nil
    } catch {
        return error
    }
}

func refusal(of text: String, depthMax: Int = JSONScanner.depthMaxDefault) -> JSONError? {
    refusal(of: Array(text.utf8), depthMax: depthMax)
}

/// Walks through a value by the scanner's finer steps, as a check on `skipValue`.
func walk(_ scanner: inout JSONScanner) throws(JSONError) {
    switch try scanner.peek() {
    case .object:
        try scanner.beginObject()
        var isFirst = true
        while try scanner.nextKey(&isFirst) != nil { try walk(&scanner) }
    case .array:
        try scanner.beginArray()
        var isFirst = true
        while try scanner.nextElement(&isFirst) { try walk(&scanner) }
    case .string:
        _ = try scanner.string()
    case .number, .true, .false, .null:
        _ = try scanner.skipValue()
    }
}

/// The error with which the finer steps refuse `bytes`.
func refusalByWalking(_ bytes: [UInt8]) -> JSONError? {
    var scanner = JSONScanner(bytes.span)
    do {
        try walk(&scanner)
        try scanner.finish()
        return nil
    } catch {
        return error
    }
}

func text(_ bytes: [UInt8]) -> String {
    String(decoding: bytes, as: UTF8.self)
}

/// `JSONText.equals` over an array, as macros take no spans.
func contents(of bytes: [UInt8], _ range: Range<Int>, hasEscapes: Bool, equal text: String) -> Bool {
    let isEqual = JSONText.equals(in: bytes.span, range, hasEscapes: hasEscapes, to: text)
    precondition(isEqual == JSONText.equals(in: bytes.span, range, hasEscapes: hasEscapes, to: Array(text.utf8).span))
    return isEqual
}

/// Documents with every kind of value, used where any valid text will do.
let sampleDocuments = [
    #"{"jsonrpc":"2.0","id":12345,"method":"tools/call","params":{"name":"echo","arguments":{"message":"Hello!"}}}"#,
    #" { "a" : [ 1 , -2.5 , 3e2 , 4E-1 , 0 , -0 , true , false , null ] , "b" : { } , "c" : [ ] } "#,
    #"["é","日本語","😀","\u00e9\ud83d\ude00","\"\\\/\b\f\n\r\t","plain text of more than eight bytes"]"#,
    #"{"":{"":[[[{"deep":[{}]}]]]},"na\u006de":"value","dup":1,"dup":2}"#,
    #"[12345678901234567890,0.1,1.5e300,-9223372036854775808,123456.789]"#,
]
