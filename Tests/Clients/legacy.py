"""Trials with the PyPI package `mcp` 1.x, which knows sessions alone."""

import asyncio
import contextlib
import itertools
import sys

import httpx
from mcp import ClientSession, McpError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.types import (
    CancelledNotification,
    CancelledNotificationParams,
    ClientNotification,
    CreateMessageResult,
    ElicitResult,
    ErrorData,
    ListRootsResult,
    PromptReference,
    ResourceTemplateReference,
    Root,
    ServerNotification,
    TextContent,
)
from pydantic import AnyUrl

import agents
import conversation
import harness
import state
import workbench
from agents import Outcome, Refused, exchanges_of, methods_of, refusal
from harness import Trials, expect, expect_equal

# What the library makes of a 404: it takes its session for ended. (The sign is the library's.)
SESSION_ENDED = 32600


class Session:
    """`agents.Session` by `mcp.ClientSession`."""

    def __init__(self, client, opened, session_id):
        self.client, self.opened, self.session_id = client, opened, session_id
        self.revision = opened.protocolVersion

    async def _answer(self, awaitable):
        try:
            return await awaitable
        except McpError as error:
            raise Refused(error.error.code, error.error.message) from error

    async def tools(self):
        return [tool.name for tool in (await self._answer(self.client.list_tools())).tools]

    async def call(self, name, arguments, progress=None):
        result = await self._answer(self.client.call_tool(name, arguments, progress_callback=progress))
        return Outcome(agents.texts(result.content), result.isError)

    async def resources(self):
        return [str(each.uri) for each in (await self._answer(self.client.list_resources())).resources]

    async def templates(self):
        return [
            each.uriTemplate for each in (await self._answer(self.client.list_resource_templates())).resourceTemplates
        ]

    async def read(self, uri):
        return "".join(
            content.text for content in (await self._answer(self.client.read_resource(AnyUrl(uri)))).contents
        )

    async def prompts(self):
        return [prompt.name for prompt in (await self._answer(self.client.list_prompts())).prompts]

    async def prompt(self, name, arguments):
        messages = (await self._answer(self.client.get_prompt(name, arguments))).messages
        return agents.texts(message.content for message in messages)

    async def complete_prompt(self, name, argument, value):
        return await self._complete(PromptReference(type="ref/prompt", name=name), argument, value)

    async def complete_template(self, template, argument, value):
        return await self._complete(ResourceTemplateReference(type="ref/resource", uri=template), argument, value)

    async def _complete(self, reference, argument, value):
        result = await self._answer(self.client.complete(reference, {"name": argument, "value": value}))
        return result.completion.values

    async def set_level(self, level):
        await self._answer(self.client.set_logging_level(level))

    async def subscribe(self, uri):
        await self._answer(self.client.subscribe_resource(AnyUrl(uri)))

    async def cancel_call(self, name, arguments, moment):
        """Calls a tool, and cancels the call once `moment` has been awaited. The library leaves that to its user."""
        request = self.client._request_id  # of the request that comes next
        call = asyncio.create_task(self.call(name, arguments))
        await asyncio.sleep(0)  # now it has taken its id, and is the first of what will be sent
        await moment
        expect(not call.done(), f"the call ended on its own: {call}")
        cancelled = CancelledNotification(params=CancelledNotificationParams(requestId=request, reason="enough"))
        await self.client.send_notification(ClientNotification(cancelled))
        call.cancel()

    async def unsubscribe(self, uri):
        await self._answer(self.client.unsubscribe_resource(AnyUrl(uri)))


def callbacks(peer):
    """What `mcp.ClientSession` takes to let `peer` answer and hear."""

    async def elicit(context, params):
        try:
            action, content = await peer.fill_in(params.message, params.requestedSchema)
        except conversation.NoAnswer as error:
            return ErrorData(code=-32603, message=str(error))
        return ElicitResult(action=action, content=content)

    async def sample(context, params):
        text = await peer.complete([message.content.text for message in params.messages], params.maxTokens)
        return CreateMessageResult(role="assistant", content=TextContent(type="text", text=text), model="trial")

    async def list_roots(context):
        return ListRootsResult(roots=[Root(uri=uri, name=name) for uri, name in peer.roots])

    async def log(params):
        peer.logs.add((params.level, params.data))

    async def message(message):
        if isinstance(message, ServerNotification):
            peer.notified(message)

    return {
        "elicitation_callback": elicit if peer.form else None,
        "sampling_callback": sample if peer.sample else None,
        "list_roots_callback": list_roots if peer.roots else None,
        "logging_callback": log,
        "message_handler": message,
    }


class Agent:
    """`agents.Agent` by `mcp` 1.x."""

    name, revision = "mcp 1", "2025-11-25"
    errors_for_401 = {"HTTPStatusError"}
    sets_level = True
    asks_for_progress = False

    @contextlib.asynccontextmanager
    async def connect(self, url, token=None, peer=None):
        headers = {"Authorization": f"Bearer {token}"} if token else None
        async with (
            create_mcp_http_client(headers=headers) as http,
            streamable_http_client(url, http_client=http) as (reader, writer, session_id),
            ClientSession(reader, writer, **(callbacks(peer) if peer else {})) as client,
        ):
            yield Session(client, await client.initialize(), session_id())

    @contextlib.asynccontextmanager
    async def spawn(self, command, errors, peer=None):
        """Like `connect`, to a program of its own on standard input and output; `errors` is a file."""
        parameters = StdioServerParameters(command=command[0], args=command[1:])
        async with (
            stdio_client(parameters, errors) as (reader, writer),
            ClientSession(reader, writer, **(callbacks(peer) if peer else {})) as client,
        ):
            yield Session(client, await client.initialize(), None)


AGENT = Agent()
own = Trials()


@own
async def the_handshake_opens_a_session_that_every_request_names(servers, transcript):
    mark = len(transcript.exchanges)
    async with AGENT.connect(servers.bench.url) as session:
        expect(session.session_id, "no session id")
        expect(session.opened.serverInfo.name, "the server has no name")
        expect(session.opened.capabilities.tools is not None, "no tools capability")
        await session.tools()
        later = exchanges_of(transcript, mark)[1:]
        expect_equal(methods_of(later), ["notifications/initialized", "tools/list"], "requests after the handshake")
        expect_equal({each["headers"].get("mcp-session-id") for each in later}, {session.session_id}, "sessions named")


@own
async def a_ping_is_answered(servers, transcript):
    async with AGENT.connect(servers.bench.url) as session:
        await session.client.send_ping()


@own
async def a_session_ends_with_its_client(servers, transcript):
    mark = len(transcript.exchanges)
    async with AGENT.connect(servers.bench.url) as session:
        await session.tools()
    ended = exchanges_of(transcript, mark, "DELETE")
    expect_equal(len(ended), 1, "DELETE requests")
    expect(
        ended[0]["status"] in (200, 204),
        f"DELETE was answered with {ended[0]['status']}: the library logs that as a failure",
    )


@own
async def a_session_ended_behind_its_back_is_noticed_and_a_new_one_works(servers, transcript):
    async with AGENT.connect(servers.bench.url) as session:
        async with httpx.AsyncClient() as http:
            ended = await http.delete(servers.bench.url, headers={"Mcp-Session-Id": session.session_id})
        expect(ended.is_success, f"DELETE was answered with {ended.status_code}")
        error = await refusal(session.call("echo", {"message": "anyone?"}))
        expect_equal(error.code, SESSION_ENDED, "code")
    async with AGENT.connect(servers.bench.url) as session:
        expect_equal(await session.call("echo", {"message": "again"}), Outcome("again", False), "echo")


@own
async def a_refused_stream_does_not_disturb_the_session(servers, transcript):
    """The library opens a GET stream on its own after the handshake; until it is offered, 405 must be enough."""
    mark = len(transcript.exchanges)
    async with AGENT.connect(servers.bench.url) as session:
        for number in range(20):
            expect_equal(await session.call("echo", {"message": str(number)}), Outcome(str(number), False), "echo")
    for stream in exchanges_of(transcript, mark, "GET"):
        expect(stream["status"] in (200, 405), f"GET was answered with {stream['status']}")


@own
async def a_session_works_on_after_an_error(servers, transcript):
    """The library ends a connection at any HTTP error but 404, so JSON-RPC errors must come with 200."""
    async with AGENT.connect(servers.bench.url) as session:
        await refusal(session.call("no_such_tool", {}))
        await refusal(session.read("unknown:///nothing"))
        await refusal(session.prompt("no_such_prompt", {}))
        expect_equal(await session.call("echo", {"message": "alive"}), Outcome("alive", False), "echo")


def trials(servers, transcript):
    return itertools.chain(
        own.bound("mcp 1", servers, transcript),
        agents.bench.bound(AGENT.name, AGENT, servers),
        workbench.trials.bound("mcp 1, workbench", AGENT, servers),
        state.trials.bound("mcp 1, state", AGENT, servers),
    )


if __name__ == "__main__":
    sys.exit(harness.main("legacy", trials, httpx))
