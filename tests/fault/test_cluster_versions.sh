# test_cluster_versions: daemons, commands and task processes of two versions of Millrace meet (fault F53). The other is of
# version 9.9.9, in BUILD/tests/version of the same protocol, in BUILD/tests/protocol of another.
. "$(dirname "$0")/lib.sh"
. "$SOURCE/tests/cluster.sh"
. "$SOURCE/tests/fault/daemons.sh"
other_protocol=$BUILD/tests/protocol/millrace
other_version=$BUILD/tests/version/millrace
own=$("$MILLRACE" --version | sed 's/^millrace //')
make_lines

# master NAME COMMAND, worker NAME COMMAND ROLE: daemons of the Millrace COMMAND.
master() {
    launch "$1" "$2" master --listen 127.0.0.1:0 --state "state-$1" --allow-root --lease 1500ms --heartbeat 250ms
    ready "$1"
    export MILLRACE_MASTER
    MILLRACE_MASTER=$(address_of "$1")
}
worker() {
    launch "$1" "$2" "$3" --name "$1" --slots 1 --scratch "$T/scratch-$1"
}
# The sentence names both, wherever it is read.
both() { # WHO OWN PROTOCOL WHOM OTHER PROTOCOL
    echo "this $1 is Millrace $2 \(protocol $3\), and the $4 is Millrace $5 \(protocol $6\): install the same version on both machines"
}

# ---- another protocol, and a worker of another version: refused by the master, in words, on both sides --------------------------
for way in protocol:99 version:1; do
    other=$BUILD/tests/${way%:*}/millrace number=${way#*:}
    for pair in "$MILLRACE $own 1 $other 9.9.9 $number" "$other 9.9.9 $number $MILLRACE $own 1"; do
        read -r here version protocol there their_version their_protocol <<<"$pair"
        master boss "$here"
        for role in mapper reducer; do
            words=$(both master "$version" "$protocol" "$role" "$their_version" "$their_protocol")
            worker stranger "$there" $role
            await "${way%:*}: a $role $their_version hears why from a master $version" logged stranger "refuses: $words; trying again"
            await "${way%:*}: the master says so too" logged boss "was refused: $words"
            check "${way%:*}: the $role is not ready" [ ! -s stranger.out ]
            check "${way%:*}: it goes on trying" kill -0 "${daemons[stranger]}"
            murder stranger
            rm -rf scratch-stranger stranger.err
        done
        if [ "${way%:*}" = protocol ]; then
            began=$(now_ms)
            words=$(both master "$version" "$protocol" client "$their_version" "$their_protocol")
            for command in nodes "submit wordcount in -o out-refused"; do
                expect_status 5 "$there" $command --connect-timeout 60
                expect_err "refuses: $words"
                expect_no_out
            done
            check "at once, not after --connect-timeout" [ $(($(now_ms) - began)) -lt 30000 ]
            expect_missing out-refused
            check "nothing pending" [ "$(echo ./*.pending-*)" = './*.pending-*' ]
        else # who only asks may be of another version, but a job is planned by the master's
            expect_status 0 "$there" nodes
            expect_status 5 "$there" submit wordcount in -o out-refused --connect-timeout 60
            expect_err "the job was planned by Millrace $their_version, and this master is Millrace $version: install the same version on both machines"
            expect_missing out-refused
            check "nothing pending" [ "$(echo ./*.pending-*)" = './*.pending-*' ]
        fi
        expect_status 0 "$here" nodes
        murder boss
        rm -r state-boss boss.err
    done
done

# ---- the program for tasks is of another version, as when it is installed anew beneath a daemon ------------------------------------
# What runs there is refused before it gets the job; another worker does it.
mkdir mixed
cp "$BUILD/tests/version/millrace" mixed/millrace
cp "$BUILD/millrace-cluster" mixed/millrace-cluster
cp "$MILLRACE" mixed/kept
master boss "$MILLRACE"
launch mixed mixed/millrace-cluster mapper --name mixed --slots 1 --scratch "$T/scratch-mixed"
worker r1 "$MILLRACE" reducer
for name in mixed r1; do ready $name; done
words="the task process is Millrace 9.9.9, and who started it is Millrace $own: start that again"
run "$MILLRACE" submit "$misbehave" in -o out-mixed --how wait --at gate --began "$T/began" --until "$T/gate" --max-attempts 2
check "nobody else is there: the job fails: status $status" [ "$status" -eq 5 ]
expect_err "$words"
check "no code of the job ran" [ ! -L began ]
expect_missing out-mixed
worker m1 "$MILLRACE" mapper
ready m1
expect_status 0 "$MILLRACE" submit "$misbehave" in -o out-helped
expect_parts out-helped want "another worker does it"

# Beneath a running daemon, and back.
murder mixed m1
cp mixed/kept mixed/new
mv mixed/new mixed/millrace
launch mixed mixed/millrace-cluster mapper --name mixed --slots 1 --scratch "$T/scratch-mixed"
ready mixed
expect_status 0 "$MILLRACE" submit "$misbehave" in -o out-same
expect_parts out-same want "the same version again"
