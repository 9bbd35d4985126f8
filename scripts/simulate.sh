#!/usr/bin/env bash
# Runs the state engine in simulation, by seed; see docs/simulation.md.
#
#   scripts/simulate.sh seeds [--first SEED] [--count N] [--time-limit SECONDS]    many seeds; 10,000 unless given
#   scripts/simulate.sh replay --seed SEED [...]                                  one scenario, line by line
#
# The last line of the first is `simulation: N passed, N failed`. Exits 1 when a promise was broken.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=(swift build -c release --product TorporSimulator)
"${build[@]}" >&2
exec "$("${build[@]}" --show-bin-path)/TorporSimulator" "$@"
