#!/usr/bin/env bash
# Fuzzes one target, or all of them, and prints a table; see Fuzzing/README.md.
#
#   scripts/fuzz.sh [TARGET|all] [SECONDS]    all targets, 600 seconds, unless given
#
# The seconds are shared out equally among the targets; building comes on top. Guided by coverage where the Swift toolchain has libFuzzer; else by mutations alone (also with TORPOR_FUZZING_PLAIN=1).
# What it learns stays in .build-fuzz/corpora, what it finds in .build-fuzz/findings. The last line is
# `N passed, N failed`; exits 1 when anything was found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${1:-all}
seconds=${2:-600}
case $seconds in
*[!0-9]* | '' | 0)
    echo "fuzz: \"$seconds\" is no number of seconds" >&2
    exit 2
    ;;
esac

scratch=.build-fuzz
findings=$scratch/findings
logs=$scratch/logs
mkdir -p "$findings" "$logs"

# The libraries of libFuzzer for a program with a `main` of its own, or nothing.
libfuzzer() {
    if [ -n "${TORPOR_FUZZING_PLAIN:-}" ]; then return; fi
    local resources folder
    resources=$(swiftc -print-target-info | python3 -c 'import json, sys; print(json.load(sys.stdin)["paths"]["runtimeResourcePath"])')
    folder=$resources/clang/lib/linux
    for library in fuzzer_no_main fuzzer_interceptors; do
        if [ ! -f "$folder/libclang_rt.$library-$(uname -m).a" ]; then return; fi
    done
    echo "$folder"
}

folder=$(libfuzzer)
# In release builds, as they are run, numbers that overflow trap all the same.
build=(swift build -c release --product TorporFuzz)
if [ -n "$folder" ]; then
    export TORPOR_FUZZING=coverage
    # A folder of its own, as everything is built in another way.
    build+=(--scratch-path "$scratch")
    # Only the compiler is told to sanitize: told to the linker, it would bring a `main` of libFuzzer.
    build+=(-Xswiftc -Xfrontend -Xswiftc -sanitize=fuzzer)
    for library in fuzzer_no_main fuzzer_interceptors; do
        build+=(-Xlinker "$folder/libclang_rt.$library-$(uname -m).a")
    done
    build+=(-Xlinker -lstdc++ -Xlinker -lm)
    echo "fuzzing guided by coverage"
else
    export TORPOR_FUZZING=plain
    echo "fuzzing by mutations alone"
fi
"${build[@]}"
program=$("${build[@]}" --show-bin-path)/TorporFuzz

if [ "$target" = all ]; then
    mapfile -t targets < <("$program" list)
else
    targets=("$target")
fi
seconds=$((seconds / ${#targets[@]}))
if [ "$seconds" -eq 0 ]; then seconds=1; fi

# Writes one row to the file $rows; the status is that of the campaign.
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT

guided() {
    local name=$1 corpus=$scratch/corpora/$1 log=$logs/$1.log status=0
    mkdir -p "$corpus"
    # A trap's backtrace would take libFuzzer's place in writing the input down.
    SWIFT_BACKTRACE=enable=no "$program" run "$name" --guided -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -detect_leaks=0 \
        -reload=0 -verbosity=1 -artifact_prefix="$findings/$name-" "$corpus" "Fuzzing/Corpora/$name" \
        >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then grep -avE '^#[0-9]|^stat::|^INFO' "$log" | tail -n 20 || true; fi
    awk -v name="$name" -v seconds="$seconds" -v status="$status" '
        match($0, / corp: [0-9]+/) { corpus = substr($0, RSTART + 7, RLENGTH - 7) }
        match($0, / cov: [0-9]+/) { coverage = substr($0, RSTART + 6, RLENGTH - 6) }
        /^#[0-9]+/ { executions = substr($1, 2) }
        /stat::number_of_executed_units/ { executions = $2 }
        / in [0-9]+ second/ { seconds = $(NF - 1) }
        END { printf "| %s | %d | %d | %d | %d | %d |\n", name, executions, seconds, corpus, coverage, status != 0 }
    ' "$log" >>"$rows"
    return "$status"
}

plain() {
    local name=$1 log=$logs/$1.log status=0
    "$program" run "$name" --seconds "$seconds" --findings "$findings" >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then tail -n 20 "$log"; fi
    grep -a '^| ' "$log" >>"$rows" || echo "| $name | | $seconds | | | 1 |" >>"$rows"
    return "$status"
}

passed=0
failed=0
for name in "${targets[@]}"; do
    echo "fuzzing $name for $seconds s"
    if [ -n "$folder" ]; then run=guided; else run=plain; fi
    if "$run" "$name"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done

echo
echo "| target | executions | seconds | corpus | edges | findings |"
echo "| - | -: | -: | -: | -: | -: |"
cat "$rows"
echo
if [ "$failed" -gt 0 ]; then echo "findings are in $findings; replay one with: $program replay TARGET FILE"; fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
