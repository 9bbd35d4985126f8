#!/usr/bin/env bash
# Checks everything that needs no build: format and lint of Swift, syntax of scripts, links and tables of documents,
# alerts and dashboards.
#
#   scripts/check.sh
#
# The last line is `N passed, N failed`; exits 1 when anything failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/report.sh

# Format counts as lint: a line that `make format` would change is a finding.
lint() {
    local folders=()
    for folder in Sources Tests Examples Benchmarks Fuzzing; do
        if [ -d "$folder" ]; then folders+=("$folder"); fi
    done
    swift format lint --strict --recursive --parallel "${folders[@]}" Package.swift
}

shell_syntax() {
    local script
    for script in scripts/*.sh .ci/run; do bash -n "$script" || return 1; done
}

# Parses without writing byte code.
python_syntax() {
    python3 - <<'PYTHON'
import ast, pathlib
for root in ("scripts", "Benchmarks", "Tests/Clients", "Tests/Crash", "Tests/Hosting", "Tests/Hostile", "Tests/Soak"):
    for path in sorted(pathlib.Path(root).rglob("*.py")):
        ast.parse(path.read_text(encoding="utf-8"), str(path))
PYTHON
}

part "Swift format and lint" lint
part "shell syntax" shell_syntax
part "Python syntax" python_syntax
part "documents" python3 scripts/check-docs.py
part "metrics of alerts and dashboards" python3 scripts/check-metrics.py
part "alert rules" promtool check rules --lint-fatal deploy/prometheus/torpor.rules.yml
part "tests of alert rules" promtool test rules deploy/prometheus/torpor.rules.test.yml
finish
