"""Scenarios of the official conformance suite: sessions, streams, headers, and who may call."""

import contextlib

from conformance_clients import (
    ALL_SESSIONS,
    NEWEST_SESSION,
    SESSION_CAPABILITIES,
    SESSIONS,
    STATELESS,
    Scenarios,
)
from harness import expect, expect_equal
from wire_client import HEADER_MISMATCH, REMOVED, Answer, Wire, encoded, initialize, modern_request, request

MISMATCH = (400, "application/json", HEADER_MISMATCH)

scenarios = Scenarios()


# Sessions


@scenarios(SESSIONS)
def server_initialize(era, servers):
    with era.connect(servers.conformance) as client, Wire(servers.conformance, era.transcript) as wire:
        message = initialize(era.revision, 1, SESSION_CAPABILITIES)
        answer = wire.post(message, MCP_Protocol_Version=era.revision)
        result = answer.result
        expect_equal(result["protocolVersion"], era.revision, "protocolVersion")
        expect(result["serverInfo"]["name"] and result["serverInfo"]["version"], f"serverInfo: {result['serverInfo']}")
        declared = {"tools", "prompts", "resources", "completions", "logging"}
        expect_equal(set(result["capabilities"]), declared, "capabilities")
        session = answer.headers["mcp-session-id"]
        expect(session and all(0x21 <= ord(character) <= 0x7E for character in session), f"session id {session!r}")
        expect(session != client.headers["Mcp_Session_Id"], "two sessions have one id")
        wire.send("DELETE", {"Mcp-Session-Id": session})


@scenarios(ALL_SESSIONS)
def server_session_lifecycle(era, servers):
    with Wire(servers.conformance, era.transcript) as wire:
        answer = wire.post(initialize(era.revision, 1, SESSION_CAPABILITIES))
        expect_equal(answer.result["protocolVersion"], era.revision, "protocolVersion")
        session = answer.headers["mcp-session-id"]
        headers = {"Mcp_Session_Id": session, "MCP_Protocol_Version": era.revision}
        notified = wire.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, **headers)
        expect_equal(notified.status, 202, "status of the notification")
        expect(wire.legacy(session, "tools/list", revision=era.revision).result["tools"], "no tools")
        ended = wire.send("DELETE", {name.replace("_", "-"): value for name, value in headers.items()})
        expect(ended.status in (200, 204), f"DELETE was answered with {ended.status}")
        gone = wire.legacy(session, "tools/list", revision=era.revision)
        expect_equal(gone.status, 404, "status after DELETE")


# Streams


@scenarios(NEWEST_SESSION)
def server_sse_polling(era, servers):
    with era.connect(servers.conformance) as client:
        message = request("tools/call", {"name": "test_reconnection", "arguments": {}}, 1)
        with Wire(servers.conformance, era.transcript) as wire:
            wire.start("POST", *encoded(message, client.headers))
            stream, events = wire.begin(), []
            while (event := stream.next()) is not None:
                events.append(event)
        expect(events[0].id and events[0].data == "", f"the stream begins with {events[0]}")
        expect(any(event.retry is not None for event in events), f"no event tells when to come back: {events}")
        expect(not any(event.data for event in events), f"the answer came before the stream was closed: {events}")
        last = [event.id for event in events if event.id][-1]
        with Wire(servers.conformance, era.transcript) as wire, client.listen(wire, last, message) as resumed:
            answer = resumed.message()
            expect_equal(answer["id"], 1, "id of the answer")
            expect_equal(answer["result"]["content"][0]["text"], "Reconnection test completed.", "text")
            expect_equal(resumed.message(), None, "what follows the answer")


@scenarios(NEWEST_SESSION, STATELESS)
def server_sse_multiple_streams(era, servers):
    with era.connect(servers.conformance) as client, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(servers.conformance, era.transcript)) for _ in range(3)]
        for id, wire in enumerate(wires, 1000):
            if era.is_stateless:
                message, headers = modern_request("tools/list", None, id)
            else:
                message, headers = request("tools/list", None, id), client.headers
            wire.start("POST", *encoded(message, headers))
        for id, wire in enumerate(wires, 1000):
            answer = wire.finish()
            expect_equal(answer.status, 200, "status")
            expect_equal(answer.message["id"], id, "id")
            expect(answer.result["tools"], "no tools")


# Who may call


@scenarios(NEWEST_SESSION, STATELESS)
def dns_rebinding_protection(era, servers):
    if era.is_stateless:
        message, headers = modern_request("server/discover")
    else:
        message = initialize(era.revision, 1, SESSION_CAPABILITIES)
        headers = {"MCP_Protocol_Version": era.revision, "Mcp_Method": "initialize"}
    evil, own = "evil.example.com", f"127.0.0.1:{servers.conformance.port}"
    with Wire(servers.conformance, era.transcript) as wire:
        for host, origin, is_allowed in (
            (evil, f"http://{evil}", False),
            (evil, evil, False),
            (evil, REMOVED, False),
            (own, f"http://{evil}", False),
            (own, f"http://{own}", True),
        ):
            answer = wire.post(message, **headers, Host=host, Origin=origin)
            right = 200 <= answer.status < 300 if is_allowed else 400 <= answer.status < 500
            expect(right, f"status {answer.status} for Host {host} and Origin {origin}")
            session = answer.headers.get("mcp-session-id")
            expect_equal(session is not None, is_allowed and not era.is_stateless, f"a session for {host}")
            if session:
                wire.send("DELETE", {"Mcp-Session-Id": session})


# Headers that mirror the body


def outcome(answer: Answer):
    """Status, type and code of an answer that refuses; the status alone of one that does not."""
    if answer.status < 400 and "error" not in answer.message:
        return answer.status
    return answer.status, answer.headers.get("content-type", "").partition(";")[0], answer.code


@scenarios(STATELESS)
def http_header_validation(era, servers):
    with Wire(servers.conformance, era.transcript) as wire:
        tool = wire.modern("tools/list").result["tools"][0]["name"]
        for headers, expected in (
            ({}, 200),
            ({"Mcp_Method": "prompts/list"}, MISMATCH),
            ({"Mcp_Method": REMOVED}, MISMATCH),
            ({"Mcp_Method": "TOOLS/LIST"}, MISMATCH),
            ({"Mcp_Method": REMOVED, "mcp-method": "tools/list"}, 200),
            ({"Mcp_Method": REMOVED, "MCP-METHOD": "tools/list"}, 200),
        ):
            expect_equal(outcome(wire.modern("tools/list", **headers)), expected, f"tools/list with {headers}")
        for headers, expected in (
            ({}, 200),
            ({"Mcp_Name": "wrong_tool_name"}, MISMATCH),
            ({"Mcp_Name": REMOVED}, MISMATCH),
            ({"Mcp_Name": f"  {tool}  "}, 200),
        ):
            answer = wire.modern("tools/call", {"name": tool, "arguments": {}}, **headers)
            expect_equal(outcome(answer), expected, f"tools/call with {headers}")


def mirrored_argument(tools):
    """The first tool with an argument that a header mirrors: its name, the argument, and the header."""
    for tool in tools:
        for name, schema in tool["inputSchema"].get("properties", {}).items():
            if "x-mcp-header" in schema and schema["type"] == "string":
                return tool["name"], name, f"Mcp-Param-{schema['x-mcp-header']}"
    expect(False, "no tool has an argument that a header mirrors")


@scenarios(STATELESS)
def http_custom_header_server_validation(era, servers):
    with Wire(servers.conformance, era.transcript) as wire:
        tool, argument, header = mirrored_argument(wire.modern("tools/list").result["tools"])
        for value, mirror, expected in (
            ("Hello", "Hello", 200),
            ("Hello", "hello", MISMATCH),
            ("Hello", "=?base64?SGVsbG8=?=", 200),
            ("Hello", "=?base64?SGVsbG8?=", MISMATCH),
            ("Hello", "=?base64?SGVs!!!bG8=?=", MISMATCH),
            ("SGVsbG8=", "SGVsbG8=", 200),
            ("=?base64?SGVsbG8=", "=?base64?SGVsbG8=", 200),
            ("test-value", REMOVED, MISMATCH),
        ):
            params = {"name": tool, "arguments": {argument: value}}
            answer = wire.modern("tools/call", params, **{header: mirror})
            shown = "no header" if mirror is REMOVED else mirror
            expect_equal(outcome(answer), expected, f"{value!r} with {shown!r}")
