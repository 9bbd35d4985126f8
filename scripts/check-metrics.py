#!/usr/bin/env python3
"""Checks that alerts and dashboards ask for metrics that there are, and that alerts lead to what the guide says of them.

    scripts/check-metrics.py              against the names in the sources
    scripts/check-metrics.py URL          against a running server's /metrics, below its admin port's URL

Prints one line for each fault, then `N passed, N failed`; exits 1 when anything failed.
"""

import json
import re
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "deploy/prometheus/torpor.rules.yml"
TESTS = ROOT / "deploy/prometheus/torpor.rules.test.yml"
BOARD = ROOT / "deploy/grafana/torpor.json"

# What Prometheus adds to each scrape.
SCRAPE = {"up"}

NAME = re.compile(r"\b(?:torpor|mcp|process)_[a-z_]+\b|\bup\b(?=\{)")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring) *\([^)]*\)")
SUFFIX = re.compile(r"_(bucket|sum|count)$")


def source_names() -> set[str]:
    """The metrics that the sources name as whole strings."""
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "Sources").rglob("*.swift"))
    return {name for text in texts for name in re.findall(r'"((?:torpor|mcp|process)_[a-z_]+)"', text)}


def asked(expression: str) -> set[str]:
    """The metrics of a query; labels and their values are none."""
    return set(NAME.findall(GROUPING.sub("", STRING.sub('""', expression))))


def is_there(name: str, names: set[str]) -> bool:
    return name in names or SUFFIX.sub("", name) in names


def rule_queries() -> list[tuple[str, str]]:
    """The alerts with their expressions. The file is written plainly, so that no YAML library is needed to read it."""
    queries = []
    for part in RULES.read_text(encoding="utf-8").split("- alert: ")[1:]:
        expression = re.search(r"^ +expr:(.*?)^ +for:", part, re.MULTILINE | re.DOTALL)
        queries.append((part.split()[0], expression.group(1) if expression else ""))
    return queries


def board_queries(board: dict) -> list[tuple[str, str]]:
    """The panels of a Grafana dashboard with their expressions."""
    panels = [inner for panel in board["panels"] for inner in [panel, *panel.get("panels", [])]]
    return [(panel["title"], target["expr"]) for panel in panels for target in panel.get("targets", [])]


def check_names(names: set[str], queries: list[tuple[str, str]], where: Path) -> tuple[int, list[str]]:
    checked, faults = 0, []
    for title, expression in queries:
        found = asked(expression)
        checked += max(1, len(found))
        if not found:
            faults.append(f"{where.name}, {title}: no metric in its query")
        absent = [name for name in sorted(found) if not is_there(name, names)]
        faults += [f"{where.name}, {title}: there is no metric {name}" for name in absent]
    return checked, faults


def check_runbooks() -> tuple[int, list[str]]:
    """Whether each alert has a heading in the guide and a test, and each heading an alert."""
    faults, alerts = [], [name for name, _ in rule_queries()]
    guide = (ROOT / "docs/operating/alerts.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (Torpor\w+)$", guide, re.MULTILINE)
    links = re.findall(r"runbook_url: (\S+)", RULES.read_text(encoding="utf-8"))
    tests = TESTS.read_text(encoding="utf-8")
    faults += [f"alert {name} is not in alerts.md" for name in alerts if name not in headings]
    faults += [f"alerts.md tells of {name}, which is no alert" for name in headings if name not in alerts]
    faults += [f"alert {name} has no test in which it fires" for name in alerts
               if not re.search(rf"alertname: {name}\n +exp_alerts:\n", tests)]
    if links != [f"docs/operating/alerts.md#{name.lower()}" for name in alerts]:
        faults.append("runbook_url is not that of its alert everywhere")
    return 3 * len(alerts) + 1, faults


def check_board(board: dict) -> tuple[int, list[str]]:
    """Whether panels have an id of their own, a place of their own, and the dashboard's data source."""
    faults, ids, taken = [], set(), {}
    for panel in board["panels"]:
        title, place = panel["title"], panel["gridPos"]
        if panel["id"] in ids:
            faults.append(f"{title}: its id is another's too")
        ids.add(panel["id"])
        if panel["type"] != "row" and panel.get("datasource", {}).get("uid") != "${datasource}":
            faults.append(f"{title}: its data source is not the variable")
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (x, y) in taken or x > 23:
                    faults.append(f"{title}: lies over {taken.get((x, y), 'the edge')}")
                    break
                taken[x, y] = title
    variables = {variable["name"] for variable in board["templating"]["list"]}
    for name in sorted(set(re.findall(r"\$\{?(\w+)", json.dumps(board["panels"]))) - variables):
        if not name.startswith("__"):
            faults.append(f"there is no variable {name}")
    return 2 * len(board["panels"]) + 1, sorted(set(faults))


def scraped_names(url: str) -> set[str]:
    text = urllib.request.urlopen(url.rstrip("/") + "/metrics", timeout=10).read().decode()
    return set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))


def main() -> int:
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    names = source_names()
    if len(sys.argv) > 1:
        names = scraped_names(sys.argv[1])
    names |= SCRAPE
    results = [
        check_names(names, rule_queries(), RULES), check_names(names, board_queries(board), BOARD),
        check_runbooks(), check_board(board),
    ]
    checked = sum(count for count, _ in results)
    faults = [fault for _, found in results for fault in found]
    for fault in faults:
        print(f"FAIL {fault}")
    print(f"{checked - len(faults)} passed, {len(faults)} failed")
    return 1 if faults or checked == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
