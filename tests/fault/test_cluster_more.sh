# test_cluster_more: a cluster on one machine whose daemons are stopped, slowed, killed at chosen calls, starved, set back, and whose
# files go (faults F1, F2, F3, F7, F9, F10, F18, F19, F26, F27, F33, F62, F63).
. "$(dirname "$0")/lib.sh"
. "$SOURCE/tests/cluster.sh"
. "$SOURCE/tests/fault/daemons.sh"
short=$(fewer 3000 5000) long=60000 # leases, in ms: for those who are gone, and one that ends for nobody who lives, however busy we are
lease=$short

# master, worker NAME ROLE OPTION…: daemons of this cluster.
master() {
    launch master "$MILLRACE" master --listen "$kept" --state state --allow-root --lease "${lease}ms" --heartbeat 250ms
}
# with_lease MS: another life of the master, under which leases are so long.
with_lease() {
    lease=$1
    murder master
    master
    ready master
}
worker() {
    local name=$1 role=$2
    shift 2
    launch "$name" "$MILLRACE" "$role" --name "$name" --slots 2 --scratch "$T/scratch-$name" "$@"
}
outputs_of() { # NAME: its map outputs of the job $id
    find "scratch-$1/jobs/$id" -maxdepth 1 -name 'map-*' 2>/dev/null
}
make_lines
keep_port
export MILLRACE_MASTER=$kept
master
ready master

# ---- F62: no worker, a worker, none again -------------------------------------------------------------------------------------------
gated out-none --at gate
waits_for() {
    is_told "$id" "it['why'] == '$1'"
}
await "the job says why it waits" waits_for 'no worker is there'
worker m1 mapper
worker r1 reducer
ready m1
ready r1
await "it begins" is_begun
murder m1 r1
await "all are gone: it waits again" waits_for 'no worker is there'
used=$(ticks_of master)
began=$(now_ms)
expect_status 124 timeout 1 "$MILLRACE" wait "$id" # it waits as long as one lets it
used=$(($(ticks_of master) - used))
took=$(($(now_ms) - began))
check "the master rests: $used ticks in $took ms" [ $((used * 100)) -le "$took" ]
worker m1 mapper
worker m2 mapper
worker r1 reducer
for name in m1 m2 r1; do ready $name; done
open_gate
expect_status 0 "$MILLRACE" wait "$id"
expect_parts out-none want "after all were gone"

# ---- F9: a mapper is stopped for longer than its lease -------------------------------------------------------------------------------
gated out-stopped --at gate
await "a map task waits" is_begun
await "somewhere" runs_elsewhere map none
victim=$(runs map)
unlog master "$victim"
kill -s STOP "${daemons[$victim]}"
await "the master gives $victim up" logged master "worker \"$victim\" \(node [0-9]+\) is lost"
await "another has its task" runs_elsewhere map "$victim"
open_gate # for the attempt of the one that is stopped, too: it is done, and nobody hears of it
expect_status 0 "$MILLRACE" wait "$id"
expect_parts out-stopped want "without the one that is stopped"
kill -s CONT "${daemons[$victim]}"
await "it hears that it was given up" logged "$victim" 'all attempts end, and it registers anew'
await "$victim is back" is_node "$victim" ready
await "its late attempt leaves nothing" holds_nothing "$victim"
expect_parts out-stopped want "after it went on"

# ---- F10: one task stands still, and its daemon lives ----------------------------------------------------------------------------------
seq 1 400 >slow.txt
for i in 1 2 3; do seq $((i * 1000)) $((i * 1000 + 300)) >slow-$i.txt; done
"$MILLRACE" run "$BUILD/tests/unruly.so" slow*.txt -o want-slow
expect_status 0 "$MILLRACE" submit "$BUILD/tests/unruly.so" slow*.txt -o out-slow --how stopself --at 17 --once "$T/once" --struck "$T/struck"
check "a task stood still, once" [ "$(stat -c %s struck)" -eq 1 ]
expect_parts out-slow want-slow "a backup won"
stopped() { # of what the mappers started
    local pid
    for pid in $(family_of "${daemons[m1]}") $(family_of "${daemons[m2]}"); do
        ! grep -qs '^State:[[:space:]]*T' "/proc/$pid/status" || echo "$pid"
    done
}
none_stopped() {
    [ -z "$(stopped)" ]
}
await "the slow attempt is gone" none_stopped

# ---- F18, F26, F27: map outputs that are gone, damaged, another's ----------------------------------------------------------------------
# harm WHAT: all map outputs are there, and no reducer: then one is harmed, and the reducer comes. The outputs are made again, as few as
# can be told: counted while the reduce task waits.
are_four() { # those of backups go
    mapfile -t files < <(outputs_of m1; outputs_of m2)
    [ ${#files[@]} -eq 4 ]
}
harm() {
    local files file other
    expect_status 0 "$MILLRACE" drain r1
    gated "out-$1" --reduce-at gate
    await "$1: all maps are done" is_told "$id" "it['maps_done'] == it['map_tasks']"
    await "$1: four outputs" are_four
    note_attempts
    file=${files[0]}
    other=${files[1]}
    case $1 in
    gone) rm "$file" ;;
    flipped) python3 -c '
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(100)
    byte = file.read(1)
    file.seek(100)
    file.write(bytes([byte[0] ^ 1]))' "$file" ;;
    swapped)
        cp "$other" held
        cp "$file" "$other.new"
        mv "$other.new" "$other"
        mv held "$file"
        ;;
    esac
    expect_status 0 "$MILLRACE" drain r1 --back
    await "$1: the reduce task has read it all" is_begun
    again=$(told "$id" "sum(t['attempt'] > $attempts[t['task']] for t in it['tasks'] if t['task'].startswith('map'))")
    check "$1: made again: $again" [ "$again" -ge 1 ] && check "$1: no more than needed" [ "$again" -le "$2" ]
    open_gate
    expect_status 0 "$MILLRACE" wait "$id"
    expect_parts "out-$1" want "$1"
}
with_lease $long
for name in m1 m2 r1; do await "$name is there" is_node $name ready; done
harm gone 1
harm flipped 1
harm swapped 2

# ---- F19: an output, and what it was made of ------------------------------------------------------------------------------------------------
expect_status 0 "$MILLRACE" drain r1
cp -r in in-kept
gated out-no-input --reduce-at gate
await "all maps are done" is_told "$id" "it['maps_done'] == it['map_tasks']"
rm $(outputs_of m1) $(outputs_of m2) in/2.txt
expect_status 0 "$MILLRACE" drain r1 --back
run "$MILLRACE" wait "$id"
check "the job fails: status $status" [ "$status" -eq 3 ]
expect_err "in/2\.txt"
expect_missing out-no-input
await "nothing of it stays" test ! -e "out-no-input.pending-$id"
cp -p in-kept/2.txt in/2.txt

# ---- F63: what is still needed stays -----------------------------------------------------------------------------------------------------------
# A long reduce task; jobs that come and go; another life of the master; then the reducer dies: no map task runs again.
gated out-long --reduce-at gate
await "the reduce task has begun" is_begun
long=$id
note_attempts
expect_status 0 "$MILLRACE" submit "$misbehave" in -o out-beside
murder master
master
ready master
expect_status 0 "$MILLRACE" submit "$misbehave" in -o out-beside-2
rm began
murder r1
worker r1 reducer
ready r1
await "it begins again" is_begun
check "no map task ran again" is_told "$long" "all(t['attempt'] == $attempts[t['task']] for t in it['tasks'] if t['task'].startswith('map'))"
check "but the reduce task did" is_told "$long" "tasks['reduce-0']['attempt'] > $attempts['reduce-0']"
open_gate
expect_status 0 "$MILLRACE" wait "$long"
expect_parts out-long want "a long reduce task"
for name in m1 m2 r1; do await "$name removes what nobody needs" holds_nothing $name; done

# ---- F3: two masters on one state ---------------------------------------------------------------------------------------------------------------
expect_status 75 "$MILLRACE" master --listen 127.0.0.1:0 --state state --allow-root
expect_err 'another master uses the state in "state"'
expect_no_out
expect_status 0 "$MILLRACE" submit "$misbehave" in -o out-two
expect_parts out-two want "the first is not disturbed"

# ---- F33: no descriptors ----------------------------------------------------------------------------------------------------------------------------
# Those who asked are gone, so that no descriptor below the limit comes free: three workers, and nobody else, are connected.
are_alone() {
    [ "$(find "/proc/${daemons[master]}/fd" -lname 'socket:*' | wc -l)" -eq 4 ] # it listens, too
}
await "nobody but workers is connected to the master" are_alone
limit=$(prlimit --pid "${daemons[master]}" --nofile --output SOFT --noheadings | tr -d ' ')
prlimit --pid "${daemons[master]}" --nofile=3: # none again for one that it gives up, either
used=$(ticks_of master)
began=$(now_ms)
expect_status 5 "$MILLRACE" nodes --connect-timeout 1
used=$(($(ticks_of master) - used))
took=$(($(now_ms) - began))
check "the master is not busy with it: $used ticks in $took ms" [ $((used * $(fewer 100 40))) -le "$took" ]
prlimit --pid "${daemons[master]}" --nofile="$limit:"
expect_status 0 "$MILLRACE" submit "$misbehave" in -o out-descriptors
expect_parts out-descriptors want "descriptors are there again"

# ---- F7: an older journal ---------------------------------------------------------------------------------------------------------------------------
murder master
cp -r state state-old
lease=$short # nobody waits for those that are dead
master
ready master
for name in m1 m2 r1; do await "$name is there" is_node $name ready; done
seen() { sed -n 's/^sequence //p' "scratch-$1/node"; }
before=$(seen m1)
expect_status 0 "$MILLRACE" submit "$misbehave" in -o out-newer
has_seen() { [ "$(seen "$1")" -ge "$2" ]; }
await "m1 has seen what is to be lost" has_seen m1 $((before + 8))
murder master m2 r1
mv state state-newer
cp -r state-old state
unlog m1
master
ready master
older="the master's journal is older .* than what this worker saw acknowledged"
await "m1 refuses" logged m1 "$older"
gated out-older --at gate
await "nobody works for it" is_told "$id" "it['why'] == 'no worker is there'"
check "nothing has begun" eval '! is_begun'
# Other workers come, and it grows beyond what m1 saw: it is the wrong one all the same, also for an m1 that comes only now.
worker m3 mapper
worker r3 reducer
ready m3
ready r3
open_gate
expect_status 0 "$MILLRACE" wait "$id"
expect_parts out-older want "the older journal, with other workers"
grown() {
    expect_status 0 "$MILLRACE" submit "$misbehave" in --collect --detach
    expect_status 0 "$MILLRACE" cancel "$(cat .out)"
    has_seen m3 $(($(seen m1) + 8))
}
await "the older journal has grown past what m1 saw" grown
check "m1 said it once" [ "$(grep -c "$older" m1.err)" -eq 1 ]
check "so did the master" [ "$(grep -c 'worker "m1" is refused' master.err)" -eq 1 ]
murder m1
unlog m1
worker m1 mapper
await "m1 refuses what has grown" logged m1 "$older"
check "m1 is not taken in" eval '! is_node m1 ready'
# The right one is there again: it goes on by itself.
murder master m3 r3
mv state state-older
mv state-newer state
master
ready master
ready m1
# The older one is what there is, says its operator.
murder master m1
rm -r state
mv state-older state
master
ready master
worker m1 mapper --accept-older-journal
worker r1 reducer --accept-older-journal
ready m1
ready r1
expect_status 0 "$MILLRACE" submit "$misbehave" in -o out-word
expect_parts out-word want "an operator's word"

# ---- F1, F2: the master is killed at its n-th sync of the journal, the reducer at its n-th rename, of which some publish ---------------
case $MR_SANITIZE in *thread*) exit 0 ;; esac # nothing may stand between program and system there
if ! (need_shim); then exit 0; fi # what came before counts
# killed_at NAME CLASS HOW N ENV…: a job, and this daemon dies at that call; then it is started again. False: there is no such call.
killed_at() {
    local name=$1 class=$2 how=$3 n=$4 output=out-$1-$4 start=master client
    shift 4
    [ "$name" = master ] || start="worker $name reducer"
    murder "$name"
    rm -f report
    LD_PRELOAD=$plugins/shim.so FAULT_CLASS=$class FAULT_HOW=$how FAULT_AT=$n FAULT_REPORT=$T/report launch_with "$@" $start
    "$MILLRACE" submit "$misbehave" in -o "$output" --connect-timeout 60 >submit.out 2>&1 &
    client=$!
    await "$name, $class $n: it or the job ends" one_ended $client "${daemons[$name]}"
    if ! kill -0 "${daemons[$name]}" 2>/dev/null; then
        murder "$name"
        $start
        ready "$name"
    fi
    status=0
    wait $client || status=$?
    check "$name, $class $n: status $status: $(cat submit.out)" [ "$status" -eq 0 ]
    expect_parts "$output" want "$name, $class $n"
    [ "$(od -An -t u8 -j 8 -N 8 report | tr -d ' ')" -gt 0 ]
}
# launch_with NAME=VALUE… COMMAND…: a daemon before which the shim stands, and before nothing else.
launch_with() {
    while [[ $1 == *=* ]]; do
        local -x "$1"
        shift
    done
    "$@"
}
one_ended() {
    ! kill -0 "$1" 2>/dev/null || ! kill -0 "$2" 2>/dev/null
}
n=1
while [ $n -le "$(fewer 40 8)" ] && killed_at master sync killed $n FAULT_PATH=journal; do n=$((n + 1)); done
check "the master was killed at $((n - 1)) syncs" [ $n -gt 4 ]
murder master
master # without a shim
ready master
n=1
while [ $n -le "$(fewer 40 6)" ] && killed_at r1 rename "$([ $((n % 2)) -eq 0 ] && echo kill || echo killed)" $n X=; do n=$((n + 1)); done
check "the reducer was killed at $((n - 1)) renames" [ $n -gt 2 ]
check "nothing pending: $(echo ./*.pending-*)" [ "$(echo ./*.pending-*)" = './*.pending-*' ]
