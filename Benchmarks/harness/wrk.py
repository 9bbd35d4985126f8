"""Runs `wrk` and trusts its count only when every answer was right."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import BenchmarkError
from .client import Client, ResponseSize
from .messages import Request
from .servers import Server

_SCRIPT = Path(__file__).parent.parent / "wrk" / "mcp.lua"
_SESSIONS_CHECKED = 32
_ERRORS = ("connect", "read", "write", "status", "timeout")


@dataclass(frozen=True)
class Load:
    """One kind of request for one server, with its template and sessions in files that `wrk` reads."""

    server: Server
    folder: Path
    answer: ResponseSize

    @staticmethod
    def prepare(server: Server, request: Request, sessions: list[str], folder: Path) -> "Load":
        """Makes and fully checks a few calls, whose answers must all have one size, and writes the files for `wrk`."""
        kinds = [request.in_session(session) for session in sessions[:_SESSIONS_CHECKED]] or [request]
        with Client.of(server) as client:
            sizes = {client.call(kind, 1) for kind in kinds for _ in range(4)}
        if len(sizes) != 1:
            raise BenchmarkError(f"right answers of {server.target.name} differ in size: {sizes}")
        size = sizes.pop()
        template = request.in_session("{session}") if sessions else request
        folder.mkdir()
        (folder / "template").write_bytes(template.template(server.port))
        (folder / "sessions").write_text("".join(f"{session}\n" for session in sessions))
        return Load(server, folder, size)

    def run(self, connections: int, seconds: int, cpu: int | None) -> "Result":
        """Loads the server over `connections` keep-alive connections.

        Raises when any request failed, was not answered with a status under 400, or was answered with a body of another
        length than the checked ones.
        """
        pin = [] if cpu is None else ["taskset", "-c", str(cpu)]
        finished = subprocess.run(
            [
                *pin, "wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
                "--timeout", "30s", "--script", str(_SCRIPT), f"http://127.0.0.1:{self.server.port}",
                "--", str(self.folder / "template"), str(self.folder / "sessions"),
            ],
            capture_output=True,
            text=True,
        )  # fmt: skip
        if finished.returncode != 0:
            raise BenchmarkError(f"wrk failed: {finished.stdout}{finished.stderr}")
        counts = json.loads(finished.stdout.splitlines()[-1])
        failures = {name: counts[name] for name in _ERRORS if counts[name]}
        if failures or not counts["requests"]:
            raise BenchmarkError(f"requests to {self.server.target.name} failed: {failures} of {counts['requests']}")
        self._check_length(counts, connections)
        return Result(
            requests=counts["requests"],
            seconds=counts["microseconds"] / 1e6,
            p50_milliseconds=counts["p50"] / 1e3,
            p99_milliseconds=counts["p99"] / 1e3,
        )

    def _check_length(self, counts: dict[str, int], connections: int) -> None:
        surplus = counts["bytes"] - counts["requests"] * self.answer.whole
        # wrk may stop between the head and the body of answers that a server sends in two pieces.
        cut, rest = divmod(surplus, self.answer.head)
        if rest != 0 or not 0 <= cut <= connections:
            raise BenchmarkError(
                f"not every answer of {self.server.target.name} had the {self.answer.whole} bytes of a right one: "
                f"{counts['requests']} answers, {counts['bytes']} bytes"
            )


@dataclass(frozen=True)
class Result:
    """What one run of `wrk` counted."""

    requests: int
    seconds: float
    p50_milliseconds: float
    p99_milliseconds: float
