public import TorporCore

/// A live thing beside a state object: a connection, a cursor, a parsed document; what cannot sleep.
///
///     State(Report.self, named: "report", initially: Report(), scope: .handle)
///     StateResource(Connection.self, beside: "report", cost: .kibibytes(64)) { call, handle in
///         try await Connection.open(try await call.state(Report.self, handle).get().url)
///     } closing: { connection in
///         await connection.close()
///     }
///
///     Tool("next_page", "Reads on.") { (input: Named, call) in
///         try await call.stateResource(Connection.self, input.report).nextPage()
///     }
///
/// It is opened at its first use, and every call that reaches the object gets the same one. It stays while its object is
/// in memory, and is closed when that is evicted, deleted, or the server stops. The next use opens another: whatever must
/// outlive it belongs into the object's state.
public struct StateResource<Value: Sendable>: ServerComponent {
    let declaration: StateResourceDeclaration

    /// - Parameters:
    ///   - name: What ``Call/stateResource(_:_:named:)`` asks for where several have the same type. Default: `type`'s name.
    ///   - state: The state in whose objects' company it lives.
    ///   - cost: What it takes of memory, about: at least a byte, at most what an object may. It counts as memory of its
    ///     object's principal for as long as it is open.
    ///   - opening: Makes one, with the call that uses it first and the handle that this call gave. Calls that want it
    ///     meanwhile wait, and get its error if it throws. It is not cancelled with the call, for others may wait, too:
    ///     give it a time limit of its own.
    ///   - closing: Ends one. Until it returns no other is opened beside the same object.
    public init(
        _ type: Value.Type, named name: String? = nil, beside state: String, cost: ByteCount,
        opening: @escaping @Sendable (Call, StateHandle?) async throws -> Value,
        closing: @escaping @Sendable (Value) async -> Void
    ) {
        precondition(cost.bytes > 0, "what lives takes memory")
        self.declaration = StateResourceDeclaration(
            name: name ?? String(describing: type), state: state, cost: cost, typeID: ObjectIdentifier(type),
            open: opening,
            close: { value in
                guard let value = value as? Value else { preconditionFailure("a resource keeps its type") }
                await closing(value)
            })
    }

    public func add(to definition: inout ServerDefinition) { definition.stateResources.append(self.declaration) }
}

/// A declared ``StateResource``, whatever its type.
struct StateResourceDeclaration: Sendable {
    let name: String
    let state: String
    let cost: ByteCount
    let typeID: ObjectIdentifier
    let open: @Sendable (Call, StateHandle?) async throws -> any Sendable
    let close: @Sendable (any Sendable) async -> Void

    /// - Precondition: No two have the same name; each lives beside a state that is not within another.
    static func check(_ resources: [StateResourceDeclaration], _ states: [StateDeclaration]) {
        precondition(Set(resources.map(\.name)).count == resources.count, "no two state resources have the same name")
        for resource in resources {
            precondition(
                states.contains { $0.name == resource.state && $0.within == nil },
                "\(resource.name) lives beside \(resource.state), which is no state with objects of its own")
        }
    }
}

extension Call {
    /// What lives beside a state object, opened if it is not open.
    ///
    /// It stays open at least until this call is answered, unless the object is deleted meanwhile.
    /// - Parameters:
    ///   - handle: Which object, as for ``state(_:_:named:)``.
    ///   - name: Which resource, where several have the same type.
    /// - Throws: What its `opening` throws; ``StateError`` when there is no such object, or no memory left for it.
    /// - Precondition: The server declares such a ``StateResource``.
    public func stateResource<Value: Sendable>(
        _ type: Value.Type, _ handle: StateHandle? = nil, named name: String? = nil
    ) async throws -> Value {
        let resource = self.declaredResource(ObjectIdentifier(type), name, "\(type)")
        let object = try self.object(of: self.declaration(resource.state), handle)
        let value = try await object.translating {
            try await self.service.resources.value(of: resource, beside: object.name, for: object.use) {
                try await resource.open(self, handle)
            }
        }
        guard let value = value as? Value else { preconditionFailure("a resource keeps its type") }
        return value
    }

    private func declaredResource(
        _ type: ObjectIdentifier, _ name: String?, _ typeName: String
    ) -> StateResourceDeclaration {
        let resources = self.dispatcher.table.stateResources.filter {
            $0.typeID == type && (name ?? $0.name) == $0.name
        }
        precondition(!resources.isEmpty, "the server declares no state resource of \(typeName)")
        precondition(resources.count == 1, "several state resources are of \(typeName): name the one that is meant")
        return resources[0]
    }
}
