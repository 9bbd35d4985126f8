"""How sessions of an agent are opened on standard input and output, through `tap.py`, and what must hold afterwards."""

import contextlib
import json
import os
import pathlib
import sys
import tempfile

from agents import Refused
from conversation import Meeting, Peer, ask_until
from harness import expect, expect_equal, until

PROMPT_END = 2.0  # seconds in which a server must end after its input has; then libraries send signals

TAP = pathlib.Path(__file__).with_name("tap.py")


class StdioMeeting(Meeting):
    """A server of its own for each session. When the session is over, the server must have ended well."""

    def __init__(self, agent, servers, source):
        super().__init__(agent, servers)
        self.source = source

    def open(self, peer, server="conformance"):
        return self.spawn(peer, "--server", server)

    @contextlib.asynccontextmanager
    async def spawn(self, peer, *arguments):
        with tempfile.TemporaryDirectory(prefix="torpor-tap-") as folder:
            report = pathlib.Path(folder) / "report"
            errors_path = pathlib.Path(folder) / "errors"
            command = [
                sys.executable,
                str(TAP),
                str(report),
                os.environ.get("TORPOR_TRANSCRIPT", ""),
                self.source,
                self.servers.binary,
                "serve",
                "--stdio",
                "--store",
                "memory:",
                *arguments,
            ]
            with open(errors_path, "w") as errors:
                async with self.agent.spawn(command, errors, peer) as session:
                    yield session
            until(report.exists, lambda: f"the server has ended; {errors_path.read_text()[-500:]!r}")
            ended = json.loads(report.read_text())
            expect_equal(ended["strangers"], [], "output that is no message")
            expect_equal(ended["exit"], 0, f"exit code ({errors_path.read_text()[-500:]!r})")
            expect(
                ended["seconds"] is not None and ended["seconds"] < PROMPT_END, f"it ended after {ended['seconds']} s"
            )

    @contextlib.asynccontextmanager
    async def meet_alone(self):
        """With room for one call at once, another is refused until the first has ended."""
        async with self.spawn(Peer(), "--server", "bench", "--max-calls", "1", "--max-queued-calls", "0") as session:

            async def is_refused():
                try:
                    return (await session.call("echo_async", {"message": "next"})).failed
                except Refused:
                    return True

            async def runs(does_run):
                await ask_until(is_refused, does_run, "a call runs" if does_run else "the call has ended")

            yield session, runs

    @contextlib.asynccontextmanager
    async def meet_listener(self):
        peer = Peer()
        async with self.spawn(peer, "--server", "bench") as session:
            yield session, peer
