"""Trials with the PyPI package `fastmcp` 4.x, in both eras."""

import contextlib
import itertools
import sys

import httpx2
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.exceptions import ToolError
from mcp import MCPError
from mcp_types import PromptReference, ResourceTemplateReference

import agents
import harness
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

    async def call(self, name, arguments):
        result = await self._answer(self.client.call_tool(name, arguments, raise_on_error=False))
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


class Agent:
    """`agents.Agent` by `fastmcp` in one of its connection modes."""

    errors_for_401 = {"MCPError"}

    def __init__(self, name, mode, revision):
        self.name, self.mode, self.revision = name, mode, revision

    @contextlib.asynccontextmanager
    async def connect(self, url, token=None):
        async with Client(StreamableHttpTransport(url, auth=token), mode=self.mode) as client:
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
    )


if __name__ == "__main__":
    sys.exit(harness.main("fastmcp", trials, httpx2))
