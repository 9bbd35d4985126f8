#!/usr/bin/env python3
"""Checks the documents against the repository: links, headings that are linked to, the table of options, metrics.

Prints one line for each fault, then `N passed, N failed`; exits 1 when anything failed.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = ROOT / "Sources/TorporCLI/ServeOptions.swift"
METRICS = [ROOT / "README.md", ROOT / "docs/guides/downstreams.md", *(ROOT / "docs/operating" / name for name in ("state.md", "memory.md", "alerts.md", "hosting.md"))]

# The argument of hosted tools by which clients name what is kept for them.
NO_METRICS = {"torpor_handle"}

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1[^\n]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")


def documents() -> list[Path]:
    """The Markdown files of the repository, the new ones included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in sorted(set(listed.stdout.splitlines())) if (path := ROOT / name).exists()]


def anchors(path: Path) -> set[str]:
    """What a heading may be linked to as, in the way of GitHub."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        name, count = plain, 0
        while name in found:
            count += 1
            name = f"{plain}-{count}"
        found.add(name)
    return found


def link_faults(path: Path) -> tuple[int, list[str]]:
    """How many links of a document lead into the repository, and what is wrong with them."""
    checked, faults = 0, []
    text = CODE.sub("", FENCE.sub("", path.read_text(encoding="utf-8")))
    for target in LINK.findall(text):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        checked += 1
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists():
            faults.append(f"{path.relative_to(ROOT)}: there is no {target}")
        elif anchor and file.suffix == ".md" and anchor not in anchors(file):
            faults.append(f"{path.relative_to(ROOT)}: there is no heading for {target}")
    return checked, faults


def option_faults() -> tuple[int, list[str]]:
    """Whether README.md lists every option of `torpor serve`, and no other."""
    source = OPTIONS.read_text(encoding="utf-8")
    enumeration = source[source.index("enum ServeKey") :]
    keys: set[str] = set()
    for line in re.findall(r"^ {4}case (.+)$", enumeration, re.MULTILINE):
        if "=" in line:
            keys.add(re.search(r'"([^"]+)"', line).group(1))
        else:
            keys.update(name.strip() for name in line.split(","))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index("## Options") :]
    table = table[: table.index("\n## ", 1)]
    rows = [line for line in table.splitlines() if line.startswith("| `--")]
    listed = {name for row in rows for name in re.findall(r"`--([a-z-]+)", row.split("|")[1])}
    # It names the file that the keys come from, so it is no key.
    listed.discard("config")
    faults = [f"README.md, Options: --{key} is missing" for key in sorted(keys - listed)]
    faults += [f"README.md, Options: there is no option --{key}" for key in sorted(listed - keys)]
    return len(keys | listed), faults


def metric_faults() -> tuple[int, list[str]]:
    """Whether every metric of ours is told of, and none that there is not."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "Sources").rglob("*.swift"))
    names = set(re.findall(r'"(torpor_[a-z_]+)"', sources)) - NO_METRICS
    texts = "".join(path.read_text(encoding="utf-8") for path in METRICS)
    told = set(re.findall(r"\btorpor_[a-z_]+", texts)) - NO_METRICS
    faults = [f"metric {name} is in none of the documents" for name in sorted(names - told)]
    faults += [f"there is no metric {name}" for name in sorted(told - names)]
    return len(names | told), faults


def main() -> int:
    results = [link_faults(path) for path in documents()] + [option_faults(), metric_faults()]
    checked = sum(count for count, _ in results)
    faults = [fault for _, found in results for fault in found]
    for fault in faults:
        print(f"FAIL {fault}")
    print(f"{checked - len(faults)} passed, {len(faults)} failed")
    return 1 if faults or checked == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
