"""Trials of what streams leave behind: the defects that other servers shipped, tried over the wire.

Each trial looks at the server's gauges, which must return to where they were, and at its memory.
"""

import concurrent.futures
import contextlib
import os
import socket
import struct
import sys
import time

import harness
from harness import Skipped, Trials, expect, expect_equal, until
from leftovers import expect_flat
from transcript import Transcript
from wire_client import Wire, call, encoded, modern_request, request

ACTIVITY = ("torpor_calls_in_flight", "torpor_streams", "torpor_stream_bytes", "torpor_sessions_held")
IDLE_TIMEOUT = 75.0  # seconds after which the server closes a connection on which nothing is under way
REPLAY_MAX = 64 * 1024  # bytes that a stream keeps for a client that comes back, beside its newest message
QUEUE_MAX = 16 * 1024  # bytes that wait for a client that does not read, beside one large message
STREAMS_MAX = 8  # streams that a session may have
TCP_REPAIR = 19

trials = Trials()


@contextlib.contextmanager
def session(server, transcript, **capabilities):
    """A legacy session: its connection, and the headers that name it."""
    with Wire(server, transcript) as wire:
        opened, _ = wire.open(capabilities=capabilities)
        yield wire, {"Mcp_Session_Id": opened, "MCP_Protocol_Version": "2025-11-25"}


def begin(wire, message, headers):
    """Posts a request, and returns the beginning of its answer."""
    wire.start("POST", *encoded(message, headers))
    return wire.begin()


def begin_modern(wire, method, params, id=1):
    return begin(wire, *modern_request(method, params, id))


def begin_listening(wire, headers):
    wire.start("GET", {"Accept": "text/event-stream"} | {k.replace("_", "-"): v for k, v in headers.items()})
    return wire.begin()


def talk(messages, bytes, pause=0, token=None):
    """The parameters of a call that speaks."""
    return call("talk", messages=messages, bytes=bytes, pause=pause) | (
        {} if token is None else {"_meta": {"progressToken": token}}
    )


def expect_rest(server):
    """Nothing is under way, and nothing is kept."""
    for name in ACTIVITY:
        server.expect_gauge(name, 0)


def reset(wire):
    """Vanishes with a reset in place of a farewell."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.connection.close()


# 6: calls longer than every timeout, and counts that return to zero


class LongCalls:
    """Calls and a stream that are silent for longer than the idle timeout: begun first, looked at last."""

    def __init__(self):
        self._threads = concurrent.futures.ThreadPoolExecutor(3)
        self._ends = {}

    def begin(self, servers, transcript):
        server = servers.start("--server", "bench")
        for kind in (self._modern, self._legacy, self._listening):
            self._ends[kind.__name__] = self._threads.submit(kind, server, transcript)

    def _modern(self, server, transcript):
        with Wire(server, transcript) as wire:
            wire.connection.timeout = IDLE_TIMEOUT + 30
            return wire.modern("tools/call", call("sleep", milliseconds=int(IDLE_TIMEOUT * 1000) + 3_000)).text

    def _legacy(self, server, transcript):
        with session(server, transcript) as (wire, headers):
            wire.socket.settimeout(IDLE_TIMEOUT + 30)
            params = call("sleep", milliseconds=int(IDLE_TIMEOUT * 1000) + 3_000)
            return wire.legacy(headers["Mcp_Session_Id"], "tools/call", params).text

    def _listening(self, server, transcript):
        with session(server, transcript) as (wire, headers), Wire(server, transcript) as other:
            with begin_listening(other, headers) as stream:
                expect_equal(stream.status, 200, "status of GET")
                time.sleep(IDLE_TIMEOUT + 3)  # the passing of time is what is tried
                wire.connection.close()  # it has been idle too long itself
                wire.legacy(headers["Mcp_Session_Id"], "tools/call", call("announce", change="tools", times=1))
                return stream.message()["method"]

    def end(self, name):
        return self._ends[f"_{name}"].result(IDLE_TIMEOUT + 30)


long_calls = LongCalls()


@trials
def counts_return_to_zero_whatever_ends_a_call(servers, transcript):
    server = servers.start("--server", "bench", "--resume-grace", "1s", "--call-timeout", "2s")
    with Wire(server, transcript) as wire:
        wire.modern("tools/call", call("echo_async", message="success"))
        wire.modern("tools/call", call("fail", message="a failure"))
        wire.modern("tools/call", call("no_such_tool"))
        with begin_modern(wire, "tools/call", talk(2, 10, token="t")) as stream:
            while stream.message() is not None:
                pass
    expect_rest(server)

    with session(server, transcript) as (wire, headers), Wire(server, transcript) as other:
        wire.start("POST", *encoded(request("tools/call", call("sleep", milliseconds=600_000), 7), headers))
        server.expect_gauge("torpor_calls_in_flight", 1)
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
        expect_equal(other.post(cancelled, **headers).status, 202, "status of the cancellation")
        server.expect_gauge("torpor_calls_in_flight", 0)
        wire.connection.close()
    expect_rest(server)

    for leave in (lambda wire: wire.connection.close(), reset):
        with Wire(server, transcript) as wire:
            wire.start("POST", *encoded(*modern_request("tools/call", call("sleep", milliseconds=600_000))))
            server.expect_gauge("torpor_calls_in_flight", 1)
            leave(wire)
        expect_rest(server)

    with session(server, transcript) as (wire, headers):  # its client vanishes, and only the call's time ends it
        with begin(wire, request("tools/call", talk(100_000, 10, 20)), headers) as stream:
            expect(stream.message(), "the call said nothing")
            reset(wire)
        expect_equal(server.gauge("torpor_calls_in_flight"), 1, "calls that their client may come back to")
    expect_rest(server)


# 7: dead clients


@trials
def streams_of_clients_that_vanished_without_a_word_end_at_the_heartbeat(servers, transcript):
    server = servers.start("--server", "bench", "--heartbeat", "2s", "--resume-grace", "1s")
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server, Transcript())) for _ in range(3)]
        keep, headers = stack.enter_context(session(server, Transcript()))
        begin_listening(wires[0], headers).next()
        listen = {"notifications": {"toolsListChanged": True}}
        begin_modern(wires[1], "subscriptions/listen", listen).next()
        wires[2].start("POST", *encoded(*modern_request("tools/call", call("sleep", milliseconds=600_000))))
        keep.connection.close()
        server.expect_gauge("torpor_calls_in_flight", 1)
        server.expect_gauge("torpor_connections", 3)
        for wire in wires:
            vanish_silently(wire.socket)
        expect_equal(server.gauge("torpor_connections"), 3, "connections whose end nobody told of")
        server.expect_gauge("torpor_connections", 0)
    expect_rest(server)


def vanish_silently(connection):
    """Closes a socket without a word to its other end, as a machine does that loses its power."""
    try:
        connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    except PermissionError:
        raise Skipped("it takes CAP_NET_ADMIN to close a connection silently") from None
    # A socket that a response reads from is not closed by its own `close`.
    os.close(connection.detach())


# 8: buffers and rings


@trials
def what_is_kept_for_clients_that_come_back_is_bounded_while_it_is_added(servers, transcript):
    server = servers.start("--server", "bench", "--resume-grace", "1s")
    most = 0
    with session(server, Transcript()) as (wire, headers):
        for number in range(3 * STREAMS_MAX):
            with Wire(server, Transcript()) as other:
                with begin(other, request("tools/call", talk(40, 10_000), number), headers) as stream:
                    while stream.message() is not None:
                        most = max(most, server.gauge("torpor_stream_bytes"))
        gauges = server.gauges()
        limit = STREAMS_MAX * REPLAY_MAX + 2 * QUEUE_MAX
        expect(most <= limit, f"the streams held up to {most:,.0f} bytes; the limit is {limit:,}")
        expect(most > REPLAY_MAX, f"the streams held {most:,.0f} bytes: nothing was kept")
        expect(gauges["torpor_streams"] <= STREAMS_MAX, f"{gauges['torpor_streams']:g} streams are kept")
    expect_rest(server)


@trials
def a_large_event_is_given_back_with_what_it_took(servers, transcript):
    server = servers.start("--server", "bench", "--resume-grace", "1s")

    def say_much(count):
        for number in range(count):
            with session(server, Transcript()) as (wire, headers):
                with begin(wire, request("tools/call", talk(3, 200_000), number), headers) as stream:
                    sizes = [len(str(message)) for message in iter(stream.message, None)]
                    expect(len(sizes) == 4 and min(sizes[:3]) > 200_000, f"messages of {sizes} bytes")
        server.expect_gauge("torpor_stream_bytes", 0)

    expect_flat(server, say_much, warm_up=60, count=150)
    expect_rest(server)


# 9: equal ids


@trials
def an_answer_counts_in_the_session_that_was_asked(servers, transcript):
    """Two clients with equal ids are asked at once; neither can answer the other's question."""
    elicitation = {"elicitation": {}}
    with session(servers.conformance, transcript, **elicitation) as (ann, anns), session(
        servers.conformance, transcript, **elicitation
    ) as (bob, bobs), Wire(servers.conformance, transcript) as other:
        question = request("tools/call", call("test_elicitation", message="Who are you?"), 5)
        with begin(ann, question, anns) as to_ann, begin(bob, question, bobs) as to_bob:
            asked_ann, asked_bob = to_ann.message(), to_bob.message()
            answers = {
                name: {
                    "jsonrpc": "2.0",
                    "id": asked["id"],
                    "result": {"action": "accept", "content": {"username": name, "email": f"{name}@example.org"}},
                }
                for name, asked in (("ann", asked_ann), ("bob", asked_bob))
            }
            if asked_ann["id"] != asked_bob["id"]:
                other.post(answers["ann"], **bobs)
                other.post(answers["bob"], **anns)
            expect_equal(other.post(answers["bob"], **bobs).status, 202, "status of an answer")
            expect_equal(other.post(answers["ann"], **anns).status, 202, "status of an answer")
            for name, stream in (("ann", to_ann), ("bob", to_bob)):
                answer = stream.message()
                expect_equal(answer["id"], 5, "id")
                expect(f"{name}@example.org" in str(answer["result"]), f"{name} got {answer}")


@trials
def a_stream_can_be_resumed_by_its_own_session_alone(servers, transcript):
    with session(servers.bench, transcript) as (ann, anns), session(servers.bench, transcript) as (bob, bobs):
        with begin(ann, request("tools/call", talk(3, 10), 5), anns) as stream:
            last = stream.next().id
        expect(last, "the first event has no id")
        for headers, id in ((bobs, last), (anns, last[:-1] + ("A" if last[-1] != "A" else "B")), (anns, "unknown")):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = bob.send("GET", {"Accept": "text/event-stream", "Last-Event-ID": id} | named)
            expect_equal(answer.status, 400, f"status of a resumption after {id!r}")


# 22: consumers that went away


@trials
def a_thousand_abandoned_calls_leave_nothing(servers, transcript):
    server = servers.start("--server", "bench")

    def abandon(count):
        for number in range(count):
            with Wire(server, Transcript()) as wire:
                with begin_modern(wire, "tools/call", talk(1_000_000, 2_000, 1) | LOGGING, number) as stream:
                    expect(stream.message(), "the call said nothing")
                    reset(wire)
        expect_rest(server)

    expect_flat(server, abandon, warm_up=500, count=1_000)


LOGGING = {"_meta": {"io.modelcontextprotocol/logLevel": "debug"}}


@trials
def a_thousand_abandoned_listeners_leave_nothing(servers, transcript):
    server = servers.start("--server", "bench")
    listen = {"notifications": {"toolsListChanged": True, "resourceSubscriptions": ["bench://about"]}}

    def abandon(count):
        with Wire(server, Transcript()) as announcer:
            for number in range(count):
                with Wire(server, Transcript()) as wire, begin_modern(wire, "subscriptions/listen", listen, number):
                    if number % 10 == 0:
                        announcer.modern("tools/call", call("announce", change="tools", times=1))
                    reset(wire)
        expect_rest(server)

    expect_flat(server, abandon, warm_up=500, count=1_000)


@trials
def a_thousand_abandoned_session_streams_leave_nothing(servers, transcript):
    server = servers.start("--server", "bench", "--resume-grace", "1s")

    def abandon(count):
        for _ in range(count):
            with session(server, Transcript()) as (wire, headers), Wire(server, Transcript()) as other:
                with begin_listening(other, headers):
                    reset(other)
        expect_rest(server)

    expect_flat(server, abandon, warm_up=500, count=1_000)


@trials
def a_thousand_questions_without_an_answer_leave_nothing(servers, transcript):
    server = servers.start("--server", "conformance", "--resume-grace", "1s", "--call-timeout", "1s")

    def abandon(count):
        for number in range(count):
            with session(server, Transcript(), elicitation={}) as (wire, headers):
                question = request("tools/call", call("test_elicitation", message="Anybody?"), number)
                with begin(wire, question, headers) as stream:
                    expect_equal(stream.message()["method"], "elicitation/create", "method")
                    reset(wire)
        expect_rest(server)

    # As many calls wait at once as are asked within a second: the warm-up has to have seen the most of them.
    expect_flat(server, abandon, warm_up=2_000, count=1_000)


# Slow readers


@trials
def clients_that_never_read_hold_little_and_not_for_long(servers, transcript):
    """The server stops the calls whose clients leave everything unread, after its write timeout."""
    count, size = 50, 10_000
    server = servers.start("--server", "bench", "--resume-grace", "1s")
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server, Transcript())) for _ in range(count)]
        for wire in wires:
            wire.modern("tools/call", call("echo_async", message="warm"))
        before = server.anonymous_bytes
        for wire in wires:
            wire.start("POST", *encoded(*modern_request("tools/call", talk(1_000_000, size, 1) | LOGGING)))
        until(lambda: server.gauge("torpor_stream_bytes") >= count * size, "each stream holds a message", limit=40)
        held = server.gauge("torpor_stream_bytes")
        expect(held <= count * QUEUE_MAX, f"the streams hold {held:,.0f} bytes")
        growth = server.anonymous_bytes - before
        expect(growth <= count * 256 * 1024, f"anonymous memory grew by {growth / 1024:,.0f} KiB")
        server.expect_gauge("torpor_calls_in_flight", 0, limit=60)
    expect_rest(server)


@trials
def events_that_nobody_reads_stay_within_the_limit_of_all(servers, transcript):
    """Both limits hold: that of what waits in streams, and that of what is on its way into the sockets."""
    limits = ("--max-stream-bytes", "32MiB", "--max-buffers", "8MiB")
    server = servers.start("--server", "bench", *limits)
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            wire = stack.enter_context(Wire(server, Transcript()))
            wire.connection.connect()
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            wire.start("POST", *encoded(*modern_request("tools/call", talk(1_000_000, 200_000, 1) | LOGGING)))
        deadline = time.monotonic() + 25  # until every socket is full, and beyond
        while time.monotonic() < deadline:
            gauges = server.gauges()
            for name, limit in (
                ("torpor_stream_bytes", "torpor_stream_limit_bytes"),
                ("torpor_buffered_bytes", "torpor_buffered_limit_bytes"),
            ):
                # A gauge also counts, for an instant, what is being refused: one event of each thread.
                expect(
                    gauges[name] <= gauges[limit] + 8 * 200_200,
                    f"{name} is {gauges[name]:,.0f} of {gauges[limit]:,.0f}",
                )
        held = gauges["torpor_stream_bytes"] + gauges["torpor_buffered_bytes"]
        expect(held > 200_000, f"only {held:,.0f} bytes are held: the trial shows nothing")
    expect_rest(server)


@trials
def notices_for_clients_that_never_read_do_not_pile_up(servers, transcript):
    """A change that a client has not read about yet is not told again."""
    server = servers.start("--server", "bench")
    listen = {"notifications": {"toolsListChanged": True, "resourceSubscriptions": ["bench://about"]}}
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(Wire(server, Transcript())) for _ in range(20)]
        for wire in wires:
            wire.start("POST", *encoded(*modern_request("subscriptions/listen", listen)))
        announcer = stack.enter_context(Wire(server, transcript))
        for wire in wires:
            stack.enter_context(wire.begin())  # its beginning says that the server listens
        before = server.anonymous_bytes
        for change in ("tools", "bench://about") * 5:
            announcer.modern("tools/call", call("announce", change=change, times=100_000))
        held = server.gauge("torpor_stream_bytes")
        expect(held <= 20 * QUEUE_MAX, f"the streams hold {held:,.0f} bytes")
        growth = [0]

        def has_shrunk():
            growth[0] = server.anonymous_bytes - before
            return growth[0] <= 20 * 256 * 1024

        # The allocator keeps what was freed for a second.
        until(has_shrunk, lambda: f"anonymous memory grew by {growth[0] / 1024:,.0f} KiB")
    expect_rest(server)


# 6 again: what was begun first


@trials
def a_modern_call_longer_than_the_idle_timeout_is_answered(servers, transcript):
    expect(long_calls.end("modern").startswith("slept"), "another answer")


@trials
def a_legacy_call_longer_than_the_idle_timeout_is_answered(servers, transcript):
    expect(long_calls.end("legacy").startswith("slept"), "another answer")


@trials
def a_stream_that_is_silent_for_longer_than_the_idle_timeout_still_hears(servers, transcript):
    expect_equal(long_calls.end("listening"), "notifications/tools/list_changed", "notice")


def all_trials(servers, transcript):
    long_calls.begin(servers, transcript)
    return trials.bound("pitfalls", servers, transcript)


if __name__ == "__main__":
    sys.exit(harness.main("pitfalls", all_trials))
