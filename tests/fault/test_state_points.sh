# test_state_points: kill -9 at every named place of a run with --state (faults F1, F2, F20), in builds that have them.
. "$(dirname "$0")/lib.sh"

mkdir in
seq 1000 1300 >in/a.txt
seq 1200 1500 >in/b.txt
head -c 20000 /dev/zero | tr '\0' 'a\n' >in/c.txt
status=0
MILLRACE_FAIL_POINT=journal_pre_commit:1 "$MILLRACE" run wordcount in -o out --state st >/dev/null 2>&1 || status=$?
if [ "$status" -eq 0 ]; then skip "this build has no fail-points (MR_FAIL_POINTS)"; fi
rm -rf out* st

# Every name of the table: a place that is never reached fails the test.
names=$(sed -n 's/^ *X(\([a-z_]*\), .*/\1/p' "$SOURCE/lib/base/fail_point.h")
check "the table has names: $(echo $names)" [ "$(echo $names | wc -w)" -ge 7 ]
if account=$(python3 "$SOURCE/tests/fault/state.py" points $names --inputs "$T/in" -- run wordcount {in} --partitions 2 2>&1); then
    ok "${account##*$'\n'}"
else
    fail "points"
    printf '%s\n' "$account" | sed 's/^/#   /'
fi
