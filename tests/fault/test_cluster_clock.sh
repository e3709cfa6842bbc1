# test_cluster_clock: a cluster whose wall clock jumps by a day, forth and back, with nothing to do and with work under way
# (fault F28): only the monotonic clock decides, so nothing happens.
. "$(dirname "$0")/lib.sh"
. "$SOURCE/tests/cluster.sh"
. "$SOURCE/tests/fault/daemons.sh"
case $MR_SANITIZE in *thread*) skip "under $MR_SANITIZE nothing may stand between program and system" ;; esac
lease=$(fewer 1000 5000)

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
master() {
    daemon master "$MILLRACE" master --listen "${MILLRACE_MASTER:-127.0.0.1:0}" --state state --allow-root --lease "${lease}ms" --heartbeat 250ms
}
worker() { # NAME ROLE
    daemon "$1" "$MILLRACE" "$2" --name "$1" --slots 2 --scratch "$T/scratch-$1"
}
head -c 8 /dev/zero >clock
make_lines
master
ready master
MILLRACE_MASTER=$(address_of master)
export MILLRACE_MASTER
worker m1 mapper
worker m2 mapper
worker r1 reducer
for name in m1 m2 r1; do ready $name; done

# outlive_lease: waits for longer than a lease, by the kernel's own clock.
outlive_lease() {
    local end=$(($(monotonic_ms) + lease + 500))
    while [ "$(monotonic_ms)" -lt $end ]; do
        read -r -t 0.1 <>"$T/pause" || true
    done
}
monotonic_ms() {
    awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime
}
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
    jump $((off - 2 * day))
    outlive_lease
    check "clock at $off: each task has its first attempt" is_told "$id" "all(t['attempt'] == 1 for t in it['tasks'])"
    # Another life of the master: its journal's times lie in its future, or far back. All daemons greet it, and TLS asks for the time.
    murder master
    master
    ready master
    for name in m1 m2 r1; do await "clock at $off: $name is back" is_node $name ready; done
    check "clock at $off: and goes on with it" is_told "$id" "all(t['attempt'] == 1 for t in it['tasks'])"
    jump $off
    open_gate
    expect_status 0 "$MILLRACE" wait "$id"
    expect_parts "out-reduce$off" want "clock at $off, in reduce"
done
for name in master m1 m2 r1; do check "$name was told the wrong time: $(saw $name) times" [ "$(saw $name)" -gt 0 ]; done
check "nobody was given up" [ "$(grep -c 'is lost' master.err)" -eq 0 ]
check "nobody ended its attempts" [ "$(cat m1.err m2.err r1.err | grep -c 'attempts end')" -eq 0 ]

# ---- a lease still ends: not a day later ----------------------------------------------------------------------------------------
jump -$day
kill -s STOP "${daemons[m1]}"
await "m1, stopped, is given up" logged master 'worker "m1" \(node [0-9]+\) is lost'
kill -s CONT "${daemons[m1]}"
await "and comes back" is_node m1 ready
