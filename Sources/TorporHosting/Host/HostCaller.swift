package import TorporCore
package import TorporProtocol

/// Who makes a call of a hosted server, and for whom its child is.
package struct HostCaller: Sendable {
    package let key: HostKey
    /// What the caller's client can do; for a child that many clients share, all that can be carried.
    package let capabilities: ClientCapabilities
    // In two words; see ``StateObjectID``.
    private let accountID: StateObjectID
    private let isAnonymous: Bool

    init(_ key: HostKey, account: AccountID, capabilities: ClientCapabilities = .carried) {
        self.key = key
        self.capabilities = capabilities
        self.accountID = StateObjectID(bits: account.bits)
        self.isAnonymous = account.isAnonymous
    }

    /// Whose quotas the child's files count against: nobody's, of one for all.
    var folderAccount: AccountID { self.key.kind == .shared ? .anonymous(0) : self.account }

    /// Whose quotas its calls and its child count against.
    var account: AccountID {
        self.isAnonymous ? .anonymous(self.accountID.bits) : .principal(self.accountID.bits)
    }
}

extension HostKey {
    /// Whether what its child leaves in its folder is kept for its next child.
    var keepsFolder: Bool { self.kind != .call }
}

extension ClientCapabilities {
    /// All that can be carried between a client and a foreign server.
    package static let carried: ClientCapabilities = [
        .roots, .sampling, .samplingTools, .samplingContext, .elicitationForm, .elicitationURL,
    ]
}
