"""What the kernel tells of processes."""

import os
import pathlib
import typing


class Process(typing.NamedTuple):
    """A process, told apart from later ones that get its number."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid):
        """The process that has this number now; `None` when there is none, or nobody but its parent knows of it."""
        status = _status(pid)
        return None if status is None or status[0] == "Z" else cls(pid, status[19])

    @property
    def is_alive(self):
        return Process.of(self.pid) == self


def _status(pid):
    """The fields of /proc/PID/stat behind the name, which may hold anything."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _environment(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def everyone():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def folders_in_use(root):
    """The folders below `root` that hosted servers run in now, each with the processes that do."""
    prefix = f"TORPOR_STATE_DIR={root}".encode()
    found = {}
    for pid in everyone():
        for variable in _environment(pid):
            if variable.startswith(prefix):
                found.setdefault(variable.split(b"=", 1)[1].decode(), set()).add(pid)
    return found


def descendants(pid):
    """The processes that a process has started, and those that these have."""
    parents = {each: int(status[1]) for each in everyone() if (status := _status(each))}
    found, added = {pid}, True
    while added:
        added = {each for each, parent in parents.items() if parent in found and each not in found}
        found |= added
    return found - {pid}


def parent_of(pid):
    status = _status(pid)
    return int(status[1]) if status else None
