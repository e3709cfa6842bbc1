# test_state_isolate: --state with --isolate: kill -9 at transactions; bad records, attempts counted across restarts (F1, F41).
. "$(dirname "$0")/lib.sh"
need_shim
unruly=$plugins/unruly.so
mkdir in
seq 1000 3000 >in/a.txt
seq 2000 4000 >in/b.txt
seq 3000 5000 | gzip >in/c.gz

# state WORDS…: state.py; one check, its account shown.
state() {
    local account
    if account=$(python3 "$SOURCE/tests/fault/state.py" --inputs "$T/in" "$@" 2>&1); then
        ok "${account##*$'\n'} ($*)"
    else
        fail "state $*"
        printf '%s\n' "$account" | sed 's/^/#   /'
    fi
}
isolated='run wordcount {in} --partitions 2 --isolate'
state sweep --class sync --how killed -- $isolated
state sweep --class sync --how kill --step 3 -- $isolated
state sweep --class sync --how killed --path outputs- -- run "$BUILD/tests/plugins/rounds.so" {in} --isolate
state sweep --class write --errno ENOSPC --path journal.db --stays --step 4 -- $isolated
state random 2 -- $isolated

# The search for bad records goes on where it was, and the side file has them all.
state sweep --class sync --how killed --path journal.db -- run "$unruly" {in}/a.txt {in}/b.txt --how fail --at 1500 \
    --also-at 3500 --isolate --skip-bad-records 2 --max-attempts 1

# Failures are counted across restarts, and the first cause is told. One map task, which no other joins in a transaction:
# behind it each attempt waits for that of the one before.
job=("$MILLRACE" run "$unruly" in/a.txt --how fail --reduce-at 2500 --struck "$T/struck" -o out --state st --tmp scratch --isolate
    --max-attempts 3)
: >struck
expect_status 1 "${job[@]}"
expect_err '\(the first of 3 attempts that failed\)'
check "struck three times" [ "$(wc -c <struck)" -eq 3 ]
went_on=0 exact=0
for at in $(seq 4 30); do
    rm -rf st out*
    : >struck
    status=0
    FAULT_CLASS=sync FAULT_PATH=journal.db FAULT_HOW=killed FAULT_AT=$at LD_PRELOAD=$BUILD/tests/shim.so \
        ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0 bash -c '"$@"; exit $?' - "${job[@]}" >/dev/null 2>&1 || status=$?
    if [ "$status" -ne 137 ]; then break; fi
    before=$(wc -c <struck)
    run "$MILLRACE" fsck st
    if grep -q '^state: \(stopping\|failed\)' .out; then break; fi
    expect_status 1 "${job[@]}"
    expect_err '\(the first of 3 attempts that failed\)'
    struck=$(wc -c <struck)
    check "killed at $at: struck $struck times, $before before: 3, or one that was not journaled more" \
        [ "$struck" -ge 3 -a "$struck" -le 4 ]
    went_on=$((went_on + (before > 0)))
    exact=$((exact + (before > 0 && struck == 3)))
done
check "it went on behind a failure $went_on times, $exact times with just the attempts that were left" \
    [ "$went_on" -ge 2 -a "$exact" -ge 1 ]
expect_only scratch
