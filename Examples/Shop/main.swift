// A shop: typed arguments, results for programs and models, errors that a model can mend, and a resource.
//
//     swift run ShopExample
//
//     # 2026-07-28: one request, no session
//     curl http://127.0.0.1:8080/mcp -H 'Content-Type: application/json' \
//         -H 'Accept: application/json, text/event-stream' \
//         -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/call' -H 'Mcp-Name: price_order' \
//         -d '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"price_order","arguments":
//             {"lines":[{"product":"tea","count":3}],"shipping":"express"},"_meta":{
//             "io.modelcontextprotocol/protocolVersion":"2026-07-28",
//             "io.modelcontextprotocol/clientCapabilities":{}}}}'
//
//     # Up to 2025-11-25: initialize answers with the header Mcp-Session-Id, which every later request carries.
//     curl -i http://127.0.0.1:8080/mcp -H 'Content-Type: application/json' \
//         -H 'Accept: application/json, text/event-stream' \
//         -d '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},
//             "clientInfo":{"name":"curl","version":"8"}}}'

import Torpor
import TorporHTTP

struct Product {
    var name: String
    var cents: Int
}

let products = [
    Product(name: "tea", cents: 450),
    Product(name: "coffee", cents: 800),
    Product(name: "cups", cents: 1_200),
]

// The properties of an input type become the tool's schema. Arguments that do not fit never reach the handler:
// the model is told what is wrong with them.
struct Order: ToolInput {
    struct Line: Decodable, DescribedFields {
        var product: String
        var count: Int

        static let fields: [String: Field] = [
            "product": "A product's name, from shop://catalogue.",
            "count": Field("How many.", range: 1...1_000),
        ]
    }
    enum Shipping: String, CaseIterable, Codable { case standard, express }

    var lines: [Line]
    var shipping: Shipping?

    static let fields: [String: Field] = [
        "lines": Field("What to buy.", length: 1...50),
        "shipping": "Default: standard.",
    ]
}

// The result has an output schema too: programs get it as structured content, models as text.
struct Quote: StructuredOutput {
    var itemCents: Int
    var shippingCents: Int
    var totalCents: Int

    var modelText: String? { "Items \(self.itemCents) + shipping \(self.shippingCents) = \(self.totalCents) cents." }
}

let catalogue = products.map { "\($0.name): \($0.cents) cents" }.joined(separator: "\n")

let server = MCPServer(
    name: "shop", version: "1.0.0", title: "Tea shop", instructions: "Read shop://catalogue before you price an order."
) {
    Tool(
        "price_order", "Tells what an order costs, with shipping.", annotations: .readOnly
    ) { (order: Order, _) in
        var items = 0
        for line in order.lines {
            guard let product = products.first(where: { $0.name == line.product }) else {
                // The model sees this text, and can call again with a product that exists.
                let names = products.map(\.name).joined(separator: ", ")
                throw ToolError("There is no product \"\(line.product)\". Choose from \(names).")
            }
            items += product.cents * line.count
        }
        let shipping = order.shipping == .express ? 900 : 400
        return Quote(itemCents: items, shippingCents: shipping, totalCents: items + shipping)
    }

    // Quick and without waiting: such a handler may run on the event loop itself.
    Tool.inline("list_products", "Lists the products with their prices.", annotations: .readOnly) { _ in catalogue }

    Resource("shop://catalogue", name: "catalogue", description: "All products with their prices.", text: catalogue)
}

try await HTTPServer(server).run()
