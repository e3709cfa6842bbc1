# test_state: --state from the command line: two at once, other commands, changed inputs, lost files (faults F3, F46, F48).
. "$(dirname "$0")/lib.sh"
mkdir in
seq 1000 3000 >in/a.txt
seq 2000 4000 >in/b.txt
seq 3000 5000 | gzip >in/c.gz
"$MILLRACE" run wordcount in -o ref --partitions 2

# ---- F3: two at once --------------------------------------------------------------------------------------------------
seq 1000 >lines.txt
rm -f began go
"$MILLRACE" run "$plugins/misbehave.so" lines.txt --how wait --at 500 --began "$T/began" --until "$T/go" -o one --state st \
    --tmp scratch >/dev/null 2>one.err &
first=$!
wait_for is_there began
expect_status 4 "$MILLRACE" run wordcount in -o two --state st --tmp scratch
expect_err '^millrace: the journal in ".*/st" is in use by another process'
expect_lines 1
expect_missing two
expect_status 4 "$MILLRACE" fsck st
: >go
status=0
wait $first || status=$?
check "the first ends well" [ "$status" -eq 0 ]
expect_status 0 "$MILLRACE" verify one
expect_status 0 "$MILLRACE" fsck st
expect_out '^state: done'
rm -rf st one

# ---- what was done is done; another command, other inputs --------------------------------------------------------------
run_state() {
    "$MILLRACE" run wordcount "$@" --state st --tmp scratch --verbose
}
expect_status 0 run_state in -o out --partitions 2
expect_err '^state: 0 tasks were done before, 5 now'
for part in part-00000 part-00001; do expect_same out/$part ref/$part; done
expect_only st journal.db
expect_status 0 run_state in -o out --partitions 2
expect_err 'is done already: nothing was run'
expect_status 0 "$MILLRACE" run wordcount in -o out --partitions 2 --state st --json
expect_out '"xxh3"'
expect_status 0 run_state in -o second
expect_err '^state: 0 tasks were done before'
expect_status 2 run_state in -o out --partitions 2
expect_err 'output "out" exists'
expect_status 0 run_state in -o out --partitions 2 --overwrite
expect_err '^state: 0 tasks were done before'
rm -rf out second

# half_a_run SIGNAL: two files are mapped, one key is reduced when it comes.
half_a_run() {
    rm -rf st half began go
    cp lines.txt first.txt
    "$MILLRACE" run "$plugins/misbehave.so" first.txt lines.txt --how wait --began-at 500 --began "$T/began" \
        --until "$T/go" -o half --state st --tmp scratch --threads 1 >/dev/null 2>half.err &
    wait_for is_there began
    kill "-$1" $!
    wait_for is_taken $!
    : >go
    status=0
    wait $! 2>/dev/null || status=$?
}
again() {
    "$MILLRACE" run "$plugins/misbehave.so" first.txt lines.txt --how wait --began-at 500 --began "$T/began" \
        --until "$T/go" -o half --state st --tmp scratch --verbose "$@"
}
half_a_run TERM
cp half.err .err
check "SIGTERM: status 143" [ "$status" -eq 143 ]
expect_err '^millrace: interrupted \(what is done is kept in "st": the same command goes on\)'
check "its pending directory waits" is_there half.pending-*
# Another run on the same output leaves it alone; it can't be published then.
expect_status 0 "$MILLRACE" run wordcount lines.txt -o half --tmp scratch
check "another run leaves it alone" is_there half.pending-*
expect_status 2 again
expect_err 'output "half" exists'
rm -r half
expect_status 2 run_state in -o out
expect_err '^millrace: ".*/st" holds the unfinished run of another command: misbehave .*; finish that one, name another'
expect_status 2 again --partitions 7
expect_err 'holds the unfinished run of another command: .* \(it has --partitions 1, not 7\); finish that one'
expect_status 2 again --at 7
expect_err 'holds the unfinished run of another command: .* \(--at differs\); finish that one'
expect_status 3 again half.err
expect_err 'read it: "half.err" is new'
touch -d '2001-01-01' lines.txt
expect_status 3 again
expect_err '^millrace: an input changed since the unfinished run in ".*/st" read it: "lines.txt" is not as it was'
# It has grown so much that the job would have other splits; an input less, or more.
seq 100000000 109000000 >>lines.txt
expect_status 3 again
expect_err '^millrace: an input changed since the unfinished run in ".*/st" read it: "lines.txt" is not as it was'
seq 1000 >lines.txt
expect_status 3 "$MILLRACE" run "$plugins/misbehave.so" lines.txt --how wait --began-at 500 --began "$T/began" \
    --until "$T/go" -o half --state st --tmp scratch
expect_err 'read it: "first.txt" is not among them any more'
half_a_run KILL
expect_status 0 again
expect_err '^state: 2 tasks were done before, 1 now'
check "nothing is left" [ "$(echo half*)" = "half half.err" ]
rm -rf half st

# Without its journal a pending directory is a dead run's.
half_a_run KILL
check "it waits" is_there half.pending-*
rm -r st
expect_status 0 "$MILLRACE" run wordcount lines.txt -o half --tmp scratch
check "it is cleared" [ "$(echo half*)" = "half half.err" ]
rm -r half

# A file of a task that is done is gone, or damaged: it is made again, and only that.
half_a_run KILL
rm st/outputs-*/map-0-0-1
expect_status 0 again
expect_err '^state: 1 task was done before, 2 now'
rm -rf half
half_a_run KILL
flip st/outputs-*/map-0-1-1 80
expect_status 0 again
expect_err '^state: 1 task was done before, 2 now'
rm -rf half st

# An input that changes while the job runs ends it; so does the job's own code. The next run begins anew.
rm -f began go
"$MILLRACE" run "$plugins/misbehave.so" lines.txt --how wait --at 500 --began "$T/began" --until "$T/go" -o out --state st \
    --tmp scratch >/dev/null 2>.err &
wait_for is_there began
echo more >>lines.txt
: >go
status=0
wait $! || status=$?
check "F46: status 3" [ "$status" -eq 3 ]
expect_err '^millrace: input "lines.txt" changed since the run began'
expect_missing out out.pending-*
expect_status 1 "$MILLRACE" run "$plugins/misbehave.so" lines.txt --how fail --at 500 -o out --state st --tmp scratch
expect_err 'this record is not to my taste'
expect_only st journal.db
expect_status 0 "$MILLRACE" fsck st
expect_out '^state: failed: .*this record is not to my taste'
expect_status 0 run_state in -o out
expect_status 0 "$MILLRACE" verify out
rm -rf out st

# ---- a journal as version 1 wrote it ------------------------------------------------------------------------------------
mkdir old
cp "$SOURCE/tests/fault/journal_v1.db" old/journal.db
expect_status 0 "$MILLRACE" fsck old
expect_out '^journal: sound; 12.3 kB, 15 entries, 6 events replayed, 1 hash compared, started 1 time$'
expect_out '^job 1 \(e10907bd087f5a417b61d95a7d3125e6\): wordcount in -o out$'
expect_out '^state: closing$'
expect_out '^round 0: 2 of 2 map tasks done, 2 of 2 reduce tasks$'
expect_same old/journal.db "$SOURCE/tests/fault/journal_v1.db" "fsck changes nothing"

# ---- wrong usage ------------------------------------------------------------------------------------------------------
expect_status 2 "$MILLRACE" run wordcount in --state st
expect_err '^millrace: --state needs -o DIR'
expect_status 2 "$MILLRACE" run wordcount - -o out --state st
expect_err '^millrace: --state needs inputs that can be read again'
expect_status 2 "$MILLRACE" run wordcount in -o out --state no/st
expect_status 2 "$MILLRACE" run wordcount in -o out --state ''
expect_missing out st
expect_status 3 "$MILLRACE" fsck in
expect_err 'holds no journal'
expect_status 2 "$MILLRACE" fsck
# A look never writes: not to what is no journal, nor to one of a run that was killed.
all_of() {
    find "$1" -printf '%p %i %s %t\n' | sort
    find "$1" -type f -exec sha256sum {} + | sort
}
looks() { # looks STATUS PATTERN: at st, and nothing in it changes
    local before
    before=$(all_of st)
    expect_status "$1" "$MILLRACE" fsck st
    cat .out .err >said
    expect_in said "what it says" "$2"
    check "fsck changes nothing" [ "$(all_of st)" = "$before" ]
}
mkdir st
: >st/journal.db
looks 3 '".*/st" holds no journal$'
for how in DELETE WAL; do
    rm -f st/*
    python3 - $how <<'END'
import os, sqlite3, sys
base = sqlite3.connect("st/journal.db")
base.execute("PRAGMA journal_mode=" + sys.argv[1])
base.execute("CREATE TABLE mine(number INTEGER)")
base.commit()
base.execute("INSERT INTO mine VALUES(7)")
base.commit()
os._exit(0)  # its log stays
END
    rm -f st/journal.db-shm
    looks 3 '/st/journal.db" is no journal of Millrace$'
done
rm -r st
half_a_run KILL
looks 0 '^state: running'
# A byte of its log flips: transactions that were on disk are gone, and it is told.
flip st/journal.db-wal $(($(stat -c %s st/journal.db-wal) / 2))
looks 3 'the journal in ".*/st" is damaged: entry [0-9]+ was on disk, and it ends with [0-9]+: .*remove ".*/st/journal.db-last"$'
expect_status 3 again
expect_err 'was on disk'
rm st/journal.db-last
expect_status 0 again
check "it went on from an earlier state" "$MILLRACE" verify half
rm -rf half st

mkdir st
echo hello >st/journal.db
expect_status 3 "$MILLRACE" run wordcount in -o out --state st
expect_err '^millrace: the journal in ".*/st" is damaged: file is not a database'
expect_only scratch
