# test_plugin: plugins that can't be loaded, whose callbacks fail, that crash here in process; too few descriptors
# (faults F33 in part, F36).
. "$(dirname "$0")/lib.sh"

printf 'first\nsecond\nthird\n' >lines.txt
printf 'first\t1\nsecond\t1\nthird\t1\n' >expected
misbehave=$plugins/misbehave.so
expect_status 0 "$MILLRACE" run "$misbehave" lines.txt --tmp scratch
expect_same "$T/.out" expected "the plugin can behave, too"

# ---- not to be loaded: what is wrong, before any input is looked at ----------------------------------------------
unloadable() {
    local code=$1 pattern=$2 path=$3
    expect_refused "$code" "$pattern" "$MILLRACE" run "$path" missing.txt -o out --tmp scratch
}
echo 'int main(void) { return 0; }' >text.so
head -c 5000 "$misbehave" >cut.so
mkdir folder.so
unloadable 1 "^millrace: .*other_abi.so.*: the job was built for interface version 3; this Millrace has 2: build it again" \
    "$plugins/other_abi.so"
unloadable 1 "^millrace: .*earlier_abi.so.*: the job was built for interface version 1; this Millrace has 2: build it again" \
    "$plugins/earlier_abi.so"
unloadable 1 "^millrace: .*no_job.so.*mr_plugin_job" "$plugins/no_job.so"
unloadable 1 "^millrace: .*\./text.so" ./text.so
unloadable 1 '^millrace: plugin "\./cut.so" is cut off at byte 5000$' ./cut.so
: >nothing.so
unloadable 1 '^millrace: .*\./nothing.so.*too short' ./nothing.so
unloadable 3 "^millrace: .*\./folder.so" ./folder.so
unloadable 3 "^millrace: .*\./none.so.*No such file" ./none.so

# ---- callbacks that fail: the job's own sentence, and where ------------------------------------------------------
expect_refused 1 '^millrace: misbehave: this record is not to my taste \(lines.txt, at offset 6\)$' \
    "$MILLRACE" run "$misbehave" lines.txt --how fail --at second -o out --tmp scratch
expect_lines 1
expect_refused 1 '^millrace: misbehave: map failed with status -1 and no message \(lines.txt, at offset 13\)$' \
    "$MILLRACE" run "$misbehave" lines.txt --how status --at third -o out --tmp scratch
expect_refused 1 '^millrace: misbehave: this record is not to my taste \(reducing partition 0\)$' \
    "$MILLRACE" run "$misbehave" lines.txt --how fail --reduce-at second -o out --tmp scratch
expect_refused 1 '^millrace: misbehave: this record is not to my taste' \
    "$MILLRACE" run "$misbehave" lines.txt --how fail --setup -o out --tmp scratch
expect_refused 2 '^millrace: misbehave: this record is not to my taste' \
    "$MILLRACE" run "$misbehave" lines.txt --how fail --plan -o out --tmp scratch
seq 1000000 >many.txt
for threads in 1 2 3; do
    expect_refused 1 '^millrace: misbehave: this record is not to my taste \(many.txt, at offset 3888891\)$' \
        "$MILLRACE" run "$misbehave" many.txt --how fail --at 571429 --threads $threads -o out --tmp scratch
    expect_lines 1
done

# ---- crashes: by which signal, job, task and record; the process ends by that signal ------------------------------
if [ -n "$MR_SANITIZE" ]; then
    echo "skipped: crashes, which $MR_SANITIZE reports as its own"
else
    ulimit -c 0
    # crashes SIGNAL NUMBER HOW
    crashes() {
        local input place
        for input in lines.txt many.txt; do
            if [ $input = lines.txt ]; then place='second 6'; else place='571429 3888891'; fi
            set -- "$1" "$2" "$3" $place
            run "$MILLRACE" run "$misbehave" $input --how "$3" --at "$4" -o out --tmp scratch --threads 2
            check "$3: ends by signal $2" [ "$status" -eq $((128 + $2)) ]
            expect_err "^millrace: crashed by $1 .*in job misbehave, round only, map task 0, $input, record at offset $5"
            check "one line" [ "$(grep -c . "$T/.err")" -eq 1 ]
            expect_no_out
            expect_missing out
            expect_only scratch
            run "$MILLRACE" run "$misbehave" $input --how "$3" --reduce-at "$4" -o out --tmp scratch --threads 2
            check "$3 in reduce: ends by signal $2" [ "$status" -eq $((128 + $2)) ]
            expect_err "^millrace: crashed by $1 .*in job misbehave, round only, reduce task 0"
        done
    }
    crashes SIGSEGV 11 segv
    crashes SIGABRT 6 abort
    crashes SIGFPE 8 fpe
    crashes SIGSEGV 11 stack
    expect_status 0 "$MILLRACE" run "$misbehave" lines.txt -o out --tmp scratch
    check "the next run cleared what the crashes left" [ "$(echo out*)" = out ]
    rm -r out
fi

# ---- too few descriptors -----------------------------------------------------------------------------------------
failed=0 passed=0
seq $(fewer 1000000 300000) >enough.txt
for limit in $(seq 4 2 32); do
    run prlimit --nofile=$limit "$MILLRACE" run wordcount enough.txt --memory 16M --threads 2 --partitions 3 \
        -o out --tmp scratch
    expect_only scratch
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
        check "$limit descriptors are enough" "$MILLRACE" verify out
        rm -r out
    elif grep -q 'loading shared libraries' "$T/.err"; then
        ok "$limit descriptors: not even the program's libraries"
    else
        failed=$((failed + 1))
        check "$limit descriptors: status $status" [ "$status" -eq 4 ]
        expect_err '^millrace: .*Too many open files'
        expect_lines 1
        check "nothing is left: $(echo out*)" [ "$(echo out*)" = 'out*' ]
    fi
done
check "some limits were too low, others not: $failed, $passed" [ $((failed > 2 && passed > 0)) -eq 1 ]
