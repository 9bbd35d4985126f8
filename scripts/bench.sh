#!/usr/bin/env bash
# Runs the benchmarks: installs what they need, builds what they measure, passes its arguments to Benchmarks/bench.py.
#
#   scripts/bench.sh                     everything, written to Benchmarks/results/
#   scripts/bench.sh check               the gate: exact counts against Benchmarks/Thresholds/
#   scripts/bench.sh cpu --seconds 2     one measurement
#
# Missing Debian packages are installed with apt-get, as root or through sudo. The Python peer lives in .venvs/bench;
# when it cannot be installed its rows are left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command=${1:-all}
[ $# -gt 0 ] || set -- all

# Only --help needs nothing.
case $command in
-h | --help) exec python3 Benchmarks/bench.py --help ;;
esac

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

needs_peer=no
packages=()
need() { # need PROGRAM PACKAGE
    command -v "$1" >/dev/null || packages+=("$2")
}
need cc gcc
need strip binutils
need taskset util-linux
case $command in
cpu | all) need wrk wrk && needs_peer=yes ;;
esac
case $command in
instructions | check | all) need valgrind valgrind ;;
esac
if [ $needs_peer = yes ]; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
fi
if [ ${#packages[@]} -gt 0 ]; then
    echo "installing ${packages[*]}" >&2
    as_root apt-get update -qq
    as_root apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
fi

if [ $needs_peer = yes ] && ! .venvs/bench/bin/python -c 'import mcp.server.mcpserver' 2>/dev/null; then
    rm -rf .venvs/bench
    if ! { python3 -m venv .venvs/bench && .venvs/bench/bin/pip install -q 'mcp>=2,<3' >&2; }; then
        echo "the Python peer cannot be installed; its rows are left out" >&2
        rm -rf .venvs/bench
    fi
fi

# All with the same options, so that the comparison is of the servers alone. The variable is for Package.swift only:
# servers refuse settings that they do not know.
for product in BareNIO StateBench torpor; do
    TORPOR_BENCHMARKS=1 swift build -c release --static-swift-stdlib --product "$product" >&2
done

exec python3 Benchmarks/bench.py "$@"
