# test_cluster_life: what becomes of outputs that don't come to be, of workers of one name, and of `cluster up` whose daemons die or
# can't start (faults F8, F47).
. "$(dirname "$0")/lib.sh"
. "$SOURCE/tests/cluster.sh"
. "$SOURCE/tests/fault/daemons.sh"

# master OPTION…, worker NAME ROLE OPTION…: daemons of this cluster.
master() {
    launch master "$MILLRACE" master --listen "$kept" --state state --allow-root "$@"
}
worker() {
    local name=$1 role=$2
    shift 2
    launch "$name" "$MILLRACE" "$role" --slots 2 --scratch "$T/scratch-$name" --name "$name" "$@"
}
make_lines
keep_port
export MILLRACE_MASTER=$kept
master
ready master

# ---- a job is cancelled, and no worker ever saw it -------------------------------------------------------------------------------------
expect_status 0 "$MILLRACE" submit "$misbehave" in -o out-left --detach
left=$(cat .out)
check "its directory is there" test -d "out-left.pending-$left"
expect_status 0 "$MILLRACE" cancel "$left"
check "nobody can remove it yet" test -d "out-left.pending-$left"
murder master
master # another life of it: it is not forgotten
ready master
# Who follows its job removes it without any worker.
"$MILLRACE" submit "$misbehave" in -o out-followed --wait --cancel-on-exit >/dev/null 2>followed &
client=$!
is_submitted() {
    "$MILLRACE" status --json | grep -q out-followed
}
await "it is submitted" is_submitted
kill -s TERM $client
status=0
wait $client || status=$?
check "interrupted: status $status: $(cat followed)" [ "$status" -eq 143 ]
check "the client removed it" [ "$(echo out-followed.pending-*)" = 'out-followed.pending-*' ]
worker m1 mapper
ready m1
check "a mapper need not see outputs" test -d "out-left.pending-$left"
worker r1 reducer
ready r1
await "the first reducer that comes removes it" test ! -e "out-left.pending-$left"
# No reducer has heard of a job whose maps go on.
gated out-early --at gate
await "a map task waits" is_begun
expect_status 0 "$MILLRACE" cancel "$id"
await "a reducer is told of it" test ! -e "out-early.pending-$id"
open_gate

# ---- F47: the output's directory appears before the result is there: the result is kept --------------------------------------------------
# is_kept DIR: where the last command's message says that the result is, it is.
is_kept() {
    local kept
    kept=$(sed -n 's/.*the result is kept: mv "\([^"]*\)" NAME publishes it.*/\1/p' .err)
    check "$1: it says where: $kept" test -d "$kept"
    expect_parts "$kept" want "$1"
    expect_status 0 mv "$kept" "$1-by-hand"
    expect_parts "$1-by-hand" want "$1, published by hand"
}
for way in directory file output; do
    gated out-$way --reduce-at gate
    await "$way: a reduce task waits" is_begun
    case $way in
    directory) mkdir out-$way ;;
    file) echo mine >out-$way ;;
    output) cp -r want out-$way ;;
    esac
    open_gate
    expect_status 2 "$MILLRACE" wait "$id"
    expect_err 'has appeared while the job ran'
    is_kept out-$way
done
check "who came first stays" [ "$(cat out-file)" = mine ]
check "likewise" [ -z "$(ls out-directory)" ]
rm -f began gate
"$MILLRACE" submit "$misbehave" in --collect -o out-collected --how wait --began "$T/began" --until "$T/gate" --reduce-at gate 2>.err &
client=$!
await "collected: a reduce task waits" is_begun
mkdir out-collected
open_gate
status=0
wait $client || status=$?
check "collected: status $status" [ "$status" -eq 2 ]
is_kept out-collected
check "nothing waits to be collected" eval '! "$MILLRACE" status | grep -q uncollected'

# ---- two workers of one name ----------------------------------------------------------------------------------------------------------------
gated out-names --at gate
await "a map task waits" is_begun
unlog m1
expect_status 78 "$MILLRACE" mapper --name m1 --slots 2 --scratch "$T/scratch-other"
expect_no_out
expect_err 'another worker named "m1" is here \(at 127\.0\.0\.1:[0-9]+, in ".*scratch-m1"\): each needs a name of its own \(--name\)'
expect_status 78 "$MILLRACE" reducer --name m1 --scratch "$T/scratch-other"
open_gate
expect_status 0 "$MILLRACE" wait "$id"
expect_parts out-names want "the first goes on"
check "undisturbed: $(cat m1.err)" [ ! -s m1.err ]
murder m1
worker m1 mapper # the same, come back
ready m1
# One that lost its folder is another to the master: it waits until the lease of the one before has ended.
murder master m1
rm -r scratch-m1
master --lease 600s
ready master
worker m1 mapper
ready m1 # the master is new too, and heard of no other
murder m1
rm -r scratch-m1
unlog m1
worker m1 mapper
await "it is told to wait" logged m1 'its lease has not ended; trying again'
check "it is not ready" [ ! -s m1.out ]
murder master
master --lease 2s # from now on
ready master
ready m1
gated out-again
expect_status 0 "$MILLRACE" wait "$id"
expect_parts out-again want "with the one that came last"
for name in m1 r1; do
    kill -s TERM "${daemons[$name]}"
    wait "${daemons[$name]}" || true
    unset "daemons[$name]"
done

# ---- a disk that doesn't answer does not keep a worker from finding its master ---------------------------------------------------------------
# More publications than the pool has threads wait for locks that are held here, as they would for a disk. The jobs wait until all are.
port=${MILLRACE_MASTER##*:}
worker r1 reducer --verbose --master "localhost:$port" # a name: it must be looked up
worker m1 mapper
ready r1
ready m1
ids=() locks=()
for i in 1 2 3 4 5 6; do
    gated "out-stuck-$i" --reduce-at gate
    ids+=("$id")
    exec {lock}>"out-stuck-$i.pending-$id/lock"
    flock "$lock"
    locks+=("$lock")
done
open_gate
are_publishing() {
    [ "$("$MILLRACE" status --json | python3 -c 'import json, sys
print(sum(job["state"] == "publishing" for job in json.load(sys.stdin)))')" = 6 ]
}
await "all are to be published" are_publishing
murder master
master --lease 2s
ready master
await "the reducer has come again" logged r1 'registered again'
for lock in "${locks[@]}"; do flock -u "$lock"; done
for i in 1 2 3 4 5 6; do
    expect_status 0 "$MILLRACE" wait "${ids[i - 1]}"
    expect_parts "out-stuck-$i" want "after the disk answered, $i"
done
for name in m1 r1 master; do
    kill -s TERM "${daemons[$name]}"
    wait "${daemons[$name]}" || true
    unset "daemons[$name]"
done

# ---- cluster up tells of deaths that it sees --------------------------------------------------------------------------------------------------
# With a lease of ten minutes nothing but its word can have a task run again in the minute for which this waits.
cluster_up --mappers 2 --lease 600s --slots 1
gated out-told --at gate
await "a map task waits" is_begun
node_of_gate() { # the task of in/2.txt
    told "$id" "tasks['map-1']['node']"
}
victim=$(node_of_gate)
is_elsewhere() {
    local node
    node=$(node_of_gate)
    [ "$node" != None ] && [ "$node" != "$victim" ]
}
kill -9 "$(pid_of "$victim")"
await "the master gives $victim up" is_gone "$victim"
await "its task is elsewhere" is_elsewhere
open_gate
expect_status 0 "$MILLRACE" wait "$id"
expect_parts out-told want "after a death"
cluster_down

# ---- statuses of cluster up, and its end -------------------------------------------------------------------------------------------------------
unset MILLRACE_MASTER
cluster_up --mappers 1 --state "$T/up-state"
expect_status 78 "$MILLRACE" cluster up --listen "$MILLRACE_MASTER"
expect_err 'another process listens there'
expect_status 75 "$MILLRACE" cluster up --listen 127.0.0.1:0 --state "$T/up-state"
expect_err 'another master uses the state in ".*up-state"'
expect_err 'master ended with status 75 before it was ready'
expect_status 78 "$MILLRACE" cluster up --listen 127.0.0.1:0 --state "$T/in/1.txt"
expect_status 2 "$MILLRACE" cluster up --listen 127.0.0.1:0 --lease 1ms
expect_status 4 "$MILLRACE" cluster up --listen 127.0.0.1:0 --state "$T/nowhere/state"
cluster_down
is_uncollected() {
    "$MILLRACE" status "$id" | grep -q uncollected
}
# ends_waited_for: how long it takes to end while an output waits to be collected, for which its worker would wait by itself.
ends_waited_for() {
    local began
    cluster_up --mappers 1
    expect_status 0 "$MILLRACE" submit "$misbehave" in --collect --detach
    id=$(cat .out)
    await "an output waits to be collected" is_uncollected
    began=$(now_ms)
    cluster_down
    took=$(($(now_ms) - began))
}
within_ms=$((3 * patience_ms)) fastest ends_waited_for
check "Ctrl-C ends it: $took ms" [ "$took" -lt $((3 * patience_ms)) ]
# ends_twice: how long it takes from a second Ctrl-C on, whatever a daemon does.
ends_twice() {
    local began
    cluster_up --mappers 1
    kill -s STOP "$(pid_of mapper-1)"
    began=$(now_ms)
    kill -s INT "$up"
    pause 0.1
    kill -s INT "$up"
    wait "$up" || true
    up=
    took=$(($(now_ms) - began))
}
within_ms=$((2 * patience_ms)) fastest ends_twice
check "twice ends it at once: $took ms" [ "$took" -lt $((2 * patience_ms)) ]
