# test_isolate: code that crashes, ends, hangs or overturns its process is a failed attempt, and nothing more.
. "$(dirname "${BASH_SOURCE[0]}")/isolate.sh"

# ---- F36: the code crashes, or ends its process -------------------------------------------------------------------
# dies HOW PATTERN: in map and in reduce, always (the second time at one record is the last), and once.
dies() {
    local map_tries=2
    isolated "$unruly" many.txt --how "$1" --at 50000
    expect_struck $map_tries
    expect_failure "unruly: $2 in map task 0, attempt 2 \(many.txt, record at offset 288888\).*the second time at this record"
    isolated "$unruly" many.txt --how "$1" --at 50000 --max-attempts 1
    expect_struck 1
    expect_failure "unruly: $2 in map task 0, attempt 1 \(many.txt, record at offset 288888\)"
    isolated "$unruly" many.txt --how "$1" --at 50000 --once once
    expect_struck 1
    expect_whole
    rm once
    isolated "$unruly" many.txt --how "$1" --reduce-at 50000
    expect_struck 4
    expect_failure "unruly: $2 in reduce task 0, attempt 1.*the first of 4 attempts"
    isolated "$unruly" many.txt --how "$1" --reduce-at 50000 --once once
    expect_struck 1
    expect_whole
    rm once
}
if [ -z "$MR_SANITIZE" ]; then # which catch these themselves
    dies segv 'its code crashed by SIGSEGV \(segmentation fault\)'
    dies abort 'its code crashed by SIGABRT \(aborted\)'
    check "the end of its log is told" grep -q . <(isolated "$unruly" many.txt --how abort --at 1; grep 'the last words' .err)
    expect_clean
fi
dies kill 'its code crashed by SIGKILL \(killed\)'
dies exit0 'its code ended the process with status 0, unfinished'
dies exit3 'its code ended the process with status 3, unfinished'
isolated "$unruly" many.txt --how killgroup --at 50000 --once once
expect_struck 1
expect_whole
rm once
isolated "$unruly" many.txt --how killabove --at 50000 --max-attempts 1
expect_struck 1
expect_failure 'unruly: the task process and its supervisor were killed in map task 0'

# A failure that the code tells of is tried again too, and the first cause is kept.
isolated "$unruly" many.txt --how fail --at 50000 --once once
expect_struck 1
expect_whole
rm once
isolated "$unruly" many.txt --how fail --reduce-at 50000 --max-attempts 3
expect_struck 3
expect_failure 'unruly: not this one \(reducing partition 0\) \(the first of 3 attempts'

# ---- F37: the code loops ------------------------------------------------------------------------------------------
# So many seconds are more than a process needs to come to its line, on a machine that stands still for a while, too.
timeout=$(fewer 5 8)
isolated "$unruly" many.txt --how loop --at 50000 --max-attempts 1 --task-timeout $timeout
expect_struck 1
expect_failure "unruly: nothing moved for $timeout s \(--task-timeout\) in map task 0, attempt 1 \(many.txt, record at offset 288888\)"
isolated "$unruly" many.txt --how stubborn --reduce-at 50000 --max-attempts 1 --task-timeout $timeout
expect_struck 1
expect_failure "unruly: nothing moved for $timeout s \(--task-timeout\) in reduce task 0"
isolated "$unruly" many.txt --how loop --at 50000 --task-timeout $timeout --once once
expect_struck 1
expect_whole
rm once

# ---- F39: children that outlive the attempt, and hold its pipe ----------------------------------------------------
for how in daemon breed threads deep; do
    rm -f names
    # They are gone while the process that left them serves on, not only with it.
    isolated "$unruly" many.txt --how $how --at 50000 --names "$T/names" --gone-by 1 --max-attempts 1
    expect_struck 1
    expect_whole
    check "children were left" [ -s names ]
    wait_for all_gone
done
# What sweeps them away is waited for, be it stopped: the next task's own children live.
isolated "$unruly" many.txt --how delayabove --at 50000 --child-by 1 --max-attempts 1
expect_struck 1
expect_whole
if [ -z "$MR_SANITIZE" ]; then
    rm -f names
    isolated "$unruly" many.txt --how breedcrash --at 50000 --names "$T/names" --max-attempts 1
    expect_struck 1
    check "children were left" [ "$(wc -l <names)" -gt 10 ]
    expect_failure 'crashed by SIGABRT'
    wait_for all_gone
fi

# ---- processes and supervisors that are stopped --------------------------------------------------------------------
for how in stopself stopabove; do
    rm -f struck
    run timeout -k 1 200 "$MILLRACE" run "$unruly" many.txt --how $how --at 50000 --isolate --tmp scratch -o out --threads 2 \
        --struck "$T/struck" --groups "$T/groups" --max-attempts 1 --task-timeout $timeout
    expect_struck 1
    expect_failure "unruly: nothing moved for $timeout s \(--task-timeout\) in map task 0, attempt 1"
done

# ---- a child that comes back from fork into the engine; bytes in the engine's channel ------------------------------
# A sanitizer would report how such a child ends.
if [ -z "$MR_SANITIZE" ]; then
    for where in '--at 50000' '--at 100000' '--reduce-at 50000' '--reduce-at 99999'; do # also the last ones of all
        isolated "$unruly" many.txt --how comeback $where --max-attempts 1
        expect_struck 1
        expect_whole
    done
    isolated "$unruly_block" many.txt --how comeback --at 100000 --max-attempts 1
    expect_struck 1
    expect_whole
fi
# The process is not used any more; the attempts that this breaks don't count, unless they all are broken.
babblers='babble babblelate'
case $MR_SANITIZE in *thread*) babblers=babble ;; esac # to whom a thread that meddles later is a race, and rightly
for how in $babblers; do
    isolated "$unruly" many.txt --how $how --at 50000 --max-attempts 1 --once once
    expect_struck 1
    expect_whole
    rm once
done
isolated "$unruly" many.txt --how babble --at 50000 --max-attempts 2
check "status 4, not $status" [ "$status" -eq 4 ]
expect_struck 10
expect_err 'a task process.*\(10 attempts that failed\)'
expect_missing out
expect_clean

# ---- F40: the code writes where it should not, closes descriptors, changes what is around it ----------------------
isolated "$unruly" many.txt --how noise --at 50000
expect_struck 1
expect_whole
isolated "$unruly" many.txt --how noise --reduce-at 50000
expect_whole
if [ -z "$MR_SANITIZE" ]; then
    isolated "$unruly" many.txt --how noisecrash --at 50000 --max-attempts 1
    expect_failure 'crashed by SIGABRT.*its log \(838[0-9]* bytes\) ends: the last words'
fi
run "$MILLRACE" run "$unruly" many.txt --how noise --at 50000 --isolate --tmp scratch -o out --verbose
check "of a log, a MiB is shown: $(wc -c <.err)" [ "$(wc -c <.err)" -lt 1200000 ]
check "and not less" [ "$(wc -c <.err)" -gt 1000000 ]
rm -rf out
isolated "$unruly" many.txt --how turn --at 50000
expect_struck 1
expect_whole
isolated "$unruly" many.txt --how turn --reduce-at 50000
expect_struck 1
expect_whole
# The process serves on, its surroundings put right: later tasks read by relative paths and write files.
for i in 1 2 3 4 5 6; do cp many.txt in$i.txt; done
"$MILLRACE" run "$unruly" in?.txt -o six --tmp scratch --partitions 5
run "$MILLRACE" run "$unruly" in?.txt --how turn --at 50000 --isolate --tmp scratch -o out --threads 1 --partitions 5
check "status 0, not $status" [ "$status" -eq 0 ]
for part in six/part-*; do expect_same "$part" "out/${part#six/}"; done
rm -rf out six in?.txt
expect_clean

# ---- the channel is nobody's: a process that no engine started says so --------------------------------------------
expect_status 2 "$MILLRACE" task
expect_err 'is what .millrace run --isolate. starts by itself'
