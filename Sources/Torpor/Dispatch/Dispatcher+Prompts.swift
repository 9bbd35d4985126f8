extension Dispatcher {
    /// The most proposals of a completion that are sent (2026-07-28, completion).
    private static let proposalsMax = 100

    /// Answers `prompts/get`.
    func getPrompt(_ operation: Operation) throws(Refusal) -> Dispatch {
        let bytes = operation.bytes
        guard operation.params.name.kind == .string else {
            throw Refusal(200, .invalidParams, "prompts/get needs name, a string.")
        }
        guard let prompt = self.table.prompts[operation.params.name, in: bytes.span] else {
            throw Refusal(200, .invalidParams, "There is no prompt of this name.")
        }
        let arguments = try self.arguments(of: operation, for: prompt)
        let call = Call(operation, self, name: prompt.description.name)
        try self.prepareToAsk(operation)
        return try self.runLater(operation) {
            do {
                try await call.redeemState()
                let result = try await prompt.render(arguments, call)
                return self.inputRequired(operation) ?? self.finish(operation, result, prompt)
            } catch {
                return self.inputRequired(operation)
                    ?? self.fail(operation, self.refusal(for: error, of: operation, name: prompt.description.name))
            }
        }
    }

    private func arguments(of operation: Operation, for prompt: Prompt) throws(Refusal) -> PromptArguments {
        let values = try self.texts(operation.params.arguments, named: "arguments", in: operation.bytes)
        for argument in prompt.description.arguments where argument.isRequired && values[argument.name] == nil {
            throw Refusal(200, .invalidParams, "The prompt needs the argument \"\(argument.name)\".")
        }
        for name in values.keys where !prompt.description.arguments.contains(where: { $0.name == name }) {
            throw Refusal(200, .invalidParams, "The prompt has no argument \"\(name.prefix(80))\".")
        }
        return PromptArguments(values: values)
    }

    /// An object whose values are all texts.
    private func texts(_ slice: JSONSlice, named name: String, in bytes: [UInt8]) throws(Refusal) -> [String: String] {
        guard slice.isPresent else { return [:] }
        guard slice.kind == .object, case .object(let members) = JSONValue(in: bytes.span, slice.range) else {
            throw Refusal(200, .invalidParams, "The member \(name) must be an object.")
        }
        var values: [String: String] = [:]
        for member in members.members {
            guard case .string(let text) = member.value else {
                throw Refusal(200, .invalidParams, "The argument \"\(member.name.prefix(80))\" must be a string.")
            }
            values[member.name] = text
        }
        return values
    }

    private func finish(_ operation: Operation, _ result: PromptResult, _ prompt: Prompt) -> Reply {
        self.finish(operation, capacity: 512) { writer in
            writer.beginObject()
            writer.member("description", result.description ?? prompt.description.description)
            writer.key("messages")
            writer.beginArray()
            for message in result.messages {
                writer.beginObject()
                writer.member("role", message.role.rawValue)
                writer.key("content")
                message.content.write(to: &writer, for: operation.revision)
                writer.endObject()
            }
            writer.endArray()
            self.end(&writer, operation)
        }
    }

    // MARK: Completion

    /// Answers `completion/complete` for an argument of a prompt or a variable of a template.
    func complete(_ operation: Operation) throws(Refusal) -> Dispatch {
        let bytes = operation.bytes
        guard let reference = JSONObject(operation.params.ref, in: bytes),
            let argument = JSONObject(operation.params.argument, in: bytes),
            case .string(let name)? = argument["name"], case .string(let value)? = argument["value"]
        else { throw Refusal(200, .invalidParams, "completion/complete needs ref, and argument with name and value.") }
        var known: [String: String] = [:]
        if let context = JSONObject(operation.params.context, in: bytes),
            case .object(let arguments)? = context["arguments"]
        {
            for member in arguments.members { if case .string(let text) = member.value { known[member.name] = text } }
        }
        guard let completer = try self.completer(reference, name) else {
            return .reply(self.finish(operation, proposals: []))
        }
        let completion = Completion(value: value, arguments: known, call: Call(operation, self, name: name))
        return try self.runLater(operation) {
            do {
                return self.finish(operation, proposals: try await completer.complete(completion))
            } catch {
                return self.fail(operation, self.refusal(for: error, of: operation, name: name))
            }
        }
    }

    /// Who proposes values for an argument; `nil` when nobody does.
    /// - Throws: when there is no such prompt, template or argument.
    private func completer(_ reference: JSONObject, _ argument: String) throws(Refusal) -> Completer? {
        if reference["type"] == "ref/prompt", case .string(let name)? = reference["name"] {
            guard let prompt = self.table.prompts.values.first(where: { $0.description.name == name }),
                prompt.description.arguments.contains(where: { $0.name == argument })
            else { throw Refusal(200, .invalidParams, "There is no such prompt, or it has no such argument.") }
            return prompt.completions[argument]
        }
        if reference["type"] == "ref/resource", case .string(let uri)? = reference["uri"] {
            guard let template = self.table.templates.first(where: { $0.description.uriTemplate == uri }),
                template.template.variables.contains(argument)
            else {
                throw Refusal(200, .invalidParams, "There is no such resource template, or it has no such variable.")
            }
            return template.completions[argument]
        }
        throw Refusal(
            200, .invalidParams, "The member ref must be a ref/prompt with a name, or a ref/resource with a uri.")
    }

    private func finish(_ operation: Operation, proposals: [String]) -> Reply {
        self.finish(operation, capacity: 512) { writer in
            writer.raw("{\"completion\":")
            var completion = JSONWriter()
            completion.beginObject()
            completion.key("values")
            completion.beginArray()
            for proposal in proposals.prefix(Self.proposalsMax) { completion.string(proposal) }
            completion.endArray()
            completion.key("total")
            completion.integer(proposals.count)
            completion.member("hasMore", proposals.count > Self.proposalsMax)
            completion.endObject()
            writer.raw(completion.bytes)
            self.end(&writer, operation)
        }
    }
}

extension JSONObject {
    fileprivate init?(_ slice: JSONSlice, in bytes: [UInt8]) {
        guard slice.kind == .object, case .object(let members) = JSONValue(in: bytes.span, slice.range) else {
            return nil
        }
        self = members
    }
}
