import Synchronization
import TorporCore
import TorporEngine

extension Call {
    /// The value of a declared ``State``.
    ///
    /// - Parameters:
    ///   - handle: Which object, for states with handles. Without one, a state of scope ``StateScope/session`` is that of
    ///     the legacy session.
    ///   - name: Which state, where several have the same type.
    /// - Throws: ``ToolError`` when a handle is needed; it says which tool makes one. That a handle is unknown shows when
    ///   the state is read or changed.
    /// - Precondition: The server declares such a state.
    public func state<Value: Codable & Sendable>(
        _ type: Value.Type, _ handle: StateHandle? = nil, named name: String? = nil
    ) throws -> StateReference<Value> {
        let (declaration, coder) = self.declared(type, name, .value)
        return StateReference(
            object: try self.object(of: declaration, handle), declaration: declaration, coder: coder)
    }

    /// Whether this caller reaches the state `name` only by a handle: it has neither a session nor a principal in whose
    /// object the state would lie.
    /// - Precondition: The server declares such a state.
    public func needsHandle(of name: String) -> Bool { self.defaultObject(of: self.declaration(name)) == nil }

    /// The entries of a declared ``StateMap``. See ``state(_:_:named:)``.
    public func stateMap<Value: Codable & Sendable>(
        _ type: Value.Type, _ handle: StateHandle? = nil, named name: String? = nil
    ) throws -> StateMapReference<Value> {
        let (declaration, coder) = self.declared(type, name, .map)
        return StateMapReference(
            object: try self.object(of: declaration, handle), declaration: declaration, coder: coder)
    }

    /// The elements of a declared ``StateList``. See ``state(_:_:named:)``.
    public func stateList<Value: Codable & Sendable>(
        _ type: Value.Type, _ handle: StateHandle? = nil, named name: String? = nil
    ) throws -> StateListReference<Value> {
        let (declaration, coder) = self.declared(type, name, .list)
        return StateListReference(
            object: try self.object(of: declaration, handle), declaration: declaration, coder: coder)
    }

    /// The object in which the state `name` lies, to change several of its values at once.
    public func stateObject(_ name: String, _ handle: StateHandle? = nil) throws -> StateObject {
        try self.object(of: self.declaration(name), handle)
    }

    /// What state may take on this server, and how long it is kept.
    public var stateLimits: StateLimits { StateLimits(self.service.engine.limits) }

    /// Makes an object of the state `name`, as its create tool does.
    /// - Returns: Its handle. It is durable before the call's answer leaves.
    /// - Throws: ``StateError`` when a limit is reached.
    /// - Precondition: The server declares such a state, with handles.
    public func createState(_ name: String) async throws -> StateHandle {
        let declaration = self.withHandles(name)
        let id = StateObjectID(bits: self.dispatcher.environment.randomBits())
        let handle = StateHandle(name, id)
        let object = self.object(declaration, ObjectName(handle: id, of: declaration, self.account))
        try await object.translating { try await object.use.create(object.name) }
        do {
            try await self.noteHandle(handle, of: declaration)
        } catch {
            // Nobody would ever learn of it.
            try await object.translating { try await self.service.engine.delete(object.name, tombstone: nil) }
            throw error
        }
        self.noteChange("made a state")
        return handle
    }

    /// Deletes a handle's object, durably.
    /// - Throws: ``StateError/Code/missing`` when there is none.
    public func destroyState(_ name: String, _ handle: StateHandle) async throws {
        let declaration = self.withHandles(name)
        let object = try self.object(of: declaration, handle)
        try await object.translating {
            try await object.use.open(object.name)
            try await self.service.engine.delete(object.name, tombstone: nil)
        }
        try await self.forgetHandle(handle, of: declaration)
        self.noteChange("deleted a state")
    }

    /// Waits until everything that the call has read and changed is durable.
    ///
    /// Every answer waits by itself; this is for what a handler does outside.
    /// - Throws: ``StateError/Code/lost`` when some of it could not be stored.
    public func durable() async throws {
        guard let use = self.operation.output.withLock({ $0.stateUse }) else { return }
        do {
            try await use.durable()
        } catch let error as EngineError {
            throw StateError(error)
        }
    }

    // MARK: Objects

    var service: StateService {
        guard let service = self.dispatcher.state else {
            preconditionFailure("a server that declares state runs with a StateService")
        }
        return service
    }

    var account: AccountID { self.service.account(of: self.operation.message) }

    /// What the call does with state; begun at its first use.
    var stateUse: StateUse {
        self.operation.output.withLock { output in
            if let use = output.stateUse { return use }
            let use = self.service.engine.use()
            output.stateUse = use
            return use
        }
    }

    func object(_ declaration: StateDeclaration, _ name: ObjectName) -> StateObject {
        StateObject(call: self, use: self.stateUse, name: name, declaration: declaration)
    }

    /// The object in which a state lies: of the state that it lies within, if there is one.
    func object(of declaration: StateDeclaration, _ handle: StateHandle?) throws -> StateObject {
        let home = declaration.within.map { self.declaration($0) } ?? declaration
        if let handle, home.scope.hasHandles {
            guard let id = handle.id(of: home.name) else { throw StateError(.missing, home.unknownHandle) }
            return self.object(home, ObjectName(handle: id, of: home, self.account))
        }
        guard let name = self.defaultObject(of: home) else {
            throw ToolError(
                home.scope == .principal
                    ? "\(home.name) is kept for each user. Authenticate to have one." : home.handleNeeded)
        }
        return self.object(home, name)
    }

    /// The object that a call without a handle reaches; `nil` when there is none.
    private func defaultObject(of declaration: StateDeclaration) -> ObjectName? {
        switch declaration.scope {
        case .principal: self.principalObject
        case .session: self.sessionObject
        case .sessionOrPrincipal: self.sessionObject ?? self.principalObject
        case .principalOrSession: self.principalObject ?? self.sessionObject
        case .handle: nil
        }
    }

    /// The object of the legacy session.
    var sessionObject: ObjectName? {
        self.operation.session.map { ObjectName(StateObjectID(bits: $0.id), .session, account: self.account) }
    }

    /// The one object of an authenticated caller.
    private var principalObject: ObjectName? {
        guard self.principal != nil else { return nil }
        let account = self.account
        return ObjectName(self.service.principalObject(account), .principal, account: account)
    }

    // MARK: Declarations

    func declaration(_ name: String) -> StateDeclaration {
        guard let declaration = self.dispatcher.table.states.first(where: { $0.name == name }) else {
            preconditionFailure("the server declares no state \(name)")
        }
        return declaration
    }

    /// The declaration of a type, and what encodes it.
    func declared<Value: Codable & Sendable>(
        _ type: Value.Type, _ name: String?, _ shape: StateDeclaration.Shape, in object: StateObject? = nil
    ) -> (StateDeclaration, StateCoder<Value>) {
        let states = self.dispatcher.table.states.filter { state in
            state.shape == shape && state.coder.typeID == ObjectIdentifier(type) && (name ?? state.name) == state.name
        }
        precondition(!states.isEmpty, "the server declares no state of \(type)\(name.map { " named \($0)" } ?? "")")
        precondition(states.count == 1, "several states are of \(type): name the one that is meant")
        let declaration = states[0]
        if let object {
            precondition(
                declaration.sharesObject(with: object.declaration),
                "\(declaration.name) does not lie in the object of \(object.declaration.name)")
        }
        guard let coder = declaration.coder as? StateCoder<Value> else {
            preconditionFailure("a state is encoded by its type")
        }
        return (declaration, coder)
    }

    func withHandles(_ name: String) -> StateDeclaration {
        guard
            let declaration = self.dispatcher.table.states.first(where: { $0.name == name && $0.within == nil }),
            declaration.scope.hasHandles
        else { preconditionFailure("the server declares no state \(name) with handles") }
        return declaration
    }

    /// An error of the engine, as the model is told.
    func stateError(_ error: EngineError, _ declaration: StateDeclaration, _ kind: ObjectKind) -> StateError {
        guard error.code == .missing else { return StateError(error) }
        return StateError(.missing, kind == .handle ? declaration.unknownHandle : "This session has ended.")
    }
}

extension ObjectName {
    init(handle id: StateObjectID, of declaration: StateDeclaration, _ account: AccountID) {
        self.init(
            id, .handle, name: declaration.objectName, account: account, memoryMax: declaration.memory,
            retention: declaration.retention)
    }
}

extension StateDeclaration {
    /// Whether both lie in one object when a call reaches them the same way.
    func sharesObject(with other: StateDeclaration) -> Bool {
        self.scope == .handle || other.scope == .handle
            ? self.objectName == other.objectName : self.scope == other.scope
    }

    private var advice: String { self.creator.map { "Make a new one with \($0)." } ?? "Ask for a new one." }

    /// Names no handle: what a model wrote is nothing to repeat.
    var unknownHandle: String {
        "There is no \(self.objectName) of this handle: it never was, has expired, or belongs to somebody else. \(self.advice)"
    }

    var handleNeeded: String {
        "No \(self.objectName) was named. Give the handle of one\(self.creator.map { ", or make a new one with \($0)" } ?? "")."
    }
}
