# test_isolate_bounds: memory, processes, disk and time of task processes; and what a Ctrl-C or a kill leaves.
. "$(dirname "${BASH_SOURCE[0]}")/isolate.sh"

# ---- F35: too much memory -----------------------------------------------------------------------------------------
if [ -z "$MR_SANITIZE" ]; then
    # leaks PREFIX…: by whatever bounds it there.
    leaks() {
        rm -f struck
        run "$@" "$MILLRACE" run "$unruly" many.txt --how leak --at 50000 --isolate --tmp scratch -o out \
            --threads 2 --struck "$T/struck" --task-memory 64M --max-attempts 1
        expect_struck 1
        expect_failure 'unruly: the task used too much memory: used [0-9.]+ MiB > 64.0 MiB \(--task-memory\) in map task 0, attempt 1 \(many.txt, record at offset 288888\)'
    }
    leaks
    isolated "$unruly" many.txt --how leak --at 50000 --task-memory 64M --once once
    expect_struck 1
    expect_whole
    rm once
    # Buffers and what the code needs are too much together: once more, with half the buffers; and only once.
    seq 1 600000 >wide.txt
    "$MILLRACE" run "$unruly" wide.txt --wide 200 -o wide --tmp scratch
    # hungry MIB COMMAND…
    hungry() {
        local mib=$1
        shift
        rm -rf out
        run "$@" "$MILLRACE" run "$unruly" wide.txt --wide 200 --hunger "$mib" --isolate --tmp scratch -o out --threads 1 \
            --task-memory 128M --verbose
        check "tried again once" [ "$(grep -c 'trying again' .err)" -eq 1 ]
    }
    expect_fed() {
        check "status 0, not $status" [ "$status" -eq 0 ]
        expect_same out/part-00000 wide/part-00000 "the same bytes"
        rm -rf out
        expect_clean
    }
    # (On a disk that is memory what is spilled counts, too, until the process ends.)
    scratch_on=$(stat -f -c %T scratch)
    hungry 97
    expect_err 'memory.*; trying again'
    if [ "$scratch_on" = tmpfs ]; then rm -rf out; else expect_fed; fi
    hungry 120
    check "status 1 or 4, not $status" [ "$status" -eq 1 -o "$status" -eq 4 ]
    expect_err 'memory.*; with half the buffers, too \(2 attempts that failed\)'
    expect_missing out
    expect_clean
    # A group that can't be joined bounds nothing: RLIMIT_AS does.
    run "$MILLRACE" run "$unruly" many.txt --isolate --tmp scratch -o out --verbose
    rm -rf out
    if grep -q 'bounded: memory and processes by a cgroup' .err; then
        unjoined=(env LD_PRELOAD="$plugins/shim.so" FAULT_CLASS=open FAULT_PATH=cgroup.procs FAULT_AT=1 FAULT_STAYS=1
            FAULT_HOW=error FAULT_ERRNO=2)
        run "${unjoined[@]}" "$MILLRACE" run "$unruly" many.txt --isolate --tmp scratch -o out --verbose
        check "status 0, not $status" [ "$status" -eq 0 ]
        expect_err 'could not join its cgroup: its memory is bounded by RLIMIT_AS'
        rm -rf out
        leaks "${unjoined[@]}"
    fi
    # As a user who can make no group: RLIMIT_AS.
    if [ "$(id -u)" -eq 0 ] && setpriv --reuid 65534 --clear-groups true 2>/dev/null; then
        chmod 777 . scratch
        leaks setpriv --reuid 65534 --clear-groups
        hungry 97 setpriv --reuid 65534 --clear-groups
        expect_fed
        run setpriv --reuid 65534 --clear-groups "$MILLRACE" run "$unruly" many.txt --isolate --tmp scratch -o out \
            --verbose --task-memory 64M
        expect_err 'bounded: memory by RLIMIT_AS'
        rm -rf out
        expect_clean
    else
        echo "# not root: the bound of who can make no group is tested by what went before"
    fi
fi

# ---- F38: a fork bomb ---------------------------------------------------------------------------------------------
run "$MILLRACE" run "$unruly" many.txt --isolate --tmp scratch -o out --verbose
rm -rf out
if grep -q 'processes by a cgroup\|processes by\|and processes' .err; then
    isolated "$unruly" many.txt --how bomb --at 50000 --max-attempts 1 --names "$T/names"
    expect_struck 1
    check "hundreds were born: $(wc -l <names)" [ "$(wc -l <names)" -gt 200 ]
    expect_failure 'unruly: fork: Resource temporarily unavailable after 100 \(many.txt, at offset 288888\)'
    wait_for all_gone
else
    echo "# no group can be made here: nothing bounds the number of processes"
fi

# ---- F30: the scratch disk is full --------------------------------------------------------------------------------
if unshare -m true 2>/dev/null; then
    cat >full.sh <<'END'
mount -t tmpfs -o size=200k none scratch
status=0
"$MILLRACE" run "$unruly" many.txt --isolate --tmp scratch -o out --threads 2 --max-attempts 3 || status=$?
ls -A scratch >left
exit $status
END
    export unruly
    run unshare -m bash full.sh
    check "status 4, not $status" [ "$status" -eq 4 ]
    expect_err 'No space left on device.*spilling to .*scratch.*the first of 3 attempts'
    check "nothing is left on the disk" [ ! -s left ]
    expect_missing out
    expect_clean
fi

# ---- F48: Ctrl-C, and kill -9, at any moment ----------------------------------------------------------------------
# interrupt SIGNAL STATUS HOW: while map, or reduce, waits in a task process.
interrupt() {
    rm -f struck
    (
        trap - INT
        exec "$MILLRACE" run "$unruly" many.txt --how wait "$3" 50000 --isolate --tmp scratch -o out --threads 2 \
            --struck "$T/struck" --groups "$T/groups"
    ) >.out 2>.err &
    local pid=$! sent
    wait_for [ -s struck ]
    check "a task process is there" [ -n "$(mine)" ]
    sent=$(now_ms)
    kill -"$1" $pid
    status=0
    wait $pid || status=$?
    check "status $2, not $status" [ "$status" -eq "$2" ]
    took=$(($(now_ms) - sent))
    wait_for no_mine
    expect_missing out
}
soon() {
    check "within a second ($took ms)" [ $took -lt $patience_ms ]
}
for where in --at --reduce-at; do
    fastest interrupt INT 130 $where
    soon
    expect_clean
    fastest interrupt TERM 143 $where
    soon
    expect_clean
    interrupt KILL 137 $where # which leaves its scratch to the next run
    check "scratch is left" [ -n "$(ls scratch)" ]
    isolated "$unruly" many.txt
    expect_whole
done
# A burst of kills, at moments that nobody chose: the next run always goes through, and clears.
# (A search for leaks that is killed too would complain.)
for ms in 5 15 25 40 60 90 130 180; do
    ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" "$MILLRACE" run "$unruly" many.txt --isolate --tmp scratch -o out \
        --threads 2 >.out 2>.err &
    pid=$!
    sleep "0.$(printf %03d $ms)"
    kill -9 $pid 2>/dev/null || true
    wait $pid 2>/dev/null || true
    rm -rf out
    wait_for no_mine
done
isolated "$unruly" many.txt
expect_whole

# ---- an input that changes between two attempts -------------------------------------------------------------------
# The first attempt fails when it has changed.
seq 1 200000 >changing.txt
rm -f struck
"$MILLRACE" run "$unruly" changing.txt --how fail --at 50000 --isolate --tmp scratch -o out --threads 2 --once once \
    --struck "$T/struck" --until "$T/changed" --groups "$T/groups" >.out 2>.err &
wait_for [ -s struck ]
seq 2 200001 >changing.txt
: >changed
status=0
wait $! || status=$?
check "status 3, not $status" [ "$status" -eq 3 ]
expect_err 'input "changing.txt" changed since the run began'
expect_missing out
expect_clean
