"""Trials of what must leave nothing behind: refusals, vanished clients, floods, and the process itself."""

import concurrent.futures
import contextlib
import http.client
import json
import socket
import sys

import harness
from harness import Trials, expect, expect_equal, until
from transcript import Transcript
from wire_client import ACCEPT, Wire, call, encoded, initialize, modern_request

# How much the resident set may grow over a flood that should leave nothing behind, once the server is warm.
RESIDENT_SLACK = 2 * 1024 * 1024

trials = Trials()


@trials
def refused_requests_open_no_session(servers, transcript):
    body = json.dumps(initialize("2025-11-25")).encode()
    headers = {"Accept": ACCEPT, "Content-Type": "application/json"}
    refused = (
        ("GET", {"Accept": "text/event-stream"}, b""),
        ("HEAD", {}, b""),
        ("OPTIONS", {}, b""),
        ("PUT", headers, body),
        ("PATCH", headers, body),
        ("DELETE", {}, b""),
        ("POST", headers | {"Host": "attacker.example"}, body),
        ("POST", headers | {"Origin": "http://attacker.example"}, body),
        ("POST", headers | {"Accept": "text/html"}, body),
        ("POST", headers | {"Content-Type": "text/plain"}, body),
        ("POST", headers, b"{"),
        ("POST", headers, b""),
        ("POST", headers, body[:-1]),
        ("POST", headers, json.dumps(initialize("2025-11-25") | {"params": {}}).encode()),
        ("POST", headers, json.dumps(initialize("2025-11-25") | {"params": 1}).encode()),
    )
    with Wire(servers.bench, transcript) as wire:
        for verb, each, body in refused:
            for _ in range(20):
                answer = wire.send(verb, each, body)
                expect("mcp-session-id" not in answer.headers, f"{verb} with {each} and {body[:40]!r} opened a session")
                wrong = 400 <= answer.status < 500 or answer.status == 200 and "error" in (answer.message or {})
                expect(wrong, f"{verb} with {each} and {body[:40]!r} was answered with {answer.status}")
        for verb in ("GET", "HEAD", "OPTIONS", "PUT"):
            expect_equal(wire.send(verb, {}).status, 405, f"status for {verb}")
        expect_equal(
            wire.send("POST", headers | {"Origin": "http://attacker.example"}, b"{}").status, 403, "a foreign Origin"
        )


@trials
def a_path_that_is_not_the_endpoint_is_not_found(servers, transcript):
    with Wire(servers.bench, transcript) as wire:
        for path in ("/", "/mcpx", "/MCP", "/mcp/messages"):
            answer = wire.send("POST", *encoded(*modern_request("tools/list")), path=path)
            expect_equal(answer.status, 404, f"status for {path}")


@trials
def a_thousand_clients_that_open_a_session_and_vanish_leave_nothing(servers, transcript):
    server = servers.start("--server", "bench")
    before = connections(server)

    def open_and_vanish(count):
        data = http_request(server, json.dumps(initialize("2025-11-25")).encode())
        for number in range(count):
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
                client.sendall(data)
                expect(client.recv(65_536).startswith(b"HTTP/1.1 200"), "initialize was refused")
                if number % 2:  # every other one vanishes with a reset in place of a farewell
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        expect_settled(server, before)

    expect_flat(server, open_and_vanish, warm_up=500, count=1_000)


@trials
def a_thousand_clients_that_say_half_a_request_and_vanish_leave_nothing(servers, transcript):
    server = servers.start("--server", "bench")
    before = connections(server)

    def say_half_and_vanish(count):
        data = http_request(server, json.dumps(initialize("2025-11-25")).encode())
        for number in range(count):
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
                client.sendall(data[: number % len(data)])
        expect_settled(server, before)

    expect_flat(server, say_half_and_vanish, warm_up=500, count=1_000)


@trials
def a_thousand_sessions_opened_and_deleted_leave_nothing(servers, transcript):
    server = servers.start("--server", "bench")

    def open_and_delete(count):
        with Wire(server, Transcript()) as wire:
            for _ in range(count):
                session, _ = wire.open()
                expect(wire.send("DELETE", {"Mcp-Session-Id": session}).status in (200, 204), "DELETE was refused")

    expect_flat(server, open_and_delete, warm_up=500, count=1_000)


@trials
def ten_thousand_modern_calls_leave_nothing(servers, transcript):
    server = servers.start("--server", "bench")

    def probe_and_call(count):
        with Wire(server, Transcript()) as wire:
            for number in range(count // 2):
                wire.modern("server/discover", id=number)
                expect_equal(wire.modern("tools/call", call("echo", message="hi"), id=number).text, "hi", "echo")

    expect_flat(server, probe_and_call, warm_up=3_000, count=10_000)


def http_request(server, body):
    """A POST as bytes."""
    return (
        f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAccept: {ACCEPT}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def expect_flat(server, flood, warm_up, count):
    """The resident set after `flood(count)` is that after `flood(warm_up)`, within `RESIDENT_SLACK`."""
    flood(warm_up)
    before = server.resident_bytes
    flood(count)
    growth = server.resident_bytes - before
    expect(
        growth <= RESIDENT_SLACK,
        f"the resident set grew by {growth / 1024:,.0f} KiB over {count:,}, " f"from {before / 1024:,.0f} KiB",
    )


def connections(server):
    return server.gauge("torpor_connections")


def expect_settled(server, before):
    """The gauge of connections returns to `before` within the 5 s in which a server may learn of a closed socket."""
    until(lambda: connections(server) <= before, f"no more than {before:g} connections are open", limit=5)


@trials
def the_admin_port_says_that_the_server_is_ready(servers, transcript):
    connection = http.client.HTTPConnection("127.0.0.1", servers.bench.admin_port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/readyz")
        expect_equal(connection.getresponse().status, 200, "status of /readyz")


@trials
def a_terminated_server_answers_what_it_was_asked_and_exits_with_0(servers, transcript):
    server = servers.start("--server", "bench")
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(8) as threads:
        wires = [stack.enter_context(Wire(server, transcript)) for _ in range(8)]
        for wire in wires:
            wire.modern("tools/call", call("echo", message="warm"))
        for wire in wires:
            wire.start("POST", *encoded(*modern_request("tools/call", call("sleep", milliseconds=1_000))))
        server.terminate()
        for answer in threads.map(Wire.finish, wires):
            expect(not answer.result.get("isError"), f"the call was answered with {answer.body[:200]!r}")
    expect_equal(server.wait(), 0, f"exit code (output: {server.output()[-300:]})")


if __name__ == "__main__":
    sys.exit(harness.main("leftovers", lambda servers, transcript: trials.bound("leftovers", servers, transcript)))
