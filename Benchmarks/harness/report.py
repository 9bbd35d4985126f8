"""Tables in Markdown, and what a reader must know to judge them."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from .procfs import describe_machine
from .servers import Target

_PEER_VERSIONS = """
from importlib.metadata import version
print(", ".join(f"{name} {version(name)}" for name in ("mcp", "uvicorn", "pydantic")))
"""


@dataclass(frozen=True)
class Table:
    """A table with its column names; every row has as many cells."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self) -> str:
        lines = [self.columns, tuple("-" for _ in self.columns), *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@dataclass(frozen=True)
class Section:
    """One measurement: how it was made and what it showed. `parts` are tables and paragraphs in order."""

    title: str
    method: str
    parts: list[Table | str] = field(default_factory=list)

    def markdown(self) -> str:
        parts = [part if isinstance(part, str) else part.markdown() for part in self.parts]
        return "\n\n".join([f"## {self.title}", self.method, *parts]) + "\n"


def _first_line(*command: str) -> str | None:
    try:
        finished = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return None
    lines = (finished.stdout or finished.stderr).splitlines()
    return lines[0].strip() if lines else None


def versions(root: Path, peer_python: Path | None) -> list[str]:
    """Versions of what was measured and of what measured it. What is not installed is left out."""
    found = []
    revision = _first_line("git", "-C", str(root), "describe", "--always", "--dirty", "--tags")
    if revision is not None and not revision.startswith("fatal"):
        found.append(f"Torpor {revision}")
    if swift := _first_line("swift", "--version"):
        found.append(swift)
    resolved = root / "Package.resolved"
    if resolved.exists():
        pins = json.loads(resolved.read_text())["pins"]
        found += [f"swift-nio {pin['state'].get('version')}" for pin in pins if pin["identity"] == "swift-nio"]
    if wrk := _first_line("wrk", "--version"):
        found.append(wrk.partition(" [")[0])
    if valgrind := _first_line("valgrind", "--version"):
        found.append(valgrind)
    found.append(f"Python {sys.version.split()[0]}")
    if peer_python is not None and (packages := _first_line(str(peer_python), "-c", _PEER_VERSIONS)):
        found.append(packages)
    return found


def document(title: str, targets: list[Target], sections: list[Section], root: Path, peer_python: Path | None) -> str:
    """The whole result file."""
    commands = "\n".join(f"- {target.name}: `{target.describe()}`" for target in targets)
    return "\n".join(
        [
            f"# {title}",
            "",
            f"Machine: {describe_machine()}.",
            f"Versions: {', '.join(versions(root, peer_python))}.",
            "",
            "Figures are medians with (minimum..maximum). Servers:",
            "",
            commands,
            "",
            *(section.markdown() for section in sections),
        ]
    )
