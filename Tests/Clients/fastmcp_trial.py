"""Trials with the PyPI package `fastmcp` 4.x, in both eras."""

import asyncio
import contextlib
import itertools
import sys

import httpx2
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from fastmcp.exceptions import ToolError
from mcp import MCPError
from mcp.client.subscriptions import listen
from mcp_types import PromptReference, ResourceTemplateReference, Root

import agents
import harness
import state
import workbench
from agents import Outcome, Refused, exchanges_of, methods_of
from harness import Trials, expect, expect_equal


class Session:
    """`agents.Session` by `fastmcp.Client`."""

    def __init__(self, client):
        self.client = client
        self.revision = client.protocol_version

    async def _answer(self, awaitable):
        try:
            return await awaitable
        except MCPError as error:
            raise Refused(error.code, error.message) from error

    async def tools(self):
        return [tool.name for tool in await self._answer(self.client.list_tools())]

    async def call(self, name, arguments, progress=None):
        result = await self._answer(
            self.client.call_tool(name, arguments, raise_on_error=False, progress_handler=progress)
        )
        return Outcome(agents.texts(result.content), result.is_error)

    async def resources(self):
        return [str(each.uri) for each in await self._answer(self.client.list_resources())]

    async def templates(self):
        return [each.uri_template for each in await self._answer(self.client.list_resource_templates())]

    async def read(self, uri):
        return "".join(content.text for content in await self._answer(self.client.read_resource(uri)))

    async def prompts(self):
        return [prompt.name for prompt in await self._answer(self.client.list_prompts())]

    async def prompt(self, name, arguments):
        messages = (await self._answer(self.client.get_prompt(name, arguments))).messages
        return agents.texts(message.content for message in messages)

    async def complete_prompt(self, name, argument, value):
        return await self._complete(PromptReference(type="ref/prompt", name=name), argument, value)

    async def complete_template(self, template, argument, value):
        return await self._complete(ResourceTemplateReference(type="ref/resource", uri=template), argument, value)

    async def _complete(self, reference, argument, value):
        return (await self._answer(self.client.complete(reference, {"name": argument, "value": value}))).values

    async def set_level(self, level):
        await self._answer(self.client.set_logging_level(level))

    async def subscribe(self, uri):
        await self._answer(self.client.session.subscribe_resource(uri))

    def listen(self, **wishes):
        """`mcp.client.subscriptions.listen`."""
        return listen(self.client.session, **wishes)

    async def cancel_call(self, name, arguments, moment):
        """Calls a tool, and cancels the call once `moment` has been awaited: the library tells the server."""
        call = asyncio.create_task(self.call(name, arguments))
        await asyncio.sleep(0)  # now it is the first of what will be sent
        await moment
        expect(not call.done(), f"the call ended on its own: {call}")
        call.cancel()

    async def unsubscribe(self, uri):
        await self._answer(self.client.session.unsubscribe_resource(uri))


def handlers(peer):
    """What `fastmcp.Client` takes to let `peer` answer and hear."""

    async def elicit(message, response_type, params, context):
        action, content = await peer.fill_in(message, params.requested_schema)
        return ElicitResult(action=action, content=content)

    async def sample(messages, params, context):
        return await peer.complete([message.content.text for message in messages], params.max_tokens)

    async def log(params):
        peer.logs.add((params.level, params.data))

    async def message(message):
        if not isinstance(message, Exception):
            peer.notified(message)

    offered = {
        "elicitation_handler": elicit if peer.form else None,
        "sampling_handler": sample if peer.sample else None,
        "roots": [Root(uri=uri, name=name) for uri, name in peer.roots] if peer.roots else None,
    }
    return {"log_handler": log, "message_handler": message} | {k: v for k, v in offered.items() if v is not None}


class Agent:
    """`agents.Agent` by `fastmcp` in one of its connection modes."""

    errors_for_401 = {"MCPError"}
    sets_level = False
    asks_for_progress = True

    def __init__(self, name, mode, revision):
        self.name, self.mode, self.revision = name, mode, revision

    @contextlib.asynccontextmanager
    async def connect(self, url, token=None, peer=None):
        async with self._open(StreamableHttpTransport(url, auth=token), peer) as session:
            yield session

    @contextlib.asynccontextmanager
    async def spawn(self, command, errors, peer=None):
        """Like `connect`, to a program of its own on standard input and output; `errors` is a file."""
        transport = StdioTransport(command[0], command[1:], keep_alive=False, log_file=errors)
        async with self._open(transport, peer) as session:
            yield session

    @contextlib.asynccontextmanager
    async def _open(self, transport, peer):
        async with Client(transport, mode=self.mode, **(handlers(peer) if peer else {})) as client:
            yield Session(client)


AUTO = Agent("fastmcp", "auto", "2026-07-28")
LEGACY = Agent("fastmcp legacy", "legacy", "2025-11-25")

own = Trials()


@own
async def one_discovery_opens_a_connection(servers, transcript):
    mark = len(transcript.exchanges)
    async with AUTO.connect(servers.bench.url) as session:
        await session.call("echo", {"message": "x"})
    expect_equal(methods_of(exchanges_of(transcript, mark))[0], "server/discover", "first request")
    expect("initialize" not in methods_of(exchanges_of(transcript, mark)), "the client fell back to sessions")


@own
async def a_failing_tool_raises_the_error_of_the_library(servers, transcript):
    for agent in (AUTO, LEGACY):
        async with agent.connect(servers.bench.url) as session:
            try:
                await session.client.call_tool("fail", {"message": "no luck"})
            except ToolError as error:
                expect_equal(str(error), "no luck", "text")
            else:
                expect(False, "the tool did not fail")


@own
async def a_session_is_known_to_the_library_in_the_legacy_era_alone(servers, transcript):
    for agent, has_session in ((AUTO, False), (LEGACY, True)):
        async with agent.connect(servers.bench.url) as session:
            expect_equal(bool(session.client.transport.get_session_id()), has_session, f"a session of {agent.name}")


@own
async def ping_works_in_the_legacy_era(servers, transcript):
    async with LEGACY.connect(servers.bench.url) as session:
        expect(await session.client.ping(), "no answer")


def trials(servers, transcript):
    each = (AUTO, LEGACY)
    return itertools.chain(
        own.bound("fastmcp", servers, transcript),
        *(agents.bench.bound(agent.name, agent, servers) for agent in each),
        *(workbench.trials.bound(f"{agent.name}, workbench", agent, servers) for agent in each),
        *(state.trials.bound(f"{agent.name}, state", agent, servers) for agent in each),
    )


if __name__ == "__main__":
    sys.exit(harness.main("fastmcp", trials, httpx2))
