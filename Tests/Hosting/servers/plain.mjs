// The least that a server in Node has to be: one tool, over standard input and output.
import { createInterface } from "node:readline";

const results = {
    initialize: () => ({
        protocolVersion: "2025-06-18", capabilities: { tools: {} }, serverInfo: { name: "plain", version: "1" },
    }),
    "tools/list": () => ({ tools: [{ name: "hello", description: "Greets.", inputSchema: { type: "object" } }] }),
    "tools/call": () => ({ content: [{ type: "text", text: `hello from ${process.version}` }] }),
};

createInterface({ input: process.stdin }).on("line", (line) => {
    const { id, method } = JSON.parse(line);
    if (id === undefined) return;
    const answer = results[method]
        ? { result: results[method]() }
        : { error: { code: -32601, message: `There is no ${method}.` } };
    console.log(JSON.stringify({ jsonrpc: "2.0", id, ...answer }));
});
