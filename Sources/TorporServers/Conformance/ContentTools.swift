import Torpor

extension ConformanceServer {
    /// Tools that answer at once, with each kind of content.
    @ServerBuilder static var contentTools: [any ServerComponent] {
        Tool.inline("test_simple_text", "Answers a text.", annotations: .readOnly) { _ in
            "This is a simple text response for testing."
        }
        Tool.inline("test_image_content", "Answers an image.", annotations: .readOnly) { _ in
            Content.image(Media.png, mimeType: "image/png")
        }
        Tool.inline("test_audio_content", "Answers a sound.", annotations: .readOnly) { _ in
            Content.audio(Media.wav, mimeType: "audio/wav")
        }
        Tool.inline("test_embedded_resource", "Answers a resource, embedded.", annotations: .readOnly) { _ in
            Content.resource(
                .text("This is an embedded resource content.", uri: "test://embedded-resource"))
        }
        Tool.inline("test_multiple_content_types", "Answers content of several kinds.", annotations: .readOnly) { _ in
            [
                Content.text("Multiple content types test:"),
                .image(Media.png, mimeType: "image/png"),
                .resource(
                    .text(
                        #"{"test":"data","value":123}"#, uri: "test://mixed-content-resource",
                        mimeType: "application/json")),
            ]
        }
        Tool.inline("test_error_handling", "Fails.", annotations: .readOnly) { _ -> String in
            throw ToolError("This tool intentionally returns an error for testing")
        }
    }
}
