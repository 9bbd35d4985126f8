"""Trials without a client library: exact statuses, headers and bodies of both eras."""

import contextlib
import itertools
import json
import select
import sys

import harness
from harness import Trials, expect, expect_equal
from transcript import CAPABILITIES_KEY, LEGACY_REVISIONS, VERSION_KEY
from wire_client import (
    HEADER_MISMATCH,
    INFO,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MODERN,
    PARSE_ERROR,
    REMOVED,
    SESSION_NOT_FOUND,
    UNSUPPORTED_VERSION,
    Wire,
    bearer,
    call,
    encoded,
    initialize,
    modern_request,
    request,
    without_date,
)

trials = Trials()


# Legacy sessions


@trials
def every_legacy_revision_completes_its_handshake_and_works(servers, transcript):
    for revision in LEGACY_REVISIONS:
        with Wire(servers.bench, transcript) as wire:
            session, opened = wire.open(revision)
            expect_equal(opened.result["protocolVersion"], revision, "negotiated revision")
            expect(all(0x21 <= ord(character) <= 0x7E for character in session), f"session id {session!r}")
            expect_equal(wire.legacy(session, "ping", revision=revision).result, {}, "ping")
            tools = [tool["name"] for tool in wire.legacy(session, "tools/list", revision=revision).result["tools"]]
            expect("echo" in tools, f"{revision} lists {tools}")
            expect_equal(
                wire.legacy(session, "tools/call", call("echo", message="hi"), revision=revision).text, "hi", revision
            )
            # Revisions before 2025-06-18 know no version header.
            expect_equal(
                wire.legacy(session, "ping", revision=revision, MCP_Protocol_Version=REMOVED).result, {}, "ping"
            )


@trials
def a_handshake_for_a_revision_that_is_unknown_or_modern_gets_the_newest_legacy_one(servers, transcript):
    for revision in ("1999-01-01", "2099-01-01", MODERN, "", "latest"):
        with Wire(servers.bench, transcript) as wire:
            _, opened = wire.open(revision)
            expect_equal(opened.result["protocolVersion"], "2025-11-25", f"answer to {revision!r}")


@trials
def a_handshake_may_carry_the_headers_of_newer_clients(servers, transcript):
    with Wire(servers.bench, transcript) as wire:
        _, opened = wire.open("2025-11-25", Mcp_Method="initialize", MCP_Protocol_Version="2025-11-25")
        expect_equal(opened.result["protocolVersion"], "2025-11-25", "negotiated revision")


@trials
def a_deleted_session_is_gone(servers, transcript):
    with Wire(servers.bench, transcript) as wire:
        session, _ = wire.open()
        ended = wire.send("DELETE", {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"})
        expect(ended.status in (200, 204), f"DELETE was answered with {ended.status}")
        expect_gone(wire.legacy(session, "tools/call", call("echo", message="hi")))
        expect_gone(wire.legacy(session, "ping"))
        expect_gone(wire.send("DELETE", {"Mcp-Session-Id": session}))


def expect_gone(answer):
    expect_equal(answer.status, 404, "status")
    expect_equal(answer.code, SESSION_NOT_FOUND, "code")
    expect("mcp-session-id" not in answer.headers, "a session id came with 404")


@trials
def deleting_one_session_leaves_the_others(servers, transcript):
    with Wire(servers.bench, transcript) as wire:
        first, second = wire.open()[0], wire.open()[0]
        expect(first != second, "two handshakes got the same session")
        wire.send("DELETE", {"Mcp-Session-Id": first})
        expect_equal(wire.legacy(second, "ping").result, {}, "ping")


@trials
def sessions_that_were_never_given_out_are_gone_too(servers, transcript):
    with Wire(servers.bench, transcript) as wire:
        session, _ = wire.open()
        for forged in forgeries(session):
            expect_gone(wire.legacy(forged, "ping"))
            expect_gone(wire.send("DELETE", {"Mcp-Session-Id": forged}))
        expect_equal(wire.legacy(session, "ping").result, {}, "ping in the real session")


def forgeries(session):
    """Ids that resemble `session`: one character changed at each of many places, cut, lengthened, and made up."""
    for place in sorted({0, 1, len(session) // 3, len(session) // 2, len(session) - 2, len(session) - 1}):
        other = "A" if session[place] != "A" else "B"
        yield session[:place] + other + session[place + 1 :]
    yield session[:-1]
    yield session + "A"
    yield session * 2
    yield "x"
    yield "00000000-0000-4000-8000-000000000000"
    yield "!" * 2000


@trials
def a_header_that_names_no_known_revision_is_refused(servers, transcript):
    with Wire(servers.bench, transcript) as wire:
        session, _ = wire.open()
        expect_equal(wire.legacy(session, "ping", revision="2024-99-99").status, 400, "status")
        expect_equal(wire.legacy(session, "ping").result, {}, "ping")


@trials
def an_unknown_method_is_no_end_of_a_session(servers, transcript):
    with Wire(servers.bench, transcript) as wire:
        session, _ = wire.open()
        answer = wire.legacy(session, "no/such/method")
        expect_equal((answer.status, answer.code), (200, METHOD_NOT_FOUND), "status and code")
        expect_equal(wire.legacy(session, "server/discover").code, METHOD_NOT_FOUND, "server/discover in a session")


@trials
def notifications_are_accepted_in_silence(servers, transcript):
    with Wire(servers.bench, transcript) as wire:
        session, _ = wire.open()
        for method, params in (
            ("notifications/cancelled", {"requestId": 99, "reason": "late"}),
            ("notifications/roots/list_changed", None),
            ("notifications/unheard/of", {}),
        ):
            message = {"jsonrpc": "2.0", "method": method} | ({} if params is None else {"params": params})
            answer = wire.post(message, Mcp_Session_Id=session, MCP_Protocol_Version="2025-11-25")
            expect_equal((answer.status, answer.body), (202, b""), method)


@trials
def batches_belong_to_one_revision(servers, transcript):
    batch = [
        request("ping", id=1),
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}},
        request("tools/call", call("echo", message="hi"), id="two"),
    ]
    with Wire(servers.bench, transcript) as wire:
        for revision in LEGACY_REVISIONS:
            session, _ = wire.open(revision)
            answer = wire.post(batch, Mcp_Session_Id=session, MCP_Protocol_Version=revision)
            if revision == "2025-03-26":
                ids = {message["id"] for message in answer.message}
                expect_equal((answer.status, ids), (200, {1, "two"}), f"a batch in {revision}")
            else:
                expect_equal((answer.status, answer.code), (400, INVALID_REQUEST), f"a batch in {revision}")


# Authentication


@trials
def without_a_known_token_nothing_is_answered(servers, transcript):
    alice = servers.tokens["alice"]
    wrong = (
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {alice}x",
        f"Bearer {alice[:-1]}",
        f"Basic {alice}",
        alice,
        f"Bearer {alice} {alice}",
    )
    messages = (
        encoded(initialize("2025-11-25"), {}),
        encoded(*modern_request("tools/list")),
        encoded(b"{", {}),
        encoded(request("tools/list"), {"Mcp-Session-Id": "x"}),
    )
    with Wire(servers.guarded, transcript) as wire:
        for value, (headers, body) in itertools.product(wrong, messages):
            answer = wire.send("POST", headers | ({} if value is None else {"Authorization": value}), body)
            expect_unauthorized(answer, value)
        for verb in ("GET", "DELETE"):
            expect_unauthorized(wire.send(verb, {"Mcp-Session-Id": "x"}), None)


def expect_unauthorized(answer, value):
    expect_equal(answer.status, 401, f"status for Authorization: {value!r}")
    expect(answer.headers.get("www-authenticate", "").startswith("Bearer"), "no WWW-Authenticate: Bearer")
    expect("mcp-session-id" not in answer.headers, "a session id came with 401")


@trials
def a_token_in_the_query_is_no_token(servers, transcript):
    alice = servers.tokens["alice"]
    with Wire(servers.guarded, transcript) as wire:
        for name in ("access_token", "token", "authorization"):
            answer = wire.send("POST", *encoded(initialize("2025-11-25"), {}), path=f"/mcp?{name}={alice}")
            expect_equal(answer.status, 401, "status")


@trials
def a_session_of_someone_else_looks_like_one_that_never_was(servers, transcript):
    alice, bob = bearer(servers.tokens["alice"]), bearer(servers.tokens["bob"])
    with Wire(servers.guarded, transcript) as wire:
        hers, _ = wire.open(**alice)
        unknown = next(forgeries(hers))
        for method in ("ping", "tools/list", "no/such/method"):
            stolen = wire.legacy(hers, method, **bob)
            expect_gone(stolen)
            expect_equal(
                without_date(stolen), without_date(wire.legacy(unknown, method, **bob)), f"{method} in her session"
            )
        stolen, made_up = (wire.send("DELETE", {"Mcp-Session-Id": id} | bob) for id in (hers, unknown))
        expect_gone(stolen)
        expect_equal(without_date(stolen), without_date(made_up), "DELETE of her session")
        expect_equal(wire.legacy(hers, "ping", **alice).result, {}, "ping with her own token")
        expect_unauthorized(wire.legacy(hers, "ping"), None)


# The modern era


@trials
def a_discovery_describes_the_server(servers, transcript):
    with Wire(servers.bench, transcript) as wire:
        found = wire.modern("server/discover").result
        expect(MODERN in found["supportedVersions"], f"supported versions: {found['supportedVersions']}")
        expect("tools" in found["capabilities"], f"capabilities: {found['capabilities']}")


@trials
def a_modern_request_stands_alone(servers, transcript):
    with Wire(servers.bench, transcript) as wire:
        answer = wire.modern("tools/call", call("echo", message="hi"))
        expect_equal(answer.text, "hi", "echo")
        expect("mcp-session-id" not in answer.headers, "a modern answer carries a session id")


@trials
def a_modern_request_ignores_what_belongs_to_sessions(servers, transcript):
    with Wire(servers.bench, transcript) as wire:
        answer = wire.modern("tools/call", call("echo", message="hi"), Mcp_Session_Id="stale", Last_Event_ID="7")
        expect_equal(answer.text, "hi", "echo")
        expect("mcp-session-id" not in answer.headers, "a modern answer carries a session id")


@trials
def a_modern_request_for_an_unsupported_version_learns_the_supported_ones(servers, transcript):
    with Wire(servers.bench, transcript) as wire:
        supported = wire.modern("server/discover").result["supportedVersions"]
        for version in ("2031-01-01", "2025-11-25", "draft"):
            params = {"_meta": {VERSION_KEY: version}}
            answer = wire.modern("tools/list", params, MCP_Protocol_Version=version)
            expect_equal((answer.status, answer.code), (400, UNSUPPORTED_VERSION), f"status and code for {version!r}")
            data = answer.message["error"]["data"]
            expect_equal(data["requested"], version, "requested")
            expect(set(data["supported"]) <= set(supported), f"{data['supported']} is not within {supported}")


@trials
def headers_that_contradict_the_body_are_refused(servers, transcript):
    wrong = (
        {"MCP_Protocol_Version": REMOVED},
        {"MCP_Protocol_Version": "2025-11-25"},
        {"MCP_Protocol_Version": "2031-01-01"},
        {"Mcp_Method": REMOVED},
        {"Mcp_Method": "tools/list"},
        {"Mcp_Method": "TOOLS/CALL"},
        {"Mcp_Name": REMOVED},
        {"Mcp_Name": "fail"},
        {"Mcp_Name": "Echo"},
        {"Mcp_Name": ""},
        {"Mcp_Name": "=?base64?ZmFpbA==?="},
        {"Mcp_Name": "=?base64?ZWNobw?="},
        {"Mcp_Name": "=?base64?ZWNob w==?="},
        {"Mcp_Name": "=?BASE64?ZWNobw==?="},
        {"Mcp_Name": "=?base64?ZWNobw=="},
    )
    with Wire(servers.bench, transcript) as wire:
        for headers in wrong:
            answer = wire.modern("tools/call", call("echo", message="hi"), **headers)
            expect_equal((answer.status, answer.code), (400, HEADER_MISMATCH), f"status and code for {shown(headers)}")


def shown(headers):
    return {name: "(removed)" if value is REMOVED else value for name, value in headers.items()}


@trials
def header_values_are_read_as_they_may_be_written(servers, transcript):
    right = (
        {"Mcp_Name": "=?base64?ZWNobw==?="},
        {"Mcp_Name": "  echo \t"},
        {"Mcp_Method": " tools/call "},
        {"X_Unknown": "1"},
    )
    with Wire(servers.bench, transcript) as wire:
        for headers in right:
            expect_equal(
                wire.modern("tools/call", call("echo", message="hi"), **headers).text, "hi", f"echo with {headers}"
            )


@trials
def a_modern_request_without_its_metadata_is_refused(servers, transcript):
    capabilities, version = {CAPABILITIES_KEY: {}}, {VERSION_KEY: MODERN}
    with Wire(servers.bench, transcript) as wire:
        for params in (
            None,
            {},
            {"_meta": {}},
            {"_meta": capabilities},
            {"_meta": version},
            {"_meta": {"progressToken": 1}},
        ):
            answer = wire.post(request("tools/list", params), MCP_Protocol_Version=MODERN, Mcp_Method="tools/list")
            expect_equal((answer.status, answer.code), (400, INVALID_PARAMS), f"status and code for params {params}")


@trials
def methods_that_the_modern_era_removed_are_unknown(servers, transcript):
    removed = (
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/list",
        "tasks/result",
        "no/such/method",
    )
    with Wire(servers.bench, transcript) as wire:
        for method in removed:
            answer = wire.modern(method, {"protocolVersion": MODERN, "capabilities": {}, "clientInfo": INFO})
            expect_equal((answer.status, answer.code), (404, METHOD_NOT_FOUND), f"status and code for {method}")
            expect("mcp-session-id" not in answer.headers, f"{method} opened a session")


@trials
def an_unknown_tool_is_an_error_with_status_200(servers, transcript):
    with Wire(servers.bench, transcript) as wire:
        answer = wire.modern("tools/call", call("no_such_tool"))
        expect_equal((answer.status, answer.code), (200, INVALID_PARAMS), "status and code")


@trials
def ids_come_back_as_they_were_sent(servers, transcript):
    ids = (0, 1, -1, 2**53, 2**63 - 1, -(2**63), "1", "", 'é\n"🦉', "x" * 200)
    with Wire(servers.bench, transcript) as wire:
        session, _ = wire.open()
        for id in ids:
            for answer in (
                wire.modern("tools/list", id=id),
                wire.legacy(session, "tools/list", id=id),
                wire.modern("tools/call", call("none"), id=id),
                wire.modern("no/such/method", id=id),
            ):
                back = answer.message.get("id", REMOVED)
                expect(type(back) is type(id) and back == id, f"sent {id!r}, got {back!r}")


@trials
def what_is_no_request_is_refused_without_an_id(servers, transcript):
    meta = {"_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}}
    headers = {"MCP_Protocol_Version": MODERN, "Mcp_Method": "tools/list"}
    no_json = (
        b"",
        b"{",
        b"null null",
        b'{"jsonrpc":"2.0","id":1,"method":"tools/list"',
        b"\xff\xfe",
        b"{'a':1}",
        b'{"a":\x01}',
    )
    no_request = (b"null", b"1", b'"ping"', b"{}", b"[]", json.dumps([request("tools/list", meta)]).encode())
    bad_ids = (None, 1.5, True, [], {})
    with Wire(servers.bench, transcript) as wire:
        for body in no_json:
            expect_refused(wire.post(body, **headers), PARSE_ERROR, body)
        for body in no_request:
            expect_refused(wire.post(body, **headers), INVALID_REQUEST, body)
        for id in bad_ids:
            expect_refused(wire.post(request("tools/list", meta, id=id), **headers), INVALID_REQUEST, f"id {id!r}")


def expect_refused(answer, code, what):
    expect_equal((answer.status, answer.code), (400, code), f"status and code for {what}")
    expect("id" not in answer.message, f"an id came back for {what}: {answer.body[:200]!r}")
    expect("mcp-session-id" not in answer.headers, f"a session id came back for {what}")


# Both eras, and several clients


@trials
def both_eras_take_turns_on_one_connection(servers, transcript):
    with Wire(servers.bench, transcript) as wire:
        opened = {revision: wire.open(revision)[0] for revision in LEGACY_REVISIONS}
        port = wire.socket.getsockname()[1]
        for turn in range(5):
            for revision, session in opened.items():
                text = f"{revision} {turn}"
                expect_equal(
                    wire.modern("tools/call", call("echo", message=f"modern {text}")).text, f"modern {text}", "modern"
                )
                answer = wire.legacy(session, "tools/call", call("echo", message=text), revision=revision)
                expect_equal(answer.text, text, "legacy")
                expect("resultType" not in answer.result, "a modern member in a legacy result")
        expect_equal(wire.socket.getsockname()[1], port, "the connection was replaced")


@trials
def two_clients_with_the_same_id_at_once_get_their_own_answers(servers, transcript):
    for open_session in (False, True):
        with Wire(servers.bench, transcript) as slow, Wire(servers.bench, transcript) as quick:
            for wire, milliseconds in ((slow, 1_500), (quick, 20)):
                message, headers = modern_request("tools/call", call("sleep", milliseconds=milliseconds))
                if open_session:
                    session, _ = wire.open()
                    message = request("tools/call", call("sleep", milliseconds=milliseconds))
                    headers = {"Mcp_Session_Id": session, "MCP_Protocol_Version": "2025-11-25"}
                wire.start("POST", *encoded(message, headers))
            first = quick.finish()
            expect(not select.select([slow.socket], [], [], 0)[0], "the slow call was answered with the quick one")
            second = slow.finish()
            for answer in (first, second):
                expect_equal((answer.status, answer.message["id"]), (200, 1), "status and id")
                expect(not answer.result.get("isError"), "the tool failed")


@trials
def a_hundred_connections_with_the_same_id_each_get_their_own_answer(servers, transcript):
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(servers.bench, transcript)) for _ in range(100)]
        for turn in range(3):
            for number, wire in enumerate(wires):
                message, headers = modern_request("tools/call", call("echo_async", message=f"{turn}.{number}"))
                wire.start("POST", *encoded(message, headers))
            for number, wire in enumerate(wires):
                answer = wire.finish()
                expect_equal((answer.message["id"], answer.text), (1, f"{turn}.{number}"), "id and text")


if __name__ == "__main__":
    sys.exit(harness.main("wire", lambda servers, transcript: trials.bound("wire", servers, transcript)))
