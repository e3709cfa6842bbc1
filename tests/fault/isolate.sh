# isolate: what the tests of task processes share. Source it first thing.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
unruly=$plugins/unruly.so
unruly_block=$plugins/unruly_block.so
seq 1 100000 >many.txt # 588895 bytes; line 50000 at offset 288888

# dead_groups: groups of task processes without a process in them (other tests run beside this one).
dead_groups() {
    local dir
    for dir in $(find /sys/fs/cgroup -maxdepth 6 -type d -name 'millrace-*' 2>/dev/null); do
        if [ -r "$dir/cgroup.procs" ] && [ -z "$(cat "$dir/cgroup.procs" 2>/dev/null)" ] && [ -d "$dir" ]; then
            echo "$dir"
        fi
    done
}
dead_before=$(dead_groups)

no_new_dead_group() {
    local dir
    for dir in $(dead_groups); do
        case $dead_before in *"$dir"*) ;; *) return 1 ;; esac
    done
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

# expect_clean: no process, no scratch file, no group is left.
expect_clean() {
    wait_for no_mine
    expect_only scratch
    wait_for no_new_dead_group
}

# isolated PLUGIN ARGUMENT…: runs it into out, in two processes.
isolated() {
    rm -f struck
    run "$MILLRACE" run "$@" --isolate --tmp scratch -o out --threads 2 --struck "$T/struck"
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
