# daemons: what fault tests share that start the daemons of a cluster one by one. Source it after tests/cluster.sh.
declare -A daemons # process by name
misbehave=$BUILD/tests/misbehave.so

# launch NAME COMMAND…: in the background; it prints to NAME.out, and what it logs is added to NAME.err.
launch() {
    local name=$1
    shift
    rm -f "$name.out" # of the life before
    (trap - INT; ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 exec "$@") >"$name.out" 2>>"$name.err" &
    daemons[$name]=$!
}

# ready NAME: it said that it is; without it there is nothing to test.
ready() {
    local before=$failures
    await "$1 is ready" grep -q '^ready ' "$1.out"
    if [ "$failures" -gt "$before" ]; then
        cat "$1.err"
        exit 1
    fi
}
address_of() {
    sed -n 's/^ready //p' "$1.out"
}

# launch_cluster OPTION…: a master that listens here, with these options; mappers m1, m2 and reducers r1, r2 of two slots.
launch_cluster() {
    local name role
    launch master "$MILLRACE" master --listen 127.0.0.1:0 --state state --allow-root "$@"
    ready master
    MILLRACE_MASTER=$(address_of master)
    export MILLRACE_MASTER
    for name in m1 m2 r1 r2; do
        role=mapper
        [[ $name != r* ]] || role=reducer
        launch $name "$MILLRACE" $role --name $name --slots 2 --scratch "$T/scratch-$name"
    done
    for name in m1 m2 r1 r2; do ready $name; done
}

# murder NAME…: kill -9, and nothing of them is left: no process that they started, also not one that was about to become a task's
# and has the lock of a worker's folder until it is.
murder() {
    local name family=
    for name in "$@"; do
        family+=" $(family_of "${daemons[$name]}")"
        kill -9 "${daemons[$name]}" 2>/dev/null || true
    done
    for name in "$@"; do
        wait "${daemons[$name]}" 2>/dev/null || true
        unset "daemons[$name]"
        [ ! -e "scratch-$name/lock" ] || flock "scratch-$name/lock" true
    done
    outlast 60 mine $family
}

# logged NAME PATTERN: a line of its log matches. unlog NAME…: forgets what was logged so far.
logged() {
    grep -qE -- "$2" "$1.err"
}
unlog() {
    local name
    for name in "$@"; do : >"$name.err"; done
}

# told JOB EXPRESSION: of `status JOB --json`, as `it`; its tasks by name, as `tasks`.
told() {
    "$MILLRACE" status "$1" --json | python3 -c '
import json, sys
it = json.load(sys.stdin)
tasks = {task["task"]: task for task in it["tasks"]}
print(eval(sys.argv[1]))' "$2"
}
is_told() { # JOB EXPRESSION: it is true
    [ "$(told "$1" "$2")" = True ]
}

# note_attempts: of each task of the job $id, into $attempts. Others than the first may be backups of slow ones: what runs again
# has more than it had.
note_attempts() {
    attempts=$(told "$id" "{t['task']: t['attempt'] for t in it['tasks']}")
}

# is_node NAME STATE: `millrace nodes` has it in this state.
is_node() {
    "$MILLRACE" nodes --json | python3 -c '
import json, sys
sys.exit(not any(node["name"] == sys.argv[1] and node["state"] == sys.argv[2] for node in json.load(sys.stdin)))' "$1" "$2"
}

holds_nothing() { # NAME: nothing of any job is in its folder
    [ -z "$(ls "scratch-$1/jobs" 2>/dev/null)" ]
}
is_gone() { # NAME: it isn't there any more, as far as the master knows
    "$MILLRACE" nodes >/dev/null && ! is_node "$1" ready
}

# expect_parts DIR WANT WORDS: the same parts with the same bytes, and as its manifest says.
expect_parts() {
    check "$3: the same bytes" diff -r -x _manifest.json "$1" "$2"
    expect_status 0 "$MILLRACE" verify "$1"
}

# gated OUTPUT OPTION…: submits a job over in/ that waits where the options say, until open_gate; its id is $id. In map
# at the line "gate" with `--at gate`, in reduce at that key with `--reduce-at gate`.
gated() {
    local output=$1
    shift
    rm -f began gate
    expect_status 0 "$MILLRACE" submit "$misbehave" in -o "$output" --detach --how wait --began "$T/began" --until "$T/gate" "$@"
    id=$(cat .out)
}
is_begun() {
    [ -L began ]
}
# runs PHASE: the name of the node on which a task of that phase runs, of the job $id.
runs() {
    told "$id" "([t['node'] for t in it['tasks'] if t['task'].startswith('$1') and t['state'] == 'running'] + [''])[0]"
}
runs_elsewhere() { # PHASE NODE
    local node
    node=$(runs "$1")
    [ -n "$node" ] && [ "$node" != "$2" ]
}
open_gate() {
    : >gate
}

# ticks_of NAME: the processor time that it used, in hundredths of a second.
ticks_of() {
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/${daemons[$1]}/stat"
}

# make_lines: in/, of which only one file has the line "gate", and want/, what the job makes of it.
make_lines() {
    local i
    mkdir in
    for i in 1 2 3 4; do
        seq $((i * 100)) $((i * 120)) >in/$i.txt
    done
    echo gate >>in/2.txt
    "$MILLRACE" run "$misbehave" in -o want
}
