"""What the trials ask of a client library, in one vocabulary, and the trials that every library must pass.

A class with the members of `Agent` adapts a library: `modern.py`, `legacy.py` and `fastmcp_trial.py` have one each.
"""

import asyncio
import typing

from harness import Trials, expect, expect_equal, leaves

INVALID_PARAMS = -32602


class Outcome(typing.NamedTuple):
    """What a tool call came to: its text blocks joined, and whether the tool says that it failed."""

    text: str
    failed: bool


class Refused(Exception):
    """A JSON-RPC error, as the library handed it to its user."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class Session(typing.Protocol):
    """An open connection of one client."""

    revision: str

    async def tools(self) -> list[str]: ...
    async def call(self, name: str, arguments: dict, progress=None) -> Outcome: ...
    async def resources(self) -> list[str]: ...
    async def templates(self) -> list[str]: ...
    async def read(self, uri: str) -> str: ...
    async def prompts(self) -> list[str]: ...
    async def prompt(self, name: str, arguments: dict) -> str: ...
    async def complete_prompt(self, name: str, argument: str, value: str) -> list[str]: ...
    async def complete_template(self, template: str, argument: str, value: str) -> list[str]: ...
    async def set_level(self, level: str): ...
    async def subscribe(self, uri: str): ...
    async def unsubscribe(self, uri: str): ...


class Agent(typing.Protocol):
    """A way to use one client library. Both methods are asynchronous context managers that yield a `Session`.

    `peer`, a `conversation.Peer`, answers the server's questions; without one the client offers nothing to ask for.
    """

    name: str
    revision: str
    sets_level: bool  # whether a modern client of it can say which log messages it wants
    asks_for_progress: bool  # whether it always does

    def connect(self, url: str, token: str | None = None, peer=None): ...
    def spawn(self, command: list[str], errors, peer=None): ...


async def refusal(awaitable):
    """The `Refused` that `awaitable` must end with."""
    try:
        result = await awaitable
    except Refused as error:
        return error
    expect(False, f"expected an error, got {result!r}")


def texts(blocks):
    """The text of content blocks, joined."""
    return "".join(block.text for block in blocks if block.type == "text")


bench = Trials()


@bench
async def the_newest_revision_of_its_era_is_agreed_on(agent, servers):
    async with agent.connect(servers.bench.url) as session:
        expect_equal(session.revision, agent.revision, "revision")


@bench
async def all_tools_are_listed(agent, servers):
    async with agent.connect(servers.bench.url) as session:
        names = await session.tools()
        expect({"echo", "echo_async", "sleep", "fail", "bytes"} <= set(names), f"listed {names}")
        expect_equal(await session.tools(), names, "the second listing")


@bench
async def a_call_returns_the_text_of_the_tool(agent, servers):
    async with agent.connect(servers.bench.url) as session:
        expect_equal(await session.call("echo", {"message": "hello"}), Outcome("hello", False), "echo")
        expect_equal(await session.call("echo_async", {"message": "later"}), Outcome("later", False), "echo_async")


@bench
async def text_of_every_kind_comes_back_unchanged(agent, servers):
    message = '\u0000\u001f"\\/\n\r\t é ß 漢字 🦉 \u2028\u2029 \ufeff ' + "x" * 10_000
    async with agent.connect(servers.bench.url) as session:
        expect_equal(await session.call("echo", {"message": message}), Outcome(message, False), "echo")
        expect_equal(await session.call("echo", {"message": ""}), Outcome("", False), "echo of nothing")


@bench
async def a_large_answer_arrives_whole(agent, servers):
    async with agent.connect(servers.bench.url) as session:
        outcome = await session.call("bytes", {"count": 2_000_000})
        expect(not outcome.failed, "the tool failed")
        expect_equal(len(outcome.text.encode()), 2_000_000, "bytes")


@bench
async def a_tool_that_fails_says_so_in_its_result(agent, servers):
    async with agent.connect(servers.bench.url) as session:
        expect_equal(await session.call("fail", {"message": "no luck"}), Outcome("no luck", True), "fail")
        expect_equal(await session.call("echo", {"message": "on"}), Outcome("on", False), "the call after it")


@bench
async def arguments_that_break_the_schema_are_a_failure_the_model_can_read(agent, servers):
    async with agent.connect(servers.bench.url) as session:
        for arguments in ({}, {"message": 7}, {"message": None}):
            outcome = await session.call("echo", arguments)
            expect(outcome.failed and outcome.text, f"echo({arguments}) gave {outcome}")
            expect("message" in outcome.text, f"the text does not name the argument: {outcome.text!r}")


@bench
async def an_unknown_tool_is_refused_and_the_connection_lives(agent, servers):
    async with agent.connect(servers.bench.url) as session:
        error = await refusal(session.call("no_such_tool", {}))
        expect_equal(error.code, INVALID_PARAMS, "code")
        expect_equal(await session.call("echo", {"message": "still here"}), Outcome("still here", False), "echo")


@bench
async def fifty_calls_at_once_each_get_their_own_answer(agent, servers):
    async with agent.connect(servers.bench.url) as session:
        messages = [f"message {number}" for number in range(50)]
        outcomes = await asyncio.gather(*(session.call("echo_async", {"message": m}) for m in messages))
        expect_equal([outcome.text for outcome in outcomes], messages, "answers")


@bench
async def clients_that_use_equal_ids_each_get_their_own_answers(agent, servers):
    async def one(name):
        async with agent.connect(servers.bench.url) as session:
            calls = (session.call("echo_async", {"message": f"{name}.{number}"}) for number in range(10))
            return [outcome.text for outcome in await asyncio.gather(*calls)]

    answers = await asyncio.gather(*(one(name) for name in "abcdefgh"))
    expect_equal(answers, [[f"{name}.{number}" for number in range(10)] for name in "abcdefgh"], "answers")


@bench
async def a_call_that_its_client_abandons_harms_no_other(agent, servers):
    async with agent.connect(servers.bench.url) as session:
        try:
            async with asyncio.timeout(0.3):
                await session.call("sleep", {"milliseconds": 1_000})
            expect(False, "the sleep ended early")
        except TimeoutError:
            pass
        expect_equal(await session.call("echo", {"message": "awake"}), Outcome("awake", False), "echo")
        # Outlasts the abandoned one: a client of mcp 1.x breaks on an answer that comes while it closes.
        await session.call("sleep", {"milliseconds": 2_000})


@bench
async def a_known_token_is_let_in(agent, servers):
    async with agent.connect(servers.guarded.url, servers.tokens["alice"]) as session:
        expect_equal(await session.call("echo", {"message": "in"}), Outcome("in", False), "echo")


@bench
async def a_wrong_token_is_kept_out(agent, servers):
    for token in (None, "wrong", servers.tokens["alice"] + "x"):
        try:
            async with agent.connect(servers.guarded.url, token) as session:
                await session.call("echo", {"message": "in"})
        except Exception as error:  # each library has an error of its own for this
            names = {type(leaf).__name__ for leaf in leaves(error)}
            expect(names & agent.errors_for_401, f"token {token!r} ended with {names}")
        else:
            expect(False, f"token {token!r} was let in")


def exchanges_of(transcript, mark, verb="POST"):
    """The exchanges recorded since `mark` (a former length of the transcript) with the HTTP method `verb`."""
    return [each for each in transcript.exchanges[mark:] if each["verb"] == verb]


def methods_of(exchanges):
    """The JSON-RPC methods of exchanges, in order."""
    return [each["request"]["method"] for each in exchanges]
