# test_simulate: what `millrace simulate` says: with rates, with a run's times, with failures, and what it refuses.
. "$(dirname "$0")/../lib.sh"
cd "$T"

truncate -s 64G big.txt # sparse: no byte of it is read
simulate() {
    expect_status 0 "$MILLRACE" simulate wordcount big.txt "$@"
}
seconds() { # of the line that begins so, in .out
    sed -n "s/^$1: //p" "$T/.out" | sed -E 's/ h/*3600+/; s/ min/*60+/; s/ ms/*0.001/; s/ s//' | sed 's/+ *$//' |
        python3 -c 'import re,sys; print(int(eval(re.sub(r"\b0+(?=\d)", "", sys.stdin.read()))))'
}

# ---- rates -----------------------------------------------------------------------------------------------------------
simulate --nodes 1
check "assumptions" grep -q "a slot maps 100 MB/s and reduces 100 MB/s" "$T/.out"
one=$(seconds "it would take")
check "64 GiB at 100, 100 and 125 MB/s take half an hour" [ "$one" -gt 1850 -a "$one" -lt 2000 ]
simulate --nodes 16
many=$(seconds "it would take")
check "16 nodes are about 16 times as fast: $one, $many" [ $((many * 14)) -lt "$one" -a $((many * 18)) -gt "$one" ]
simulate --nodes 1 --map-mbps 1000 --reduce-mbps 1000 --net-mbps 1000
check "faster" [ "$(seconds 'it would take')" -lt 250 ]
simulate --partitions 7
check "partitions" grep -q " 7 reduce tasks" "$T/.out"

# ---- failures --------------------------------------------------------------------------------------------------------
simulate --nodes 16 --mtbf 10m --slow 0.1 --seed 5
cp "$T/.out" first
check "they cost time" [ "$(seconds 'with failures')" -gt "$(seconds 'without failures')" ]
check "nodes failed" grep -qE "[1-9][0-9]* failures of nodes, 2 slow nodes" first
check "slow nodes have backups" grep -qE "[1-9][0-9]* backup attempts" first
simulate --nodes 16 --mtbf 10m --slow 0.1 --seed 5
expect_same "$T/.out" first "the same seed, the same story"
simulate --nodes 16 --mtbf 10m --slow 0.1 --seed 6
check "another seed, another story" bash -c '! cmp -s .out first'
simulate --nodes 2 --mtbf 20s
check "it says what is hopeless" grep -q "still not done" "$T/.out"

# ---- one task is no tasks ---------------------------------------------------------------------------------------------
seq 100 >small.txt
expect_status 0 "$MILLRACE" simulate wordcount small.txt --slots 2 --nodes 2
expect_out '^round 1    count: 1 map task of about .*, 1 reduce task of .* to read its share$'

# ---- times of a run --------------------------------------------------------------------------------------------------
seq 100000 >numbers.txt
expect_status 0 "$MILLRACE" run wordcount numbers.txt -o counts
for from in counts counts/_manifest.json; do
    simulate --nodes 8 --from "$from"
    check "measured by $from" grep -q "tasks take what they took in \"$from\"" "$T/.out"
done

# ---- refusals --------------------------------------------------------------------------------------------------------
refuse() { # STATUS WORDS ARGS…
    expect_status "$1" "$MILLRACE" simulate "${@:3}"
    check "$2" grep -q -- "$2" "$T/.err"
}
refuse 2 "which job" --nodes 3
refuse 2 "no input" wordcount
refuse 2 "not known" wordcount - </dev/null
refuse 2 "90s, 1h" wordcount big.txt --mtbf soon
refuse 2 "from 0 to 1" wordcount big.txt --slow 2
refuse 2 "leave --map-mbps" wordcount big.txt --from counts --map-mbps 5
refuse 3 "missing.txt" wordcount missing.txt
refuse 3 "nowhere" wordcount big.txt --from nowhere
echo '{}' >empty.json
refuse 3 "does not say" wordcount big.txt --from empty.json
mkdir none
refuse 3 '"none" is no output of Millrace: it holds no _manifest.json' wordcount big.txt --from none
refuse 3 '"counts" is of a run of wordcount: no measure for looping' "$BUILD/tests/plugins/looping.so" big.txt --from counts

# ---- a loop: its passes are not played one by one, and that is said ------------------------------------------------
expect_status 0 "$MILLRACE" simulate "$BUILD/tests/plugins/looping.so" big.txt --nodes 2
expect_out '^loop       one pass; every other takes as long$'
