package import TorporJSON

/// Names a request of the server in this process.
package struct AskNumber: Hashable, Sendable {
    package let value: Int

    package init(_ value: Int) { self.value = value }
}

/// A request of the server that one of our requests is to answer.
package struct Ask: Sendable, Equatable {
    package let number: AskNumber
    package let method: String
    package let params: JSONObject

    package init(number: AskNumber, method: String, params: JSONObject) {
        self.number = number
        self.method = method
        self.params = params
    }
}
