# Sourced by the scripts that count: runs parts one after another and adds up what they report.
#
# A part ends with a line `N passed, N failed`, possibly behind its name and a colon; one that has no such line counts as
# one, by its exit status.

passed_sum=0
failed_sum=0
failures=

# add PASSED FAILED
add() {
    passed_sum=$((passed_sum + $1))
    failed_sum=$((failed_sum + $2))
}

# part TITLE COMMAND...: shows the output as it comes, and adds up what it reports.
part() {
    local title=$1 log status=0 last
    shift
    log=$(mktemp)
    echo "== $title"
    "$@" </dev/null 2>&1 | tee "$log" || status=${PIPESTATUS[0]}
    # make adds a line of its own behind that of a part that failed.
    last=$(tail -n 2 "$log" | grep -E ' passed, [0-9]+ failed$' | tail -n 1 || true)
    # Repeated at the end, where they are looked for: what is said in between may be long.
    failures+=$(grep -aE '^FAIL |✘ Test .* (recorded an issue|failed after)' "$log" | cut -c 1-400 | head -n 50 || true)$'\n'
    rm -f "$log"
    if [[ $last =~ ^([A-Za-z\ -]+:\ )?([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        local passed=${BASH_REMATCH[2]} failed=${BASH_REMATCH[3]}
        # A part that broke off after it had counted has failed all the same.
        if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
        add "$passed" "$failed"
    elif [ "$status" -eq 0 ]; then
        add 1 0
    else
        failures+="FAIL $title: exit status $status"$'\n'
        echo "FAIL $title: exit status $status"
        add 0 1
    fi
    echo
}

# Prints what failed and the sum, and ends the script with status 1 when anything failed.
finish() {
    awk 'NF && !seen[$0]++' <<<"$failures"
    echo "$passed_sum passed, $failed_sum failed"
    [ "$failed_sum" -eq 0 ]
    exit
}
