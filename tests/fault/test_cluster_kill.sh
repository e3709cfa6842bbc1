# test_cluster_kill: daemons that die at any moment, under --restart: the bytes of `millrace run` (faults F1, F8, F18, F20).
. "$(dirname "$0")/lib.sh"
. "$SOURCE/tests/cluster.sh"

seq 1 150000 | sed 's/\(.*\)\(..\)$/word\2 \1 the end/' >many.txt
"$MILLRACE" run wordcount many.txt --partitions 5 -o want

keep_port
cluster_up --mappers 2 --reducers 2 --slots 1 --restart
strikes() { # NAME: kills it where it is there; $victim is the process
    victim=$(pid_of "$1") && [ -n "$victim" ] && kill -9 "$victim"
}
is_another() { # NAME PID: it has come back
    local pid
    pid=$(pid_of "$1")
    [ -n "$pid" ] && [ "$pid" != "$2" ]
}
# ---- each daemon once, with nothing to do and with work under way ------------------------------------------------------------
for name in mapper-1 mapper-2 reducer-1 reducer-2 master; do
    await "$name is killed" strikes $name
    expect_status 0 "$MILLRACE" submit wordcount many.txt --partitions 5 -o "idle-$name"
    expect_equal "idle-$name" want "$name killed while idle"
    await "$name is another now" is_another $name "$victim"
    "$MILLRACE" submit wordcount many.txt --partitions 5 -o "busy-$name" --wait >submit.out 2>&1 &
    client=$!
    await "$name is killed at work" strikes $name
    status=0
    wait $client || status=$?
    check "$name killed at work: status $status: $(cat submit.out)" [ "$status" -eq 0 ]
    expect_equal "busy-$name" want "$name killed at work"
done

# ---- random ones, for as long as jobs run: so many kills that each daemon dies, so few that the last tasks get their time --------
names=(master mapper-1 mapper-2 reducer-1 reducer-2)
RANDOM=7
for i in 1 2 3 4 5 6; do
    kills=0
    for ((try = 1; kills == 0; try++)); do # a job may be over before this goes on
        out=random-$i-$try
        way=(-o $out)
        [ $((i % 3)) -ne 0 ] || way=(--collect -o $out)
        "$MILLRACE" submit wordcount many.txt --partitions 5 "${way[@]}" >submit.out 2>&1 &
        client=$!
        while [ $kills -lt 12 ] && kill -0 $client 2>/dev/null; do
            ! strikes "${names[RANDOM % 5]}" 2>/dev/null || kills=$((kills + 1))
            pause "0.$((RANDOM % 10))"
        done
        status=0
        wait $client || status=$?
        check "random kills ($kills), job $i: status $status: $(cat submit.out)" [ "$status" -eq 0 ]
        expect_equal $out want "random kills, job $i"
    done
done
check "nothing pending" [ "$(echo ./*.pending-*)" = './*.pending-*' ]
cluster_down

# ---- the one that holds them: none survives it -----------------------------------------------------------------------------------
cluster_up --mappers 2
children=$(children_of "$up")
kill -9 "$up"
wait "$up" || true
up=
all_gone() {
    [ -z "$(mine $children)" ]
}
await "no daemon survives cluster up" all_gone
