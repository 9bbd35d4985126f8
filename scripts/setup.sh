#!/usr/bin/env bash
# Installs what Torpor is built with. Says nothing when all of it is there.
#
#   scripts/setup.sh        for building and running
#   scripts/setup.sh test   for the tests, too
#
# Debian and Ubuntu packages are installed with apt-get, as root or through sudo; elsewhere their names are printed. The
# Swift toolchain is looked for, not installed. What the benchmarks need on top, scripts/bench.sh installs.
set -euo pipefail

swift_needed=6.3
python_needed=3.11

fail() {
    echo "setup: $1" >&2
    exit 1
}

# Whether version $1 is $2 or newer.
is_at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

if ! command -v swift >/dev/null; then
    fail "there is no swift. Torpor needs Swift $swift_needed or newer: https://www.swift.org/install/linux/"
fi
swift_found=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1)
if ! is_at_least "${swift_found:-0}" $swift_needed; then
    fail "swift is ${swift_found:-of unknown version}. Torpor needs $swift_needed or newer: https://www.swift.org/install/linux/"
fi

packages=()
# file PACKAGE PATTERN: a package is missing when no file matches.
file() { compgen -G "$2" >/dev/null || packages+=("$1"); }
# program PACKAGE NAME
program() { command -v "$2" >/dev/null || packages+=("$1"); }

program git git
program make make
file ca-certificates '/etc/ssl/certs/ca-certificates.crt'
file libc6-dev '/usr/include/stdio.h'
file g++ '/usr/lib/gcc/*/*/libstdc++.so'
file libyaml-dev '/usr/include/yaml.h'
file libzstd-dev '/usr/include/zstd.h'
file libsqlite3-dev '/usr/include/sqlite3.h'
file libjemalloc-dev '/usr/include/jemalloc/jemalloc.h'
if [ "${1:-}" = test ]; then
    program python3 python3
    program bubblewrap bwrap
    python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
    # For promtool. As a package it starts a Prometheus of its own where there is an init system.
    program prometheus promtool
fi

if [ ${#packages[@]} -gt 0 ]; then
    command -v apt-get >/dev/null || fail "install what Debian calls ${packages[*]}, then try again"
    root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "as root, run: apt-get install ${packages[*]}"
        root=(sudo)
    fi
    echo "setup: installing ${packages[*]}" >&2
    "${root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
fi

if [ "${1:-}" = test ]; then
    python=${TORPOR_PYTHON:-python3}
    python_found=$("$python" -c 'import platform; print(platform.python_version())')
    if ! is_at_least "$python_found" $python_needed; then
        fail "$python is $python_found. The client trials need $python_needed or newer; name one in TORPOR_PYTHON"
    fi
    cd "$(dirname "$0")/.."
    . scripts/environments.sh
    environment servers Tests/Hosting/requirements-servers.txt
    environment servers1 Tests/Hosting/requirements-servers1.txt
fi
