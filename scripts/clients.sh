#!/usr/bin/env bash
# Drives the real server with real client libraries, and holds every message that it sent against the official schemas.
#
#   scripts/clients.sh [BINARY [TRANSCRIPT...]]
#
# BINARY is `.build/debug/torpor` unless named. Transcripts that other tests wrote are validated too. Each trial prints
# one line, `ok NAME` or `FAIL NAME: reason`; the last line counts them. Exits 1 when anything failed.
#
# The libraries live in `.venvs`, made when missing or when their requirements changed; see scripts/environments.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environments.sh

trials=Tests/Clients
results=.build/clients
binary=${1:-.build/debug/torpor}
transcripts=("${@:2}")

# Runs a file of trials in an environment, with a transcript of its own.
run() {
    TORPOR_TRANSCRIPT=$results/$2.jsonl ".venvs/$1/bin/python" "$trials/$2.py" "$binary" || failed=1
}

if [ ! -x "$binary" ]; then
    echo "FAIL clients: there is no program $binary"
    echo "0 passed, 1 failed"
    exit 1
fi
environment mcp2 $trials/requirements-modern.txt
environment mcp1 $trials/requirements-legacy.txt
environment fastmcp $trials/requirements-fastmcp.txt
rm -rf "$results"
mkdir -p "$results"

{
    failed=0
    .venvs/mcp2/bin/python "$trials/validate.py" --self-test || failed=1
    run mcp2 wire
    run mcp2 leftovers
    run mcp2 heap_profile
    run mcp2 conformance
    run mcp2 modern
    run mcp1 legacy
    run fastmcp fastmcp_trial
    run mcp2 streams_modern
    run mcp1 streams_legacy
    run fastmcp streams_fastmcp
    run mcp1 sse_2024
    run mcp2 stdio_wire
    run mcp2 stdio_modern
    run mcp1 stdio_legacy
    run fastmcp stdio_fastmcp
    run mcp2 pitfalls
    .venvs/mcp2/bin/python "$trials/validate.py" "$results"/*.jsonl "${transcripts[@]}" || failed=1
    echo "$failed" >"$results/failed"
} 2>"$results/errors" | tee "$results/report"

passed=$(grep -c '^ok ' "$results/report" || true)
failures=$(grep -c '^FAIL ' "$results/report" || true)
# A program that broke off without a verdict counts as one failure, and says why.
if [ "$(cat "$results/failed")" != 0 ] && [ "$failures" = 0 ]; then
    failures=1
    echo "FAIL clients: a program of trials ended early: $(tail -n 3 "$results/errors" | tr '\n' ' ')"
fi
echo "$passed passed, $failures failed"
[ "$failures" = 0 ]
