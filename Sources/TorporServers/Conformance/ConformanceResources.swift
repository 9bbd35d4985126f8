import Torpor

extension ConformanceServer {
    @ServerBuilder static var resources: [any ServerComponent] {
        Resource(
            "test://static-text", name: "static-text", description: "A text that never changes.",
            text: "This is the content of the static text resource.")
        Resource(
            "test://static-binary", name: "static-binary", description: "An image that never changes.",
            mimeType: "image/png", caching: .shared(.seconds(3_600))
        ) { _ in
            [.blob(Media.png, uri: "test://static-binary", mimeType: "image/png")]
        }
        Resource(
            "test://watched-resource", name: "watched-resource", description: "A text that clients may subscribe to."
        ) { _ in
            [.text("This is the content of the watched resource.", uri: "test://watched-resource")]
        }
        ResourceTemplate(
            "test://template/{id}/data", name: "template", description: "Data for an id.", mimeType: "application/json",
            caching: .shared(.seconds(3_600))
        ) { variables, _ in
            let id = variables["id"]
            let data: JSONValue = ["id": .string(id), "templateTest": true, "data": .string("Data for ID: \(id)")]
            return [.text("\(data)", uri: variables.uri, mimeType: "application/json")]
        }
    }
}
