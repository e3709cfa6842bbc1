# cluster: what scripts that start clusters share, beyond lib.sh. Source it after that, with $T as the current folder.
#
# Every cluster listens on a port of its own; its secret lies in $T, since the runtime directory does.
mkdir -m 700 "$T/runtime"
mkfifo "$T/pause" # nobody writes to it: reading it takes as long as its time-out
export XDG_RUNTIME_DIR=$T/runtime
unset MILLRACE_MASTER MILLRACE_SECRET
up=

# cluster_up OPTION…: starts a cluster in the background and waits until it is ready: $up is its process, MILLRACE_MASTER
# names it, what it says goes to $T/up.err. Leaks of daemons and tasks are looked for elsewhere: a look that is cut off by
# SIGKILL, as the end of a task may be, is a report.
cluster_up() {
    rm -f "$T/up.ready"
    mkfifo "$T/up.ready"
    (trap - INT; ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 exec "$MILLRACE" cluster up --listen 127.0.0.1:0 "$@") >"$T/up.ready" 2>"$T/up.err" &
    up=$!
    local word= address=
    read -r word address <"$T/up.ready" || true
    if [ "$word" != ready ]; then
        cat "$T/up.err"
        fail "a cluster starts: $*"
        exit 1
    fi
    export MILLRACE_MASTER=$address
}

# cluster_down: ends it as Ctrl-C would, and sees that none of its processes stays.
cluster_down() {
    local status=0 left children
    children=$(children_of "$up")
    kill -s INT "$up"
    wait "$up" || status=$?
    left=$(for child in $children; do kill -0 "$child" 2>/dev/null && echo "$child"; done || true)
    check "the cluster ended with $status, and left no process: $left" [ "$status$left" = 0 ]
    up=
}
at_exit_of_cluster() {
    [ -z "$up" ] || kill -9 "$up" 2>/dev/null || true
}
trap 'at_exit_of_cluster; finish' EXIT

children_of() {
    cat "/proc/$1/task/$1/children" 2>/dev/null || true
}

# pid_of NAME: the process of a daemon of the cluster: master, mapper-1, reducer-1, …
pid_of() {
    local child
    for child in $(children_of "$up"); do
        if tr '\0' ' ' <"/proc/$child/cmdline" 2>/dev/null | grep -qE " $1 |--name $1 "; then
            echo "$child"
        fi
    done
}

# await WORDS COMMAND…: looks until the command succeeds, for a minute at most.
await() {
    local words=$1 end=$((SECONDS + 60))
    shift
    while [ $SECONDS -lt $end ]; do
        if "$@" >/dev/null 2>&1; then
            ok "$words"
            return
        fi
        read -r -t 0.02 <>"$T/pause" || true
    done
    fail "$words: not within a minute"
}

# result DIR: the part of the manifest that may not depend on how it was made.
result() {
    python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1] + "/_manifest.json"))["result"], indent=1))' "$1"
}

# expect_equal DIR DIR WORDS: two outputs of one job: the same files, with the same bytes, and manifests of one result.
expect_equal() {
    local name
    check "$3: the same parts" [ "$(cd "$1" && ls)" = "$(cd "$2" && ls)" ]
    for name in "$1"/part-*; do
        cmp -s "$name" "$2/${name##*/}" || fail "$3: ${name##*/} differs"
    done
    check "$3: the same result" [ "$(result "$1")" = "$(result "$2")" ]
    expect_status 0 "$MILLRACE" verify "$1"
}

# field EXPRESSION: of the JSON in the last command's output.
field() {
    python3 -c 'import json, sys; print(eval(sys.argv[1], {"it": json.load(open(sys.argv[2]))}))' "$1" "$T/.out"
}
