#!/usr/bin/env bash
# Runs every test: the Swift tests, real client libraries and real servers against the real program, and the table of
# protocol coverage.
#
#   scripts/test.sh
#
# The Swift tests write down what was said; the client trials hold it, and what they say themselves, against the schemas
# of the protocol. Logs stay in .build/test. The last line is `N passed, N failed`; exits 1 when anything failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/report.sh

logs=$PWD/.build/test
transcript=$logs/swift.jsonl

# Tests that reckon for seconds without waiting. They would keep the threads from tests that wait for sockets, so they
# run by themselves.
reckoning='^(TorporCompression|TorporCore|TorporEncoding|TorporEngine|TorporSQLite|TorporStore|Simulation)Tests\.'
# Tests that start many processes, or read and write many files, and wait for them.
processes='^(TorporChildren|TorporHosting|TorporUpstream|TorporUpstreamHTTP)Tests\.'

# Runs the Swift tests and ends with their count.
swift_tests() {
    local status=0
    # Heap profiles have to be prepared to be tried.
    export TORPOR_TRANSCRIPT=$transcript MALLOC_CONF=prof:true
    swift test --skip-build --skip "$reckoning" --skip "$processes" 2>&1 | tee "$logs/swift.log" || status=${PIPESTATUS[0]}
    swift test --skip-build --filter "$processes" 2>&1 | tee -a "$logs/swift.log" || status=${PIPESTATUS[0]}
    swift test --skip-build --filter "$reckoning" 2>&1 | tee -a "$logs/swift.log" || status=${PIPESTATUS[0]}
    # Of Swift Testing's own words; XCTest says besides that it has run no test. Skipped tests are among those run.
    awk -v status="$status" '
        / Test run with [0-9]+ tests? / { match($0, /with [0-9]+/); total += substr($0, RSTART + 5, RLENGTH - 5); runs++; next }
        / Test case passing / { next }
        / Test .* failed after / { failed++ }
        / Test .* skipped/ { skipped++ }
        END {
            passed = total - failed - skipped
            # It broke off, or failed in a way that names no test.
            if (runs == 0 || total == 0 || passed < 0) { passed = 0; failed++ }
            if (status != 0 && failed == 0) failed = 1
            if (skipped > 0) printf "%d skipped\n", skipped
            printf "Swift tests: %d passed, %d failed\n", passed, failed
        }' "$logs/swift.log"
    return "$status"
}

mkdir -p "$logs"
rm -f "$transcript"

# Once for all that follows; without it nothing else can be tried.
if ! { swift build --build-tests && swift build --product torpor; }; then
    echo "FAIL build"
    echo "0 passed, 1 failed"
    exit 1
fi

transcripts=()
part "Swift tests" swift_tests
if [ -s "$transcript" ]; then transcripts+=("$transcript"); fi
part "client trials" scripts/clients.sh .build/debug/torpor "${transcripts[@]}"
part "hosted servers" scripts/hosting.sh .build/debug/torpor
part "soak" .venvs/mcp1/bin/python Tests/Soak/soak.py .build/debug/torpor
part "crashes" python3 Tests/Crash/crash.py --binary .build/debug/torpor --kills 3 --writes 1000 --seconds 120 kill
part "hostile clients" python3 Tests/Hostile/hostile.py --binary .build/debug/torpor --seed 1 --count 6 --seconds 1
part "protocol coverage" python3 scripts/check-coverage.py
finish
