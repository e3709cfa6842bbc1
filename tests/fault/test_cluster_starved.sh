# test_cluster_starved: workers and commands without free descriptors (fault F33): a worker rests, is of use to those that it
# serves, and what it can't do others do; with descriptors again it goes on.
. "$(dirname "$0")/lib.sh"
. "$SOURCE/tests/cluster.sh"
. "$SOURCE/tests/fault/daemons.sh"

make_lines
launch_cluster --heartbeat 250ms

# starve NAME…: no descriptor more than it has, and none again for one that it gives up; feed NAME…: as many as before.
limit=$(prlimit --pid "${daemons[m1]}" --nofile --output SOFT --noheadings | tr -d ' ')
starve() {
    local name
    for name in "$@"; do prlimit --pid "${daemons[$name]}" --nofile=3:; done
}
feed() {
    local name
    for name in "$@"; do prlimit --pid "${daemons[$name]}" --nofile="$limit:"; done
}
# knock NAME: for two seconds somebody tries to connect to it, as fast as it can, and is not taken in.
knock() {
    python3 - "$(address_of "$1")" <<'P'
import socket, sys, time
host, _, port = sys.argv[1].rpartition(":")
end = time.monotonic() + 2
kept = []
while time.monotonic() < end:
    if len(kept) < 100:
        kept.append(socket.create_connection((host, int(port)), 10))
    time.sleep(0.01)
P
}

# ---- one mapper and one reducer of two: with strangers at their doors, and a job under way -----------------------------------------
gated out-some --at gate
await "a map task waits" is_begun
starve m1 r1
for name in m1 r1; do
    used=$(ticks_of $name)
    began=$(now_ms)
    knock $name
    used=$(($(ticks_of $name) - used))
    took=$(($(now_ms) - began))
    check "$name is not busy with strangers: $used ticks in $took ms" [ $((used * $(fewer 200 40))) -le "$took" ]
done
open_gate
expect_status 0 "$MILLRACE" wait "$id"
expect_parts out-some want "what they could not do others did"
expect_status 0 "$MILLRACE" submit "$misbehave" in -o out-from-here
expect_parts out-from-here want "a job from its beginning"
check "it is said why: $(grep -l 'Too many open files' ./*.err | tr '\n' ' ')" grep -q 'Too many open files' m1.err r1.err

# ---- all of them: the job ends, in words, and not in an endless loop ----------------------------------------------------------------
starve m2 r2
before=$(($(ticks_of m1) + $(ticks_of m2) + $(ticks_of r1) + $(ticks_of r2) + $(ticks_of master)))
began=$(now_ms)
run "$MILLRACE" submit "$misbehave" in -o out-none
check "nobody can do it: status $status" [ "$status" -eq 4 ]
expect_err 'Too many open files.*attempt [0-9]+, on "[mr][12]"'
expect_missing out-none
pause 2 # in which a loop that does not end would go on, and the job's own work is little
used=$(($(ticks_of m1) + $(ticks_of m2) + $(ticks_of r1) + $(ticks_of r2) + $(ticks_of master) - before))
took=$(($(now_ms) - began))
check "nobody is busy: $used ticks in $took ms" [ $((used * 20)) -le $((took + 2000)) ] # what the job takes in any case

# ---- with descriptors again ------------------------------------------------------------------------------------------------------------
feed m1 m2 r1 r2
open_gate
is_there() { # those on which much failed are set aside for a while
    is_node "$1" ready || is_node "$1" "set aside"
}
for name in m1 m2 r1 r2; do await "$name is there" is_there $name; done
check "nobody was given up: $(grep 'is lost' master.err)" [ "$(grep -c 'is lost' master.err)" -eq 0 ]
expect_status 0 "$MILLRACE" submit "$misbehave" in -o out-again
expect_parts out-again want "descriptors are there again"

# ---- commands -----------------------------------------------------------------------------------------------------------------------------
# With any number of descriptors they succeed, or say what is missing; a job is done once it is submitted.
begins_not() { # the system doesn't find the libraries: no program of ours
    grep -q 'error while loading shared libraries' .err
}
successes=0 failed_ones=0
for n in 4 5 6 8 10 11 12 13 14 16 20 28; do
    for command in nodes "submit wordcount in -o out-few-$n"; do
        status=0
        timeout 60 prlimit --nofile="$n" "$MILLRACE" $command --connect-timeout 1 >.out 2>.err || status=$?
        case $status in
        0) successes=$((successes + 1)) ;;
        [1-9])
            failed_ones=$((failed_ones + 1))
            [ -s .err ] || fail "$n descriptors: $command: status $status without a word"
            ;;
        *) begins_not || fail "$n descriptors: $command: status $status: $(cat .err)" ;;
        esac
    done
done
check "commands succeed: $successes times" [ $successes -gt 0 ]
check "or say why not: $failed_ones times" [ $failed_ones -gt 0 ]
"$MILLRACE" run wordcount in -o want-words
for dir in $(ls -d out-few-* | grep -v pending); do expect_parts "$dir" want-words "$dir"; done

# ---- daemons that begin ----------------------------------------------------------------------------------------------------------------------
for n in 4 5 6 8 10 12; do
    for command in "master --listen 127.0.0.1:0 --state state-few-$n" "mapper --scratch scratch-few-$n"; do
        status=0
        timeout 2 prlimit --nofile="$n:$n" "$MILLRACE" $command --allow-root >.out 2>.err || status=$?
        [ $status -eq 124 ] || [ -s .err ] || fail "$n descriptors: $command: status $status without a word"
        begins_not || check "$n descriptors: ${command%% *}: status $status: $(head -c 200 .err)" [ $status -lt 126 ]
    done
done
