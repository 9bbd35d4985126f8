#!/usr/bin/env python3
"""Checks docs/protocol-coverage.md: every requirement has a row, and every test that a row names exists.
Checks docs/pitfalls.md: its rows are numbered without a gap, and every test that one names exists.
Checks docs/conformance.md: its rows and the scenarios of Tests/Clients/conformance_*.py name the same trials.

    scripts/check-coverage.py [--strict]

The requirement lists, modern.md and legacy.md, lie in `shared/protocol` beside or above the repository; without them
only the tests are checked. A test is named in backticks: `function`, `Suite.function` for a Swift test, `file.function`
for a client trial. Instead of a test a row may say why there is none, beginning with one of the words below; `pending`
says that the test is still to be written, which --strict does not let pass.

Prints one line for each fault, then `N passed, N failed`; exits 1 when anything failed.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs/protocol-coverage.md"
CONFORMANCE = ROOT / "docs/conformance.md"
PITFALLS = ROOT / "docs/pitfalls.md"
WORDS = ("pending", "later", "client duty", "not applicable", "note")
ID = r"[A-Z]+-\d+[a-z]?"


def requirements() -> set[str] | None:
    """The ids that the requirement lists define, or `None` when they are not at hand."""
    for folder in (parent / "shared/protocol" for parent in ROOT.parents):
        lists = [folder / "modern.md", folder / "legacy.md"]
        if all(path.exists() for path in lists):
            # An id is defined where it begins a table row or a list entry; elsewhere it is referred to.
            text = "\n".join(path.read_text(encoding="utf-8") for path in lists)
            return set(re.findall(rf"^(?:\| |- )({ID})\b", text, re.MULTILINE))
    return None


def swift_tests(text: str) -> set[str]:
    """The names of the functions that are marked `@Test`."""
    names = set()
    for mark in re.finditer(r"@Test\b", text):
        position = mark.end()
        if text[position : position + 1] == "(":
            depth = 0
            for position in range(position, len(text)):
                depth += {"(": 1, ")": -1}.get(text[position], 0)
                if depth == 0:
                    break
            position += 1
        function = re.match(r"(?:\s|@\w+(?:\([^)]*\))?|\b(?:static|private|package|public)\b)*func (\w+)", text[position:])
        if function:
            names.add(function.group(1))
    return names


def known_tests() -> set[str]:
    """Every name by which a row may call a test."""
    names = set()
    for path in ROOT.glob("Tests/**/*.swift"):
        text = path.read_text(encoding="utf-8")
        suites = re.findall(r"^(?:@\w+.*\s)?(?:\w+ )*(?:struct|class|actor|enum|extension) (\w+)", text, re.MULTILINE)
        for function in swift_tests(text):
            names.add(function)
            names.update(f"{suite}.{function}" for suite in suites)
    for path in ROOT.glob("Tests/Clients/*.py"):
        # What is given servers to try is a trial.
        text = path.read_text(encoding="utf-8")
        for function in re.findall(r"^(?:async )?def (\w+)\([^)]*\bservers\b", text, re.MULTILINE):
            names.update((function, f"{path.stem}.{function}"))
    return names


def rows() -> list[tuple[int, str, str]]:
    """Line number, id and last cell of each row that begins with an id."""
    found = []
    for number, line in enumerate(TABLE.read_text(encoding="utf-8").splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and re.fullmatch(ID, cells[0]):
            found.append((number, cells[0], cells[3]))
    return found


def row_faults(number: int, name: str, cell: str, known: set[str], strict: bool) -> list[str]:
    place = f"docs/protocol-coverage.md, line {number}, {name}"
    tests = [test.removesuffix("()") for test in re.findall(r"`([^`]+)`", cell)]
    if not tests and not cell.startswith(WORDS):
        return [f"{place}: names neither a test nor one of: {', '.join(WORDS)}"]
    if strict and cell.startswith("pending"):
        return [f"{place}: has no test yet"]
    return [f"{place}: there is no test {test}" for test in tests if test not in known]


def pitfall_faults(known: set[str]) -> tuple[int, list[str]]:
    """How many pitfalls there are, and what is wrong with their rows."""
    rows = re.findall(r"^\| (\d+) \|.*\| (.*) \|$", PITFALLS.read_text(encoding="utf-8"), re.MULTILINE)
    faults = []
    for expected, (number, cell) in enumerate(rows, 1):
        place = f"docs/pitfalls.md, {number}"
        tests = re.findall(r"`([^`]+)`", cell)
        unknown = [test for test in tests if test not in known]
        if int(number) != expected:
            faults.append(f"{place}: stands where {expected} should")
        elif unknown:
            faults.append(f"{place}: there is no test {', '.join(unknown)}")
        elif not tests and not cell.startswith("later: "):
            faults.append(f"{place}: names no test and does not say why")
    return len(rows), faults


def scenario_faults() -> tuple[int, list[str]]:
    """How many scenarios of the conformance suite are tried, and where the table and the trials differ."""
    tried = {
        f"{path.stem}.{function}"
        for path in ROOT.glob("Tests/Clients/conformance_*.py")
        for function in re.findall(r"^@scenarios\(.*\)\ndef (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    listed: set[str] = set()
    faults = []
    for row in re.findall(r"^\| `.*$", CONFORMANCE.read_text(encoding="utf-8"), re.MULTILINE):
        scenario, _, cell = (part.strip() for part in row.strip("|").split("|"))
        trials = re.findall(r"`([^`]+)`", cell)
        listed.update(trials)
        if not trials and not cell.startswith("not covered: "):
            faults.append(f"docs/conformance.md, {scenario}: names no trial and does not say why")
    faults += [f"docs/conformance.md: {name} is not listed" for name in sorted(tried - listed)]
    faults += [f"docs/conformance.md: there is no trial {name}" for name in sorted(listed - tried)]
    return len(tried | listed), faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strict", action="store_true", help="a row whose test is pending fails")
    strict = parser.parse_args().strict

    table, known, faults, checked = rows(), known_tests(), [], 0
    seen: set[str] = set()
    for number, name, cell in table:
        checked += 1
        found = row_faults(number, name, cell, known, strict)
        if name in seen:
            found.append(f"docs/protocol-coverage.md, line {number}: {name} has a row already")
        seen.add(name)
        # One row fails once, however much is wrong with it.
        if found:
            faults.append("; ".join(found))

    required = requirements()
    if required is None:
        print("skip: the requirement lists are not at hand; only the tests are checked")
    else:
        missing = sorted(required - seen)
        checked += len(missing)
        faults += [f"docs/protocol-coverage.md: {name} has no row" for name in missing]

    for count, found in (scenario_faults(), pitfall_faults(known)):
        checked += count
        faults += found

    pending = sum(cell.startswith("pending") for _, _, cell in table)
    if pending:
        print(f"{pending} of {len(table)} requirements wait for their test")
    for fault in faults:
        print(f"FAIL {fault}")
    print(f"{checked - len(faults)} passed, {len(faults)} failed")
    return 1 if faults or not table else 0


if __name__ == "__main__":
    sys.exit(main())
