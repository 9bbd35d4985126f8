"""Trials of real servers behind `torpor serve -- COMMAND…`, each driven by a real client library.

    libraries.py LIBRARY [BINARY]

LIBRARY is `legacy`, `modern` or `fastmcp_trial`: the file in Tests/Clients that adapts it, whose environment this has
to run in. The servers are those of `.venvs/servers` and `.venvs/servers1`.
"""

import asyncio
import contextlib
import datetime
import http.server
import importlib
import itertools
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(1, str(ROOT / "Tests" / "Clients"))

import agents
import harness
from agents import refusal
from harness import Trials, eventually, expect, expect_equal
from hosted import HANDLE, Hosts, python

PROGRAMS = ROOT / ".venvs" / "servers" / "bin"
trials = Trials()


class Talk:
    """A session of a library that keeps the handle it is told, as a model would."""

    def __init__(self, session):
        self.session, self.handle = session, {}

    async def call(self, name, **arguments):
        outcome = await self.session.call(name, self.handle | arguments)
        if found := re.search(rf"{HANDLE}: (\S+)", outcome.text):
            self.handle = {HANDLE: found[1]}
            outcome = outcome._replace(text=outcome.text[: found.start()])
        return outcome

    async def done(self, name, **arguments):
        outcome = await self.call(name, **arguments)
        expect(not outcome.failed, f"{name} failed: {outcome.text}")
        return outcome.text


@contextlib.asynccontextmanager
async def talk(agent, hosts, command, *options):
    """A host of a server, and a client of it."""
    with hosts([str(part) for part in command], *options) as host:
        async with agent.connect(host.url) as session:
            yield host, Talk(session)


@trials
async def mcp_server_time_tells_the_time(agent, hosts):
    async with talk(agent, hosts, [PROGRAMS / "mcp-server-time"]) as (_, client):
        expect_equal(set(await client.session.tools()), {"get_current_time", "convert_time"}, "tools")
        told = json.loads(await client.done("get_current_time", timezone="Asia/Tokyo"))
        now = datetime.datetime.now(datetime.timezone.utc)
        difference = abs(datetime.datetime.fromisoformat(told["datetime"]) - now)
        expect(difference < datetime.timedelta(seconds=10), f"the time is {told}")
        outcome = await client.call("get_current_time", timezone="Moon/Tranquility")
        expect(outcome.failed and "Moon/Tranquility" in outcome.text, f"of an unknown timezone: {outcome}")


@trials
async def mcp_server_git_reads_a_repository(agent, hosts):
    with tempfile.TemporaryDirectory() as folder:
        git = ["git", "-C", folder, "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run([*git, "init", "--quiet"], check=True)
        (pathlib.Path(folder) / "a.txt").write_text("one\n")
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", "Begin"], check=True)
        (pathlib.Path(folder) / "a.txt").write_text("two\n")
        async with talk(agent, hosts, [PROGRAMS / "mcp-server-git", "--repository", folder]) as (_, client):
            expect("git_status" in await client.session.tools(), "git_status is not listed")
            expect("a.txt" in await client.done("git_status", repo_path=folder), "status")
            expect("+two" in await client.done("git_diff_unstaged", repo_path=folder), "difference")
            expect("Begin" in await client.done("git_log", repo_path=folder, max_count=1), "log")
            outcome = await client.call("git_status", repo_path=folder + "/nowhere")
            expect(outcome.failed, f"of a folder that is not there: {outcome}")


@trials
async def mcp_server_sqlite_keeps_its_database_while_it_sleeps(agent, hosts):
    command = [ROOT / ".venvs" / "servers1" / "bin" / "mcp-server-sqlite", "--db-path", "data.db"]
    async with talk(agent, hosts, command, "--child-idle-timeout", "1s") as (host, client):
        await client.done("create_table", query="CREATE TABLE birds (name TEXT, grams INTEGER)")
        await client.done("write_query", query="INSERT INTO birds VALUES ('swift', 40), ('wren', 9)")
        await eventually(lambda: not host.children, "the server sleeps")
        rows = await client.done("read_query", query="SELECT name FROM birds WHERE grams > 20")
        expect("swift" in rows and "wren" not in rows, f"rows {rows}")
        outcome = await client.call("read_query", query="SELECT * FROM planes")
        expect("planes" in outcome.text, f"of a table that is not there: {outcome}")
        async with agent.connect(host.url) as session:
            outcome = await Talk(session).call("read_query", query="SELECT * FROM birds")
            expect("birds" in outcome.text and "swift" not in outcome.text, f"another client sees {outcome}")


@trials
async def mcp_server_fetch_fetches(agent, hosts):
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = b"<html><body><article><h1>Swifts</h1><p>They sleep in the air.</p></article></body></html>"
            self.send_response(200 if self.path == "/page" else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        command = [PROGRAMS / "mcp-server-fetch", "--ignore-robots-txt", "--allow-private-ips"]
        async with talk(agent, hosts, command) as (_, client):
            expect_equal(await client.session.tools(), ["fetch"], "tools")
            expect_equal(await client.session.prompts(), ["fetch"], "prompts")
            url = f"http://127.0.0.1:{site.server_port}"
            text = await client.done("fetch", url=url + "/page", raw=True)
            expect("sleep in the air" in text, f"fetched {text}")
            await refused_or_failed(client, "fetch", url=url + "/nothing")
        site.shutdown()


async def refused_or_failed(client, name, **arguments):
    """A call that must fail, in whichever way the server tells it."""
    try:
        outcome = await client.call(name, **arguments)
    except agents.Refused:
        return
    expect(outcome.failed, f"{name}{arguments} gave {outcome}")


@trials
async def an_unknown_tool_and_arguments_of_the_wrong_type_are_refused_by_the_server(agent, hosts):
    async with talk(agent, hosts, [PROGRAMS / "mcp-server-time"]) as (_, client):
        await refused_or_failed(client, "no_such_tool")
        await refused_or_failed(client, "get_current_time", timezone=7)
        await client.done("get_current_time", timezone="UTC")


@trials
async def twenty_calls_at_once_each_get_their_own_answer(agent, hosts):
    async with talk(agent, hosts, python("keeper.py")) as (_, client):
        await client.done("increment", by=0)
        outcomes = await asyncio.gather(*(client.done("increment") for _ in range(20)))
        expect_equal(sorted(int(text) for text in outcomes), list(range(1, 21)), "counters")


def main():
    adapter = importlib.import_module(sys.argv.pop(1))
    each = [adapter.AGENT] if hasattr(adapter, "AGENT") else [adapter.AUTO, adapter.LEGACY]

    def all_trials(servers, transcript):
        hosts = Hosts(servers.binary, transcript)
        return itertools.chain(*(trials.bound(f"hosting, {agent.name}", agent, hosts) for agent in each))

    return harness.main(adapter.__name__, all_trials, getattr(adapter, "httpx2", None) or adapter.httpx)


if __name__ == "__main__":
    sys.exit(main())
