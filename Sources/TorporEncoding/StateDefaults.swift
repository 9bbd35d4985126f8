/// A part of a state that can be made from nothing, so that it may get new fields later.
///
/// A field that stored bytes lack, because they were written before the field was added, takes the value that it has in
/// `Self()`. This holds wherever a value of the type is stored: in lists, in dictionaries, at any depth. A field of
/// optional type that is missing is `nil`.
///
/// ```swift
/// struct Line: StateDefaults {
///     var sku = ""
///     var count = 1  // added later; lines stored before count once
/// }
/// ```
public protocol StateDefaults: Codable {
    init()
}
