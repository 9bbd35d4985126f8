// The types that appear in this module's API come with it.
@_exported public import TorporCore
@_exported public import TorporJSON
@_exported public import TorporProtocol
@_exported public import protocol TorporEncoding.StateDefaults
