"""What every measurement needs to know of this run."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .servers import Target


@dataclass(frozen=True)
class Context:
    """The servers of this run, where they run, and a folder for scratch files that is deleted afterwards."""

    base: Target
    torpor: Target
    peer: Target | None
    peer_python: Path | None
    state_program: Path
    """Measures the state engine without HTTP: StateBench/."""
    server_cpu: int | None
    load_cpu: int | None
    folder: Path

    @contextmanager
    def on_load_cpu(self) -> Iterator[None]:
        """Keeps this process, where it makes the load itself, off the servers' core."""
        if self.load_cpu is None:
            yield
            return
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {self.load_cpu})
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    def progress(self, text: str) -> None:
        """Tells the person who waits what is going on."""
        print(text, file=sys.stderr, flush=True)
