"""Starts, watches and stops the servers under test."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from . import BenchmarkError

_START_SECONDS = 60
_STOP_SECONDS = 60


@dataclass(frozen=True)
class Target:
    """How a server is started. `{port}` in the command stands for the port it shall listen on."""

    name: str
    command: tuple[str, ...]
    is_stand_in: bool = False
    """It answers one fixed body whatever it is asked."""

    @staticmethod
    def parse(name: str, command: str, is_stand_in: bool = False) -> "Target":
        words = tuple(shlex.split(command))
        if not any("{port}" in word for word in words):
            raise BenchmarkError(f"the command of {name} does not say where its {{port}} goes: {command}")
        program = shutil.which(words[0])
        if program is None:
            raise BenchmarkError(f"the command of {name} cannot be run: {words[0]}")
        return Target(name, (program, *words[1:]), is_stand_in)

    def prefixed(self, *prefix: str) -> "Target":
        return replace(self, command=prefix + self.command)

    def stripped(self, folder: Path) -> "Target":
        """The same server from a copy of its program without debug information, made in `folder`."""
        program = self.command[0]
        copy = folder / f"{self.name}-{Path(program).name}"
        subprocess.run(["strip", "-g", "-o", str(copy), program], check=True)
        return replace(self, command=(str(copy), *self.command[1:]))

    def storing_in(self, path: Path) -> "Target":
        """The same server with its state in a SQLite database, in place of one in memory."""
        return replace(self, command=tuple(f"sqlite:{path}" if word == "memory:" else word for word in self.command))

    def describe(self) -> str:
        """The command without the port and without the folders of this machine."""
        return " ".join(Path(word).name if word.startswith(("/", ".")) else word for word in self.command)


def free_port() -> int:
    """A port of loopback that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A running server; use it as a context manager. Ready when its port accepts connections.

    On leaving it is stopped with SIGTERM and must end by itself with status 0 or by that signal; with
    `must_end_cleanly` only status 0 will do.
    """

    def __init__(
        self,
        target: Target,
        cpu: int | None = None,
        environment: dict[str, str] | None = None,
        must_end_cleanly: bool = False,
    ) -> None:
        self.target = target
        self.cpu = cpu
        self.environment = environment or {}
        self.must_end_cleanly = must_end_cleanly
        self.port = free_port()

    def __enter__(self) -> "Server":
        command = [word.replace("{port}", str(self.port)) for word in self.target.command]
        if self.cpu is not None:
            command = ["taskset", "-c", str(self.cpu), *command]
        self.output = tempfile.TemporaryFile()
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            # Settings of whoever measures are none of the server that is measured.
            env={key: value for key, value in os.environ.items() if not key.startswith("TORPOR_")} | self.environment,
            start_new_session=True,  # an interrupt from the keyboard reaches this program alone, which stops the server
        )
        try:
            self._wait_until_accepting()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            if self.process.poll() is not None:
                raise BenchmarkError(self._explain("ended during the run"))
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                raise BenchmarkError(self._explain("did not end on SIGTERM")) from None
            if self.process.returncode not in ((0,) if self.must_end_cleanly else (0, -signal.SIGTERM)):
                raise BenchmarkError(self._explain("did not end cleanly"))
        finally:
            self._kill()

    @property
    def pid(self) -> int:
        return self.process.pid

    def _wait_until_accepting(self) -> None:
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=_START_SECONDS).close()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None:
                    raise BenchmarkError(self._explain("ended before it was ready")) from None
                if time.monotonic() - self.started > _START_SECONDS:
                    raise BenchmarkError(self._explain("accepted no connection in time")) from None
                time.sleep(0.001)

    def _kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()

    def _explain(self, what: str) -> str:
        self.output.seek(0)
        tail = self.output.read()[-2000:].decode(errors="replace").strip()
        return f"{self.target.name} {what} (status {self.process.poll()}); its output ends with:\n{tail}"
