# test_cluster_clock: a cluster whose wall clock jumps by a day, forth and back, with nothing to do and with work under way
# (fault F28): only the monotonic clock decides, so nothing happens.
. "$(dirname "$0")/lib.sh"
. "$SOURCE/tests/cluster.sh"
. "$SOURCE/tests/fault/daemons.sh"
case $MR_SANITIZE in *thread*) skip "under $MR_SANITIZE nothing may stand between program and system" ;; esac
short=$(fewer 4000 5000) long=60000 # leases, in ms: one that a test can outlive, one within which a master comes back for certain

# jump SECONDS: the wall clock of all that was launched is so far off from now on, for those that run, too.
jump() {
    python3 -c 'import struct, sys; open(sys.argv[1], "r+b").write(struct.pack("=q", int(sys.argv[2])))' clock "$1"
}
# saw NAME: how often it, or its tasks, asked for the time of day and were told a wrong one.
saw() {
    echo $(($(od -An -t u8 -j 8 -N 8 "report-$1")))
}
daemon() { # NAME COMMAND…
    local name=$1
    shift
    LD_PRELOAD=$plugins/shim.so FAULT_CLASS=clock FAULT_CLOCK=$T/clock FAULT_REPORT=$T/report-$name launch "$name" "$@"
}
master() { # LEASE
    daemon master "$MILLRACE" master --listen "$kept" --state state --allow-root --lease "$1ms" --heartbeat 250ms
    ready master
}
# another_master LEASE: another life of it. All daemons greet it, and TLS asks for the time.
another_master() {
    murder master
    master "$1"
    for name in m1 m2 r1; do await "clock at $off: $name is back" is_connected $name; done
}
is_connected() { # NAME: since the master's latest start
    "$MILLRACE" nodes --json | python3 -c '
import json, sys
sys.exit(not any(node["name"] == sys.argv[1] and node["state"] == "ready" and node["heard_seconds_ago"] > 0 for node in json.load(sys.stdin)))' "$1"
}
worker() { # NAME ROLE
    daemon "$1" "$MILLRACE" "$2" --name "$1" --slots 2 --scratch "$T/scratch-$1"
}
# undisturbed: nobody was given up, by the master or by itself; what was logged so far is forgotten.
undisturbed() {
    check "clock at $off: nobody was given up" [ "$(grep -c 'is lost' master.err)" -eq 0 ]
    check "clock at $off: nobody ended its attempts" [ "$(cat m1.err m2.err r1.err | grep -c 'attempts end')" -eq 0 ]
    unlog master m1 m2 r1
}
# outlive_lease: waits for longer than a short lease, by the kernel's own clock.
outlive_lease() {
    local end=$(($(monotonic_ms) + short + 500))
    while [ "$(monotonic_ms)" -lt $end ]; do pause 0.1; done
}
monotonic_ms() {
    awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime
}
goes_on() { # the job $id, with the attempts that there were
    is_told "$id" "all(t['attempt'] == $attempts[t['task']] for t in it['tasks'])"
}
head -c 8 /dev/zero >clock
make_lines
keep_port
export MILLRACE_MASTER=$kept
master $short
worker m1 mapper
worker m2 mapper
worker r1 reducer
for name in m1 m2 r1; do ready $name; done

day=86400
for off in $day -$day; do
    # ---- with nothing to do, for longer than a lease ------------------------------------------------------------------------
    jump $off
    outlive_lease
    for name in m1 m2 r1; do check "clock at $off: idle, $name stays" is_node $name ready; done

    # ---- tasks under way, and the clock is set back and forth meanwhile --------------------------------------------------------
    gated "out-map$off" --at gate
    await "clock at $off: a map task waits" is_begun
    jump $((off + 2 * day))
    outlive_lease
    if [ $off -gt 0 ]; then
        check "the master tells the time that it was told" is_told "$id" "it['seconds'] > $day"
    fi
    jump $off
    open_gate
    expect_status 0 "$MILLRACE" wait "$id"
    expect_parts "out-map$off" want "clock at $off, in map"
    gated "out-reduce$off" --reduce-at gate
    await "clock at $off: a reduce task waits" is_begun
    note_attempts
    jump $((off - 2 * day))
    outlive_lease
    check "clock at $off: nothing begins again" goes_on
    jump $off
    open_gate
    expect_status 0 "$MILLRACE" wait "$id"
    expect_parts "out-reduce$off" want "clock at $off, in reduce"
    undisturbed

    # ---- another life of the master: its journal's times lie in its future, or far back -----------------------------------------
    another_master $long
    unlog master m1 m2 r1 # the short lease may have ended before it was there
    gated "out-life$off" --reduce-at gate
    await "clock at $off: a reduce task waits for another master" is_begun
    note_attempts
    jump $((off - 2 * day))
    another_master $long
    check "clock at $off: it goes on with it" goes_on
    jump $off
    open_gate
    expect_status 0 "$MILLRACE" wait "$id"
    expect_parts "out-life$off" want "clock at $off, under another master"
    another_master $short
    undisturbed
done
for name in master m1 m2 r1; do check "$name was told the wrong time: $(saw $name) times" [ "$(saw $name)" -gt 0 ]; done

# ---- a lease still ends: not a day later ----------------------------------------------------------------------------------------
jump -$day
kill -s STOP "${daemons[m1]}"
await "m1, stopped, is given up" logged master 'worker "m1" \(node [0-9]+\) is lost'
kill -s CONT "${daemons[m1]}"
await "and comes back" is_node m1 ready
