# cluster: what scripts that start clusters share, beyond lib.sh. Source it after that, with $T as the current folder.
#
# Every cluster listens on a port of its own; its secret lies in $T, since the runtime directory does. When a script ends, nothing
# that it started lives on, and nothing of that makes a file in $T while it is removed.
mkdir -m 700 "$T/runtime"
mkfifo "$T/pause" # nobody writes to it: reading it takes as long as its time-out
export XDG_RUNTIME_DIR=$T/runtime
unset MILLRACE_MASTER MILLRACE_SECRET
up= kept=

pause() { # SECONDS
    read -r -t "$1" <>"$T/pause" || true
}

# keep_port: $kept is an address here whose port nobody else gets while this script runs: for a master that goes and comes back.
# Who is bound to a port and doesn't listen leaves it to those that name it.
keep_port() {
    mkfifo "$T/kept"
    python3 -c '
import signal, socket
kept = socket.socket()
kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
kept.bind(("127.0.0.1", 0))
print("127.0.0.1:%d" % kept.getsockname()[1], flush=True)
signal.pause()' >"$T/kept" &
    read -r kept <"$T/kept"
}

# cluster_up OPTION…: starts a cluster in the background and waits until it is ready: $up is its process, MILLRACE_MASTER
# names it, what it says goes to $T/up.err. Leaks of daemons and tasks are looked for elsewhere: a look that is cut off by
# SIGKILL, as the end of a task may be, is a report.
cluster_up() {
    rm -f "$T/up.ready"
    mkfifo "$T/up.ready"
    (trap - INT; ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 exec "$MILLRACE" cluster up --listen "${kept:-127.0.0.1:0}" "$@") >"$T/up.ready" 2>"$T/up.err" &
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
    left=$(mine $children)
    check "the cluster ended with $status, and left no process: $left" [ "$status$left" = 0 ]
    up=
}

# mine PID…: those of these processes that live and that this script started. The number of one that is gone may be another's.
mine() {
    local pid
    for pid in "$@"; do
        ! TMPDIR=/ grep -qsF "TMPDIR=$T" "/proc/$pid/environ" || echo "$pid"
    done
}
all_mine() {
    TMPDIR=/ grep -lsF "TMPDIR=$T" /proc/[0-9]*/environ | cut -d / -f 3 || true
}
is_over() { # PID
    [ -z "$(mine "$1")" ]
}
# outlast SECONDS LIST…: waits until the command LIST lists no process, for so long at most.
outlast() {
    local end=$((SECONDS + $1))
    shift
    while [ -n "$("$@")" ] && [ $SECONDS -lt $end ]; do pause 0.01; done
}
# Whoever stands over tasks ends them, which takes it a moment.
at_exit() {
    local started
    started=$(jobs -p)
    disown -a # nobody need hear that they are killed
    kill -9 $started 2>/dev/null || true
    outlast 20 all_mine
    kill -9 $(all_mine) 2>/dev/null || true
    outlast 20 all_mine
}

# children_of PID: the processes that its threads started; family_of PID: and what these started, and so on, itself too.
children_of() {
    cat /proc/"$1"/task/*/children 2>/dev/null || true
}
family_of() {
    local child
    echo "$1"
    for child in $(children_of "$1"); do family_of "$child"; done
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
        pause 0.02
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
