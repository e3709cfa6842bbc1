# test_worker: `millrace mapper` and `millrace reducer` from the command line: what they refuse, say, and leave.
. "$(dirname "$0")/../lib.sh"
cd "$T"
. "$SOURCE/tests/cluster.sh"

# ---- what is refused, all of it at once --------------------------------------------------------------------------------
for role in mapper reducer; do
    expect_status 0 "$MILLRACE" $role --help
    expect_out "^Usage: millrace $role "
    for option in master secret slots scratch listen name shuffle-codec drain-timeout accept-older-journal allow-root; do
        expect_out "^ +--$option"
    done
    expect_status 2 "$MILLRACE" $role --slots 0
    expect_status 2 "$MILLRACE" $role --drain-timeout soon
    expect_err 'drain-timeout "soon"'
    expect_status 2 "$MILLRACE" $role operand
done
expect_status 78 "$MILLRACE" mapper --master nonsense --secret missing.key --name 'two words' --scratch scratch
for reason in nonsense 'missing\.key' '--name'; do
    expect_err "$reason"
done
expect_no_out
expect_status 78 "$MILLRACE" mapper --listen 0.0.0.0:0 --scratch scratch
expect_err 'secret'
: >file
expect_status 74 "$MILLRACE" mapper --scratch file/scratch --listen 127.0.0.1:0
expect_err 'file/scratch'

# ---- a master that comes later ------------------------------------------------------------------------------------------
wait_for() {
    local i
    for ((i = 0; i < 3000; i++)); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        read -rt 0.02 <> <(:) || true
    done
    return 1
}
start_master() {
    rm -f master.out # of the master before
    "$MILLRACE" master --listen "$1" --state state --allow-root >master.out 2>>master.err &
    master=$!
    check "the master is ready" wait_for grep -q '^ready ' master.out
    address=$(sed 's/^ready //' master.out)
}

keep_port
start_master "$kept"
kill "$master"
wait "$master" || true
"$MILLRACE" mapper --master "$address" --scratch scratch --slots 1 >worker.out 2>worker.err &
worker=$!
check "it says that it tries again" wait_for grep -q 'trying again' worker.err
check "it is not ready yet" [ ! -s worker.out ]
start_master "$address"
check "it is ready" wait_for grep -qxE 'ready 127\.0\.0\.1:[0-9]+' worker.out
check "it says no more than that" [ "$(wc -l <worker.out)" -eq 1 ]

# ---- its folder ---------------------------------------------------------------------------------------------------------
expect_status 78 "$MILLRACE" mapper --master "$address" --scratch scratch
expect_err 'is held by another worker'
name=$(sed -n 's/^name //p' scratch/node)
check "its name: $name" grep -qE -- '-mapper-[a-z0-9]{6}$' <<<"$name"
check "its folder is its own" [ "$(stat -c %a scratch/node)" = 600 ]
kill -9 "$worker"
wait "$worker" || true
"$MILLRACE" mapper --master "$address" --scratch scratch --slots 1 >worker.out 2>worker.err &
worker=$!
check "it is back" wait_for grep -q '^ready ' worker.out
check "under its name" [ "$(sed -n 's/^name //p' scratch/node)" = "$name" ]
is_known() {
    [ "$(grep -c "\"$name\" is node 0" master.err)" -eq 2 ]
}
check "as the same node" wait_for is_known

# ---- descriptors, and the end -------------------------------------------------------------------------------------------
leaked=
for fd in /proc/$worker/fd/*; do
    case $(readlink "$fd") in
    socket:* | anon_inode:* | "$T"/scratch*) ;; # what it opened itself; the rest is this script's
    *) continue ;;
    esac
    flags=$(sed -n 's/^flags:[[:space:]]*//p' "/proc/$worker/fdinfo/${fd##*/}" 2>/dev/null || echo 02000000)
    [ $((8#$flags & 8#2000000)) -ne 0 ] || leaked+=" $(readlink "$fd")"
done
check "no descriptor is inherited by what it starts:$leaked" [ -z "$leaked" ]
kill "$worker"
status=0
wait "$worker" || status=$?
check "SIGTERM: nobody needs it: status $status" [ "$status" -eq 0 ]
worker=
kill "$master"
wait "$master" || true
