package import TorporJSON
package import TorporProtocol

/// As whom this side introduces itself, and what it offers.
package struct UpstreamClient: Sendable, Equatable {
    /// The protocol's `clientInfo`: at least `name` and `version`.
    package let info: JSONObject
    package let capabilities: ClientCapabilities

    package init(info: JSONObject, capabilities: ClientCapabilities) {
        self.info = info
        self.capabilities = capabilities
    }
}

/// What a server says of itself when a conversation opens.
package struct UpstreamServer: Sendable, Equatable {
    /// What both sides speak.
    package let revision: ProtocolRevision
    /// The protocol's `serverInfo`; empty when a modern server keeps it to itself.
    package let info: JSONObject
    package let capabilities: JSONObject
    package let instructions: String?

    package init(revision: ProtocolRevision, info: JSONObject, capabilities: JSONObject, instructions: String?) {
        self.revision = revision
        self.info = info
        self.capabilities = capabilities
        self.instructions = instructions
    }

    /// The lists whose changes the server tells of.
    package var tellingLists: Set<UpstreamList> {
        var lists: Set<UpstreamList> = []
        if self.capabilities["tools"]?["listChanged"] == true { lists.insert(.tools) }
        if self.capabilities["prompts"]?["listChanged"] == true { lists.insert(.prompts) }
        if self.capabilities["resources"]?["listChanged"] == true { lists.insert(.resources) }
        return lists
    }
}
