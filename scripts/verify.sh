#!/usr/bin/env bash
# Runs the campaigns that are too long for every change, each within a budget of seconds.
#
#   scripts/verify.sh [SECONDS]    600 unless given
#
# Fuzzing of all targets; the HTTP parser against llhttp, for that long and from a fresh seed; ten thousand fresh seeds of the state engine
# in simulation; memory after a million calls; memory after a million `initialize`; servers that are killed while clients write;
# servers that are attacked beside well-behaved clients; and a hosted server whose clients vanish. The last line is
# `N passed, N failed`; exits 1 when anything failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/report.sh

seconds=${1:-600}
case $seconds in
*[!0-9]* | '' | 0)
    echo "verify: \"$seconds\" is no number of seconds" >&2
    exit 2
    ;;
esac

fuzzing() { scripts/fuzz.sh all "$seconds"; }

differential() { TORPOR_FUZZ_SECONDS=$seconds swift test --filter HTTPDifferentialTests; }

# Seeds that were most likely never run before; the report names those that fail.
simulation() {
    scripts/simulate.sh seeds --first "$((RANDOM * 32768 + RANDOM))0000" --count 10000 --time-limit "$seconds"
}

# Of the tables that the benchmark prints, the rows of Torpor. A call may leave less than one byte behind: memory grows
# by pages, so that a slope of exactly 0 cannot be asked for.
retained() {
    scripts/bench.sh retained --time-limit "$seconds" | tee /dev/stderr | awk -F'|' '
        / torpor / { rows++; if ($3 + 0 >= 1 || $4 + 0 >= 1) { print "a call leaves a byte or more behind:" $2; bad = 1 } }
        END { if (rows == 0) print "the benchmark measured nothing"; exit bad || rows == 0 }'
}

# A million `initialize` may leave less than 1 MiB behind.
sessions() {
    scripts/bench.sh sessions --time-limit "$seconds" | tee /dev/stderr | awk -F'|' '
        / (RSS|private dirty) / && NF > 5 { rows++; if ($5 + 0 >= 1) { print "1 MiB or more is left behind:" $2; bad = 1 } }
        END { if (rows == 0) print "the benchmark measured nothing"; exit bad || rows == 0 }'
}

# At least fifty kills and a hundred thousand acknowledged writes, none lost; fewer with the database locked by others,
# with the disk full, and with civil time jumping.
crashes() {
    swift build -c release --static-swift-stdlib --product torpor
    python3 Tests/Crash/crash.py --seed "$RANDOM" --seconds "$seconds" kill
    python3 Tests/Crash/crash.py --seed "$RANDOM" --seconds "$seconds" --kills 20 --writes 20000 lock disk clock
}

# Every attack, each for its share of the time; an attack takes as long again to begin and to end.
hostile() {
    swift build -c release --static-swift-stdlib --product torpor
    python3 Tests/Hostile/hostile.py --seed "$RANDOM" --seconds "$((seconds / 60 + 2))"
}

# Sixty clients and ten children; the same with five hundred is a matter of --clients.
hosting() {
    swift build -c release --static-swift-stdlib --product torpor
    python3 Tests/Hosting/campaign.py --seed "$RANDOM" --clients 60 --children 10 --seconds 40
}

part "fuzzing, $seconds s" fuzzing
part "HTTP parser against llhttp, $seconds s" differential
part "ten thousand seeds of the engine in simulation" simulation
part "memory after a million calls" retained
part "memory after a million initialize" sessions
part "crashes" crashes
part "hostile clients" hostile
part "clients of a hosted server that vanish" hosting
finish
