# test_cluster_net: a cluster whose network fails: cuts of both ways and of one, vanished peers, strangers, bytes that change on
# their way (faults F11 to F14, F21, F23, F24, F26, F49). Each worker has a network namespace, and a file system that
# others don't see, so that all goes over the wire. All of it is private to this script, and ends with it.
if [ -z "${MR_IS_APART:-}" ]; then
    apart=(unshare --mount --net --pid --fork --kill-child --mount-proc)
    # The whole of it once, for what is not permitted here.
    if ! "${apart[@]}" bash -c 'mount -t tmpfs run /run && ip link add br0 type bridge && ip netns add probe &&
        ip link add v type veth peer name eth0 netns probe && ip link set v master br0' >/dev/null 2>&1; then
        echo "skipped: this machine doesn't let the test make network namespaces, bridges and pairs of devices"
        exit 77
    fi
    MR_IS_APART=1 exec "${apart[@]}" bash "$0"
fi
. "$(dirname "$0")/lib.sh"
. "$SOURCE/tests/cluster.sh"
. "$SOURCE/tests/fault/daemons.sh"
lease=$(fewer 3000 5000) # ends for nobody who stands still for two seconds

# ---- the network ---------------------------------------------------------------------------------------------------------
# The master, and whoever submits, are at 10.7.0.1; node N at 10.7.0.N, its other end is vN.
declare -A place=([m1]=2 [m2]=3 [r1]=4 [r2]=5 [r3]=6 [c1]=7)
nowhere=02:00:00:00:00:99 # a MAC address that nobody has
mount -t tmpfs run /run
ip link set lo up
ip link add br0 type bridge
ip addr add 10.7.0.1/24 dev br0
ip link set br0 up
for name in "${!place[@]}"; do
    n=${place[$name]}
    ip netns add "$name"
    ip link add "v$n" type veth peer name eth0 netns "$name"
    ip link set "v$n" master br0 up
    ip -n "$name" addr add "10.7.0.$n/24" dev eth0
    ip -n "$name" link set eth0 up
    ip -n "$name" link set lo up
done

# worker NAME ROLE OPTION…: on its node, in scratch-NAME that nobody else sees.
worker() {
    local name=$1 role=$2
    shift 2
    mkdir -p "scratch-$name"
    launch "$name" nsenter --net="/run/netns/$name" unshare --mount bash -c 'mount -t tmpfs -o mode=700 scratch "$0" && exec "$@"' \
        "$T/scratch-$name" "$MILLRACE" "$role" --name "$name" --slots 2 --scratch "$T/scratch-$name" --allow-root "$@"
}
# cut KIND NAME, mend KIND NAME: between the master and a node.
cut() {
    case $1 in
    both) ip link set "v${place[$2]}" down ;;
    deaf-master) ip -n "$2" neigh replace 10.7.0.1 lladdr $nowhere dev eth0 nud permanent ;;
    deaf-worker) ip neigh replace "10.7.0.${place[$2]}" lladdr $nowhere dev br0 nud permanent ;;
    esac
}
mend() {
    case $1 in
    both) ip link set "v${place[$2]}" up ;;
    deaf-master) ip -n "$2" neigh del 10.7.0.1 dev eth0 ;;
    deaf-worker) ip neigh del "10.7.0.${place[$2]}" dev br0 ;;
    esac
}
# received NAME: packets that reached that node; sent NAME: that left it.
received() {
    nsenter --net="/run/netns/$1" awk '/eth0:/ { print $3 }' /proc/self/net/dev
}
sent() {
    nsenter --net="/run/netns/$1" awk '/eth0:/ { print $11 }' /proc/self/net/dev
}

make_lines
"$MILLRACE" secret new cluster.key
export MILLRACE_SECRET=$T/cluster.key
launch master "$MILLRACE" master --listen 10.7.0.1:0 --state state --allow-root --lease "${lease}ms" --heartbeat 250ms
ready master
MILLRACE_MASTER=$(address_of master)
export MILLRACE_MASTER
worker m1 mapper --listen 0.0.0.0:7101
worker m2 mapper
worker r1 reducer
worker r2 reducer
for name in m1 m2 r1 r2; do ready $name; done

# ---- F14: between a mapper and a reducer, of which both reach the master ---------------------------------------------------------
# Nobody is told (a MAC address that nobody has): others do what that reducer can't, before its time-outs end. They come when it
# has tried.
seq 1 9000 | sed 's/\(.*\)\(.\)$/word\2 \1/' >words.txt
"$MILLRACE" run wordcount words.txt --partitions 4 -o want-words
expect_status 0 "$MILLRACE" drain m2 # all map outputs are on m1
cut_pair() {
    ip -n m1 neigh "$1" "10.7.0.${place[r1]}" lladdr $nowhere dev eth0 nud permanent
    ip -n r1 neigh "$1" "10.7.0.${place[m1]}" lladdr $nowhere dev eth0 nud permanent
}
knocks() {
    [ -n "$(nsenter --net=/run/netns/r1 ss -Htn state syn-sent dst "10.7.0.${place[m1]}")" ]
}
cut_pair replace
expect_status 0 "$MILLRACE" drain r2
"$MILLRACE" submit wordcount words.txt --partitions 4 -o out-silent >submit.out 2>&1 &
client=$!
await "r1 knocks at m1 in vain" knocks
expect_status 0 "$MILLRACE" drain r2 --back
status=0
wait $client || status=$?
check "the job ends well: $status: $(cat submit.out)" [ "$status" -eq 0 ]
expect_equal out-silent want-words "a silent cut between two workers"
cut_pair del

# Each connection is refused at once: it is said, and another reads what was made, or it is made again.
murder r1
worker r1 reducer
ready r1
expect_status 0 "$MILLRACE" drain r2 # now r1 alone reduces
ip -n m1 route add unreachable "10.7.0.${place[r1]}/32"
ip -n r1 route add unreachable "10.7.0.${place[m1]}/32"
"$MILLRACE" submit wordcount words.txt --partitions 4 -o out-loud --follow >follow.out 2>&1 &
client=$!
await "r1 says what it can't read" grep -qE "reduce task [0-3] can't read the output of map task 0: .*10\.7\.0\.2:7101" follow.out
expect_status 0 "$MILLRACE" drain r2 --back
status=0
wait $client || status=$?
check "the job ends well: $status: $(tail -n 3 follow.out)" [ "$status" -eq 0 ]
expect_equal out-loud want-words "a cut between two workers"
check "nobody was given up but r1, killed" [ "$(grep -c 'is lost' master.err)" -le 1 ]
ip -n m1 route del unreachable "10.7.0.${place[r1]}/32"
ip -n r1 route del unreachable "10.7.0.${place[m1]}/32"

# A connection that stands, and on which nothing comes any more: given up as soon as a lease would be (four seconds at
# least), not when TCP does; then as above.
murder r1
worker r1 reducer
ready r1
expect_status 0 "$MILLRACE" drain r2
expect_status 0 "$MILLRACE" submit wordcount words.txt --partitions 4 -o out-before
stands() { # NODE PEER: a connection, as NODE sees it
    [ -n "$(nsenter --net="/run/netns/$1" ss -Htn state established dst "10.7.0.${place[$2]}")" ]
}
check "r1 and m1 are connected" stands r1 m1
began=$(now_ms)
cut_pair replace
"$MILLRACE" submit wordcount words.txt --partitions 4 -o out-mute --follow >follow.out 2>&1 &
client=$!
await "r1 gives the connection up, and knocks again" knocks
took=$(($(now_ms) - began))
check "long before TCP does: after $took ms" [ "$took" -lt 60000 ]
check "no old one stands there" eval '! stands r1 m1'
await "so does m1" eval '! stands m1 r1'
await "r1 says what it can't read" grep -qE "reduce task [0-3] can't read the output of map task 0: .*10\.7\.0\.2:7101" follow.out
expect_status 0 "$MILLRACE" drain r2 --back
status=0
wait $client || status=$?
check "the job ends well: $status: $(tail -n 3 follow.out)" [ "$status" -eq 0 ]
expect_equal out-mute want-words "a connection that went silent"
check "nobody was given up but r1, killed twice" [ "$(grep -c 'is lost' master.err)" -le 2 ]
cut_pair del
expect_status 0 "$MILLRACE" drain m2 --back

# ---- F11, F12, F13: between the master and a mapper --------------------------------------------------------------------------
has_received() { # NAME COUNT: more packets than so many
    [ "$(received "$1")" -gt "$2" ]
}
has_sent() {
    [ "$(sent "$1")" -gt "$2" ]
}
holder() { # of the process that waits
    local name
    for name in m1 m2; do
        ! family_of "${daemons[$name]}" | grep -qx "$(readlink began)" || echo $name
    done
}
for kind in $(fewer 'both deaf-master deaf-worker' 'deaf-worker'); do
    gated "out-$kind" --at gate
    await "$kind: a map task waits" is_begun
    task=$(readlink began)
    victim=$(holder)
    unlog master "$victim"
    cut $kind "$victim"
    before=$(received "$victim") sent_before=$(sent "$victim")
    await "$kind: the master gives $victim up" logged master "worker \"$victim\" \(node [0-9]+\) is lost"
    await "$kind: it ends its attempts by itself" logged "$victim" 'all attempts end.*the master renewed nothing for'
    await "$kind: its task is gone" is_over "$task"
    case $kind in
    both) check "$kind: nothing reached it" [ "$(received "$victim")" -eq "$before" ] ;;
    deaf-master) await "$kind: it heard the master all the time" has_received "$victim" "$before" ;;
    deaf-worker) await "$kind: it spoke all the time" has_sent "$victim" "$sent_before" ;;
    esac
    await "$kind: another has its task" runs_elsewhere map "$victim"
    open_gate
    expect_status 0 "$MILLRACE" wait "$id"
    expect_parts "out-$kind" want "$kind"
    mend $kind "$victim"
    await "$kind: $victim is back" is_node "$victim" ready
    await "$kind: nothing of the job is left there" nsenter -t "${daemons[$victim]}" -m bash -c '! ls "$0"/jobs/* 2>/dev/null' "$T/scratch-$victim"
done

# ---- F24: a peer vanishes without a word, and nothing is under way -------------------------------------------------------------------
unlog master
sockets_of() {
    ss -Htn state established dst "10.7.0.${place[$1]}" | wc -l
}
await "m2 has a connection" eval '[ "$(sockets_of m2)" -ge 1 ]'
kill -s STOP "${daemons[master]}" # lest it give up who is dead before we have looked
ip link set "v${place[m2]}" down
murder m2
check "its end is not told: the connection stands" [ "$(sockets_of m2)" -ge 1 ]
kill -s CONT "${daemons[master]}"
await "the master gives m2 up" logged master 'worker "m2" \(node [0-9]+\) is lost'
await "and closes its end" eval '[ "$(sockets_of m2)" -eq 0 ]'
ip link set "v${place[m2]}" up
worker m2 mapper
ready m2
expect_status 0 "$MILLRACE" submit wordcount words.txt --partitions 4 -o out-vanished
expect_equal out-vanished want-words "after one vanished"

# Likewise a command, and a reducer that was served: nothing of them stays with those who served them.
expect_status 0 "$MILLRACE" drain r1
expect_status 0 "$MILLRACE" submit wordcount words.txt --partitions 4 -o out-served
expect_status 0 "$MILLRACE" drain r1 --back
gated out-alone --at gate
launch c1 nsenter --net=/run/netns/c1 "$MILLRACE" wait "$id"
await "c1 waits at the master" eval '[ "$(sockets_of c1)" -eq 1 ]'
await "m1 or m2 has served r2" eval 'stands m1 r2 || stands m2 r2'
kill -s STOP "${daemons[master]}"
for name in c1 r2; do ip link set "v${place[$name]}" down; done
murder c1 r2
check "the end of c1 is not told" [ "$(sockets_of c1)" -eq 1 ]
kill -s CONT "${daemons[master]}"
await "the master closes c1's end" eval '[ "$(sockets_of c1)" -eq 0 ]'
await "mappers close r2's" eval '! stands m1 r2 && ! stands m2 r2'
for name in c1 r2; do ip link set "v${place[$name]}" up; done
open_gate
expect_status 0 "$MILLRACE" wait "$id"
expect_parts out-alone want "a job that nobody waits for"
worker r2 reducer
ready r2

# ---- F49: strangers ---------------------------------------------------------------------------------------------------------------------
"$MILLRACE" secret new other.key
unlog master
expect_status 5 "$MILLRACE" nodes --secret other.key
expect_err "doesn't know this secret"
worker r3 reducer --secret "$T/other.key"
await "a worker with another secret hears why" logged r3 "doesn't know this secret.*trying again"
check "and is not ready" [ ! -s r3.out ]
murder r3
python3 - "$MILLRACE_MASTER" <<'P' >strangers
import socket, sys
host, _, port = sys.argv[1].rpartition(":")
for words in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(range(256)) * 20, b"\xff" * 4):
    with socket.create_connection((host, int(port)), 30) as stranger:
        stranger.settimeout(30)
        stranger.sendall(words)
        try:
            while stranger.recv(4096):
                pass
        except ConnectionResetError:
            pass
    print("closed")
P
check "who speaks no TLS is closed" [ "$(grep -c closed strangers)" -eq 3 ]
check "the log tells of strangers" grep -q '10\.7\.0\.' master.err
for key in cluster.key other.key; do
    secret=$(grep -oE '[A-Za-z0-9+/_=-]{30,}' $key | tail -1)
    check "no log holds the secret" eval '[ -n "$secret" ] && ! grep -qF "$secret" ./*.err .err .out'
done
expect_status 0 "$MILLRACE" submit wordcount words.txt --partitions 4 -o out-strangers
expect_equal out-strangers want-words "after strangers"

# ---- F26: a byte of the shuffle changes on its way ----------------------------------------------------------------------------------------
# For r3, m1's address is its own: there the relay listens. It finds m1 by another one.
murder m2 r1 r2
ip -n m1 addr add 10.7.1.2/24 dev eth0
ip -n r3 addr add 10.7.1.6/24 dev eth0
ip -n r3 addr add 10.7.0.2/32 dev lo
launch relay nsenter --net=/run/netns/r3 python3 "$SOURCE/tests/fault/relay.py" --listen 10.7.0.2:7101 --to 10.7.1.2:7101 \
    --log flips --do 'conn 1 down flip at byte 3000' --do 'conn 2 down flip at record 2'
ready relay
worker r3 reducer --secret "$T/cluster.key"
ready r3
for name in m2 r1 r2; do await "$name is given up" is_gone $name; done
expect_status 0 "$MILLRACE" submit wordcount words.txt --partitions 4 -o out-flipped --follow --shuffle-codec none
expect_equal out-flipped want-words "bytes that changed on their way"
check "the relay struck: $(tr '\n' ';' <flips)" grep -q '1 down flip' flips
murder relay

# ---- F21, F23: between the master and a mapper bytes are lost, doubled, late; connections end anywhere -------------------------------------------
# Each connection of m3 meets one fault, in the handshake, in a message, in the job; they are whole only when all struck.
murder m1
await "m1 is given up" is_gone m1
rules=('up cut at byte 100' 'down cut at byte 700' 'up reset at byte 900' 'down twice at record 9' 'up drop at record 7' 'down flip at record 8'
    'up swap at record 8' 'down cut at byte 3000' "up delay $((lease / 1000 + 1)) at record 9" 'down delay 1 at record 8')
do=()
for rule in "${rules[@]}"; do do+=(--do "turn $rule"); done
launch relay python3 "$SOURCE/tests/fault/relay.py" --to "$MILLRACE_MASTER" --log strikes "${do[@]}"
ready relay
launch m3 "$MILLRACE" mapper --name m3 --slots 2 --scratch scratch-m3 --listen 10.7.0.1:0 --allow-root --master "$(address_of relay)"
i=0
has_struck_all() {
    [ "$(grep -cE ' (cut|reset|twice|drop|flip|swap|delay) ' strikes)" -ge ${#rules[@]} ]
}
while [ $i -lt 100 ] && { [ $i -lt 2 ] || ! has_struck_all; }; do
    i=$((i + 1))
    run "$MILLRACE" submit wordcount words.txt --partitions 4 -o "out-relay-$i"
    check "job $i over a bad connection: status $status" [ "$status" -eq 0 ]
    expect_equal "out-relay-$i" want-words "job $i over a bad connection"
done
check "each fault struck: $(grep -oE '^[0-9]+ (up|down) [a-z]+ record [0-9]+' strikes | tr '\n' ';')" has_struck_all
