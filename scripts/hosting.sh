#!/usr/bin/env bash
# Hosts small and real servers with the real program, drives them with and without client libraries, and holds every
# message to the clients against the official schemas.
#
#   scripts/hosting.sh [--full] [BINARY]
#
# BINARY is `.build/debug/torpor` unless named. `--full` repeats what is repeated more often. Each trial prints one line,
# `ok NAME`, `skip NAME: reason` or `FAIL NAME: reason`; the last line counts them. Exits 1 when anything failed.
#
# Libraries and servers live in `.venvs`, made when missing or when their requirements changed; see
# scripts/environments.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environments.sh

full=()
if [ "${1:-}" = --full ]; then
    full=(--full)
    shift
fi
binary=${1:-.build/debug/torpor}
trials=Tests/Hosting
results=.build/hosting

if [ ! -x "$binary" ]; then
    echo "FAIL hosting: there is no program $binary"
    echo "0 passed, 1 failed"
    exit 1
fi
environment mcp2 Tests/Clients/requirements-modern.txt
environment mcp1 Tests/Clients/requirements-legacy.txt
environment fastmcp Tests/Clients/requirements-fastmcp.txt
environment servers "$trials/requirements-servers.txt"
environment servers1 "$trials/requirements-servers1.txt"
rm -rf "$results"
mkdir -p "$results"

# Runs a file of trials in an environment, with a transcript of its own.
run() {
    local name=$2
    TORPOR_TRANSCRIPT=$results/$name.jsonl ".venvs/$1/bin/python" "${@:3}" || failed=1
}

{
    failed=0
    run mcp2 hosting "$trials/hosting.py" "${full[@]}" "$binary"
    run mcp2 modern "$trials/libraries.py" modern "$binary"
    run mcp1 legacy "$trials/libraries.py" legacy "$binary"
    run fastmcp fastmcp "$trials/libraries.py" fastmcp_trial "$binary"
    .venvs/mcp2/bin/python Tests/Clients/validate.py "$results"/*.jsonl || failed=1
    echo "$failed" >"$results/failed"
} 2>"$results/errors" | tee "$results/report"

passed=$(grep -c '^ok ' "$results/report" || true)
failures=$(grep -c '^FAIL ' "$results/report" || true)
# A program that broke off without a verdict counts as one failure, and says why.
if [ "$(cat "$results/failed")" != 0 ] && [ "$failures" = 0 ]; then
    failures=1
    echo "FAIL hosting: a program of trials ended early: $(tail -n 3 "$results/errors" | tr '\n' ' ')"
fi
echo "$passed passed, $failures failed"
[ "$failures" = 0 ]
