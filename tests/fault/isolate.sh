# isolate: what the tests of task processes share. Source it first thing.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
unruly=$plugins/unruly.so
unruly_block=$plugins/unruly_block.so
seq 1 100000 >many.txt # 588895 bytes; line 50000 at offset 288888

# groups_left: groups of the task processes of the runs here. Each process wrote down where it was; by the name of its run those of
# other tests are told apart, whose engines may have been killed just now, and whose groups the next engine removes later.
groups_left() {
    local run
    for run in $(grep -oE 'millrace-[0-9a-f]{12}' groups 2>/dev/null | sort -u); do
        find /sys/fs/cgroup -maxdepth 6 -type d -name "$run-*" 2>/dev/null || true # they come and go
    done
}

no_group_left() {
    [ -z "$(groups_left)" ]
}

# mine: the task processes whose engine is not there any more, or was started here: told by their folder.
mine() {
    local dir
    for dir in /proc/[0-9]*; do
        if [ "$dir/cwd" -ef "$T" ] && [ "${dir#/proc/}" != $$ ] && # which needs no process for each process there is
            tr '\0' ' ' <"$dir/cmdline" 2>/dev/null | grep -q '^millrace task '; then
            echo "${dir#/proc/}"
        fi
    done
}

no_mine() {
    [ -z "$(mine)" ]
}

# all_gone: of the processes that named themselves in `names` none is there: their folder tells whether it is one of them.
all_gone() {
    local pid
    for pid in $(cat names); do
        if [ "/proc/$pid/cwd" -ef "$T" ]; then return 1; fi
    done
}

# expect_clean: no process, no scratch file, no group is left.
expect_clean() {
    wait_for no_mine
    expect_only scratch
    wait_for no_group_left
    rm -f groups
}

# isolated PLUGIN ARGUMENT…: runs it into out, in two processes.
isolated() {
    rm -f struck
    run "$MILLRACE" run "$@" --isolate --tmp scratch -o out --threads 2 --struck "$T/struck" --groups "$T/groups"
}

# expect_struck N: the fault was there so many times.
expect_struck() {
    local times
    times=$(wc -c <"$T/struck" 2>/dev/null || echo 0)
    check "it struck $times times, expected $1" [ "$times" -eq "$1" ]
}

# expect_failure PATTERN: status 1, one sentence, nothing left.
expect_failure() {
    check "status 1, not $status" [ "$status" -eq 1 ]
    expect_lines 1
    expect_err "$1"
    expect_no_out
    expect_missing out
    expect_clean
}

# expect_whole: it succeeded, with the bytes that threads make.
expect_whole() {
    check "status 0, not $status" [ "$status" -eq 0 ]
    expect_no_err
    check "verifies" "$MILLRACE" verify out
    expect_same out/part-00000 threads/part-00000 "the bytes of threads"
    rm -rf out
    expect_clean
}

"$MILLRACE" run "$unruly" many.txt -o threads --tmp scratch
