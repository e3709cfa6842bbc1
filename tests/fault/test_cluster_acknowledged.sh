# test_cluster_acknowledged: nothing is acknowledged before it is in the journal, and what was acknowledged survives (fault F1).
. "$(dirname "$0")/lib.sh"
. "$SOURCE/tests/cluster.sh"
. "$SOURCE/tests/fault/daemons.sh"
need_shim

keep_port
export MILLRACE_MASTER=$kept
# The master's writes to its journal wait while the file `shut` exists.
master() {
    LD_PRELOAD=$plugins/shim.so FAULT_CLASS=write FAULT_HOW=hold FAULT_AT=1 FAULT_PATH=journal FAULT_GATE=$T/shut FAULT_REPORT=$T/report \
        launch master "$MILLRACE" master --listen "$kept" --state state --allow-root
    ready master
}
struck() {
    echo $(($(od -An -t u8 -j 8 -N 8 report)))
}
has_struck() { # COUNT: once more than so often
    [ "$(struck)" -gt "$1" ]
}
# held WORDS COMMAND…: it gets no answer while the journal is not written; then the master dies, and another begins.
held() {
    local words=$1 client
    shift
    before=$(struck)
    : >shut
    "$MILLRACE" "$@" >.out 2>.err &
    client=$!
    await "$words: the journal is to be written" has_struck "$before"
    pause 1 # an answer would not be long in coming
    check "$words: it waits" [ -n "$(mine $client)" ]
    murder master
    kill -9 $client
    wait $client 2>/dev/null || true
    expect_no_out
    rm shut
    master
}
# dies: the answer came, and the master dies at once.
dies() {
    murder master
    master
}
printf 'a word\n' >in.txt
master
held "a job" submit wordcount in.txt --collect --detach
expect_status 0 "$MILLRACE" submit wordcount in.txt --collect --detach
id=$(cat .out)
dies
expect_status 0 "$MILLRACE" status "$id"
held "cancelling" cancel "$id"
expect_status 0 "$MILLRACE" cancel "$id"
dies
run "$MILLRACE" wait "$id"
check "it stays cancelled: status $status" [ "$status" -eq 130 ]

# A node that is drained stays so.
launch m1 "$MILLRACE" mapper --name m1 --scratch "$T/scratch-m1"
ready m1
await "m1 is there" is_node m1 ready
held "draining" drain m1
await "m1 is there, still" is_node m1 ready
expect_status 0 "$MILLRACE" drain m1
dies
await "it stays drained" is_node m1 draining

# Who is interrupted meanwhile, and was told to cancel then, does.
: >shut
"$MILLRACE" submit wordcount in.txt -o out-hasty --wait --cancel-on-exit >/dev/null 2>hasty &
client=$!
is_known() {
    "$MILLRACE" status --json | grep -q out-hasty
}
await "the master knows the job" is_known
kill -s TERM $client
is_ended() {
    "$MILLRACE" status --json | python3 -c 'import json, sys
sys.exit(not any("out-hasty" in job["command"] and job["state"] == "stopping" for job in json.load(sys.stdin)))'
}
await "and that it is to end" is_ended # else its client might hear of the job before it hears the signal
rm shut
status=0
wait $client || status=$?
check "interrupted: status $status: $(cat hasty)" [ "$status" -eq 143 ]
check "it says that it is cancelled" grep -q 'interrupted; job [0-9a-f]* is cancelled' hasty
check "nothing pending" [ "$(echo ./*.pending-*)" = './*.pending-*' ]
expect_status 0 "$MILLRACE" status
expect_out "out-hasty.*cancelled|cancelled.*out-hasty"
