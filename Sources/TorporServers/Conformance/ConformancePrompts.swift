import Torpor

extension ConformanceServer {
    @ServerBuilder static var prompts: [any ServerComponent] {
        Prompt("test_simple_prompt", "A text.") { _, _ in
            PromptResult([.user("This is a simple prompt for testing.")])
        }
        Prompt(
            "test_prompt_with_arguments", "A text with both arguments in it.",
            arguments: [
                PromptArgument("arg1", "Any text.", required: true, completer: .oneOf(["test", "testing", "text"])),
                PromptArgument("arg2", "Any text.", required: true),
            ]
        ) { arguments, _ in
            PromptResult([
                .user("Prompt with arguments: arg1='\(arguments["arg1"] ?? "")', arg2='\(arguments["arg2"] ?? "")'")
            ])
        }
        Prompt(
            "test_prompt_with_embedded_resource", "A resource, and a text.",
            arguments: [PromptArgument("resourceUri", "The URI that the resource gets.", required: true)]
        ) { arguments, _ in
            PromptResult([
                .user(
                    .resource(
                        .text("Embedded resource content for testing.", uri: arguments["resourceUri"] ?? ""))),
                .user("Please process the embedded resource above."),
            ])
        }
        Prompt("test_prompt_with_image", "An image, and a text.") { _, _ in
            PromptResult([
                .user(.image(Media.png, mimeType: "image/png")), .user("Please analyze the image above."),
            ])
        }
        Prompt("test_input_required_result_prompt", "A text with what the user says when asked for it.") { _, call in
            let answer = try await call.ask(
                "user_context", .form("What context should the prompt use?", as: PromptContext.self))
            guard case .accepted(let form) = answer else { return PromptResult([.user("There is no context.")]) }
            return PromptResult([.user("Context: \(form.context)")])
        }
    }

    private struct PromptContext: ToolInput {
        var context: String
    }
}
