"""What processes of a hosted server there are, and what memory they take, read from /proc by a thread of its own."""

import os
import pathlib
import threading
import time
import typing

SAMPLE_SECONDS = 0.2
# The proportional set size is dear: the kernel walks the page tables for it.
SAMPLES_PER_PSS = 5
PAGE = os.sysconf("SC_PAGE_SIZE")


class Process(typing.NamedTuple):
    pid: int
    parent: int
    command: bytes


class Sample(typing.NamedTuple):
    """Bytes of memory and counts of processes at one time."""

    seconds: float
    """Since the watch began."""
    children: int
    """Processes of the hosted server."""
    processes: int
    """All of the tree: the server under test, its helpers and the children."""
    rss: int
    """Of the tree; pages that processes share count once for each."""
    own: int
    """RSS of what is not a child."""
    pss: int | None
    """Of the tree; pages that processes share are divided among them."""


def all_processes():
    """All processes that run; one that has ended and waits to be reaped has no memory and does not count."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = pathlib.Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            command = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes()
        except OSError:
            continue  # it ended while we looked
        if fields[0] not in "ZX":
            found.append(Process(int(entry), int(fields[1]), command))
    return found


def rss(pid):
    """Resident bytes; 0 of a process that has ended."""
    try:
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def pss(pid):
    """Resident bytes, with shared pages divided among those who share them; 0 of a process that has ended."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def cap(pid):
    """The most bytes of memory that the kernel lets a process and its family have, or `None` when nothing holds it."""
    caps = []
    try:
        groups = pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()
    except OSError:
        return None
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            file = pathlib.Path(f"/sys/fs/cgroup/memory{path}/memory.limit_in_bytes")
        elif controllers == "":
            file = pathlib.Path(f"/sys/fs/cgroup{path}/memory.max")
        else:
            continue
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        # The first version writes the largest number there is in place of `max`.
        if text.isdigit() and int(text) < 1 << 60:
            caps.append(int(text))
    for line in limits:
        if line.startswith("Max data size") and (text := line.split()[3]).isdigit():
            caps.append(int(text))
    return min(caps, default=None)


class Watch:
    """Samples the tree below `root`, and every process whose command line has `mark`, wherever it has gone.

    `mark` stands in the command line of the hosted server and, as an argument, in that of `root`.
    """

    def __init__(self, root, mark):
        self.root, self.mark = root, mark.encode()
        self.samples = []
        self.caps = {}
        """By process id, of children that were seen twice: a new one is not in its place yet."""
        self.longest_gap = 0.0
        self.seen = set()
        """Process ids of all children so far; of one that lives for less than a sample maybe not."""
        self._began = time.monotonic()
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def marked(self):
        """Processes of the hosted server that run now."""
        return self._children(all_processes())

    def sample(self, weighs=True):
        """Looks now."""
        with self._lock:
            return self._sample(weighs)

    def tree(self):
        """The command line of every process of the tree, by process id."""
        processes = all_processes()
        return self._tree(processes, self._children(processes))

    def left_of(self, tree):
        """Processes that run still, of a tree as it was, and of the hosted server."""
        return {
            each.pid for each in all_processes()
            if tree.get(each.pid) == each.command or self.mark in each.command and each.pid != self.root
        }

    def _children(self, processes):
        return {each.pid for each in processes if self.mark in each.command and each.pid != self.root}

    def _tree(self, processes, children):
        commands = {each.pid: each.command for each in processes}
        below = {}
        for each in processes:
            below.setdefault(each.parent, []).append(each.pid)
        tree = [self.root, *children]
        known = set(tree)
        for pid in tree:
            more = [each for each in below.get(pid, []) if each not in known]
            tree += more
            known.update(more)
        return {pid: commands[pid] for pid in tree if pid in commands}

    def _sample(self, weighs):
        processes = all_processes()
        children = self._children(processes)
        tree = self._tree(processes, children)
        for pid in children & self.seen - self.caps.keys():
            self.caps[pid] = cap(pid)
        self.seen |= children
        sizes = {pid: rss(pid) for pid in tree}
        sample = Sample(
            time.monotonic() - self._began, len(children), len(tree), sum(sizes.values()),
            sum(size for pid, size in sizes.items() if pid not in children),
            sum(pss(pid) for pid in tree) if weighs else None,
        )
        self.samples.append(sample)
        return sample

    def _run(self):
        number = 0
        last = time.monotonic()
        while not self._end.wait(SAMPLE_SECONDS):
            self.sample(number % SAMPLES_PER_PSS == 0)
            number += 1
            self.longest_gap = max(self.longest_gap, time.monotonic() - last)
            last = time.monotonic()

    def stop(self):
        self._end.set()
        self._thread.join()
