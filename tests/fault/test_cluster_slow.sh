# test_cluster_slow: attempts that are a hundred times slower than the others, in map and in reduce, while their daemons live
# (fault F10): a backup elsewhere wins, and the slow one ends.
. "$(dirname "$0")/lib.sh"
. "$SOURCE/tests/cluster.sh"
. "$SOURCE/tests/fault/daemons.sh"

launch_cluster --heartbeat 100ms
mkdir in
for i in 1 2 3 4 5 6; do seq $((i * 1000)) $((i * 1000 + 599)); done | split -l 600 - in/
"$MILLRACE" run "$misbehave" in --partitions 4 -o want

# What it would take by itself: 600 lines, or 3600 keys, of 100 ms.
alone_ms=60000
# crawls PHASE OPTION…: the first attempt that meets the line or key 1000 needs a minute at least; a backup is done long before.
crawls() {
    local phase=$1 began took slow status=0
    shift
    rm -f began
    began=$(now_ms)
    "$MILLRACE" submit "$misbehave" in --partitions 4 -o "out-$phase" --follow --how crawl --began "$T/began" --crawl-us 100000 "$@" >follow.out 2>&1 &
    client=$!
    await "$phase: an attempt crawls" is_begun
    slow=$(readlink began)
    wait $client || status=$?
    took=$(($(now_ms) - began))
    check "$phase: the job ends well: $status: $(tail -n 3 follow.out)" [ $status -eq 0 ]
    check "$phase: before the slow one could: $took ms" [ $took -lt $alone_ms ]
    expect_parts "out-$phase" want "$phase"
    check "$phase: nobody was given up" [ "$(grep -c 'is lost' master.err)" -eq 0 ]
    for name in m1 m2 r1 r2; do await "$phase: $name keeps nothing of it" holds_nothing $name; done
    await "$phase: the slow process is gone" is_over "$slow"
}
crawls map --at 1000 --map-us 500
crawls reduce --reduce-at 1000
