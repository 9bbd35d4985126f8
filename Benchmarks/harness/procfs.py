"""What the kernel says of processes and of the machine, read from /proc."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def _stat_fields(pid: int) -> list[str]:
    # The second field is the command in parentheses and may hold blanks; what follows it starts at field 3.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def process_tree(root: int) -> list[int]:
    """`root` and all of its descendants alive now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(int(_stat_fields(int(entry.name))[1]), []).append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
    tree = [root]
    for pid in tree:
        tree.extend(children.get(pid, []))
    return tree


def cpu_seconds(root: int) -> float:
    """User and system time of a process tree, its ended and waited-for children included. Resolution: 10 ms."""
    ticks = 0
    for pid in process_tree(root):
        user, system, children_user, children_system = _stat_fields(pid)[11:15]
        ticks += int(user) + int(system) + int(children_user) + int(children_system)
    return ticks / _TICKS_PER_SECOND


def own_cpu_seconds(pid: int) -> float:
    """User and system time of one process, its ended threads included. Resolution: 10 ms."""
    user, system = _stat_fields(pid)[11:13]
    return (int(user) + int(system)) / _TICKS_PER_SECOND


def scheduled_seconds(pid: int) -> float:
    """Time that all threads of a process alive now have had a core, to the nanosecond; of one that starts none that end."""
    files = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


@dataclass(frozen=True)
class Memory:
    """Bytes of memory of a process tree."""

    rss: int
    private_dirty: int


def memory(root: int) -> Memory:
    """Resident set and private dirty pages of a process tree, from smaps_rollup."""
    totals = {"Rss": 0, "Private_Dirty": 0}
    for pid in process_tree(root):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, _, value = line.partition(":")
            if name in totals:
                totals[name] += int(value.split()[0]) * 1024
    return Memory(rss=totals["Rss"], private_dirty=totals["Private_Dirty"])


@dataclass(frozen=True)
class MachineTime:
    """CPU time of all cores since the machine started, in seconds."""

    total: float
    busy: float


def machine_time() -> MachineTime:
    """Time of all cores, and the part of it not spent idle (time stolen by other virtual machines is busy)."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    total = sum(ticks)
    return MachineTime(total / _TICKS_PER_SECOND, (total - ticks[3] - ticks[4]) / _TICKS_PER_SECOND)


def describe_machine() -> str:
    """Cores, CPU model, memory and kernel in one line, without the machine's name."""
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    kibibytes = int(Path("/proc/meminfo").read_text().split()[1])
    return (
        f"{os.cpu_count()} cores, {model}, {kibibytes / 1024 / 1024:.0f} GiB, "
        f"Linux {platform.release().partition('-')[0]} {platform.machine()}"
    )
