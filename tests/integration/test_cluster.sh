# test_cluster: jobs submitted to clusters: the bytes of `millrace run`, however many do them; what can be seen and said.
. "$(dirname "$0")/../lib.sh"
cd "$T"
. "$SOURCE/tests/cluster.sh"
plugins=$BUILD/tests/plugins

mkdir logs
seq 1 40000 | sed 's/\(.*\)\(.\)$/word\2 \1 the end/' >logs/a.txt
seq 1 9000 | sed 's/$/ caf\xc3\xa9/' | gzip >logs/b.gz
: >logs/empty.txt
printf 'the\nend\n' >stopwords
"$MILLRACE" run wordcount logs -o want
"$MILLRACE" run wordcount logs --partitions 7 -o want7
"$MILLRACE" run wordcount logs --top 20 --stopwords stopwords >want-top
"$MILLRACE" run wordcount logs >want-stream

# ---- as many bytes, whoever counts them --------------------------------------------------------------------------------
for mappers in 1 2 3; do
    cluster_up --mappers $mappers --reducers $((4 - mappers)) --slots 2
    expect_status 0 "$MILLRACE" submit wordcount logs -o "out$mappers"
    expect_no_out
    expect_no_err
    expect_equal "out$mappers" want "$mappers mappers"
    expect_status 0 "$MILLRACE" submit wordcount logs --partitions 7 -o "out7-$mappers" --shuffle-codec none
    expect_equal "out7-$mappers" want7 "$mappers mappers, 7 parts"
    expect_status 0 "$MILLRACE" submit wordcount logs --top 20 --stopwords stopwords
    expect_same .out want-top "$mappers mappers, to standard output, with a file that travels"
    cluster_down
done

cluster_up --mappers 2 --reducers 1 --slots 2 --state "$T/state"
# ---- where the output goes ---------------------------------------------------------------------------------------------
expect_status 0 "$MILLRACE" submit wordcount logs
expect_same .out want-stream "to standard output, sorted"
expect_status 0 "$MILLRACE" submit wordcount logs --partitions 7 --collect -o collected
expect_equal collected want7 "collected"
expect_status 2 "$MILLRACE" submit wordcount logs -o collected
expect_err '"collected" exists: name another, or give --overwrite'
expect_status 0 "$MILLRACE" submit wordcount logs -o collected --overwrite
expect_equal collected want "replaced"
expect_status 0 "$MILLRACE" submit wordcount logs --partitions 7 --collect --detach
id=$(cat .out)
check "an id is printed" [ "${#id}" -eq 32 ]
expect_status 0 "$MILLRACE" wait "${id:0:8}" --collect -o later
expect_equal later want7 "collected later"
expect_status 0 "$MILLRACE" wait "$id"
expect_status 0 "$MILLRACE" wait "$id" --collect -o later # it is there
expect_status 2 "$MILLRACE" wait "$id" --collect -o again
expect_err 'nothing to collect of job [0-9]+: .* has been collected'
expect_status 2 "$MILLRACE" wait "$id" --collect
expect_no_out
expect_missing again
expect_status 0 "$MILLRACE" submit wordcount logs -o with-closing --verbose
"$MILLRACE" run wordcount logs -o with-closing-here --verbose 2>here
said=$(sed -n 's/^\(wordcount: .* records, .* kB\) in .* -> with-closing-here$/\1/p' here)
expect_err "^$said in .* \(.*B/s\) -> with-closing \(job [0-9]+, [0-9a-f]{8}\)$"

# A reader that has seen enough has collected; what can't be written can be collected later.
has_uncollected() {
    "$MILLRACE" status | grep -q uncollected
}
(set +o pipefail; "$MILLRACE" submit wordcount logs | head -n 1 >first)
check "the first line" [ "$(cat first)" = "$(head -n 1 want-stream)" ]
check "nothing waits to be collected" eval '! has_uncollected'
status=0
"$MILLRACE" submit wordcount logs >/dev/full 2>full || status=$?
check "a full disk: status $status" [ "$status" -eq 4 ]
check "a full disk: $(cat full)" grep -q 'No space left on device; job [0-9a-f]\{8\} keeps its output: millrace wait' full
expect_status 0 "$MILLRACE" wait "$(sed -n 's/.*millrace wait \([0-9a-f]*\) .*/\1/p' full)" --collect
expect_same .out want-stream "collected after the disk was full"

# Who waits without collecting is told what the job waits for.
is_uncollected() {
    "$MILLRACE" status "$id" | grep -q uncollected
}
expect_status 0 "$MILLRACE" submit wordcount logs --collect --detach
id=$(cat .out)
await "it waits to be collected" is_uncollected
"$MILLRACE" wait "$id" 2>waits &
waiter=$!
await "and who waits is told how" grep -q "job ${id:0:8} waits: its output is to be collected: millrace wait ${id:0:8} --collect" waits
expect_status 0 "$MILLRACE" wait "$id" --collect
expect_same .out want-stream "collected to standard output"
check "the one that waited ends too" wait "$waiter"
check "nothing pending" [ "$(echo ./*.pending-*)" = './*.pending-*' ]
expect_status 0 "$MILLRACE" submit wordcount logs -o with-json --json
check "the manifest is printed" [ "$(field 'it["result"]["job"]')" = wordcount ]
expect_status 0 "$MILLRACE" submit wordcount logs/empty.txt -o nothing
check "empty input" [ ! -s nothing/part-00000 ]

expect_status 0 "$MILLRACE" submit wordcount --help
expect_out '^Usage: millrace submit wordcount INPUT\.\.\. \[-o DIR\]'

# ---- one's own job -------------------------------------------------------------------------------------------------------
for job in rounds values sum_f64 ordered; do
    "$MILLRACE" run "$plugins/$job.so" logs/a.txt -o "want-$job"
    cp "$plugins/$job.so" my.so
    expect_status 0 "$MILLRACE" submit ./my.so logs/a.txt -o "out-$job"
    rm my.so # it has travelled
    expect_equal "out-$job" "want-$job" "plugin $job"
done

# ---- a loop ----------------------------------------------------------------------------------------------------------------
seq 1 60 >few.txt
"$MILLRACE" run "$plugins/looping.so" few.txt -o want-loop
expect_status 0 "$MILLRACE" submit "$plugins/looping.so" few.txt -o out-loop
expect_equal out-loop want-loop "a loop"
expect_status 0 "$MILLRACE" submit "$plugins/looping.so" few.txt --collect -o here-loop
expect_equal here-loop want-loop "a loop, collected"
expect_status 0 "$MILLRACE" submit "$plugins/looping.so" few.txt
expect_same .out want-loop/part-00000 "a loop, to standard output"

# ---- what is refused -------------------------------------------------------------------------------------------------------
refused() {
    local status=$1 pattern=$2
    shift 2
    expect_status "$status" "$MILLRACE" "$@"
    expect_no_out
    expect_err "$pattern"
}
mkfifo pipe
refused 2 "standard input can't be read on other machines" submit wordcount - -o no
refused 2 '"pipe" can.t be read on other machines' submit wordcount pipe -o no
refused 2 'no input' submit wordcount -o no
refused 3 '"absent"' submit wordcount absent -o no
refused 2 'which\?' submit wordcount logs -o no --wait --detach
refused 2 'give -o DIR, or --collect' submit wordcount logs --detach
refused 2 'top wants a number' submit wordcount logs --top x -o no
refused 2 'there is no job' submit wordcuont logs -o no
refused 2 'job' wait none
refused 2 'is no task' logs 1 map
expect_missing no
cp "$XDG_RUNTIME_DIR/millrace/cluster.key" here.key
"$MILLRACE" secret new other.key
refused 5 "doesn't know this secret" nodes --secret other.key
expect_status 0 "$MILLRACE" nodes --secret here.key
chmod 644 here.key
refused 2 'chmod 600' nodes --secret here.key
refused 5 'no master answers at 127.0.0.1:1' nodes --master 127.0.0.1:1 --connect-timeout 0

# ---- a job that fails ---------------------------------------------------------------------------------------------------------
printf 'a\t1\npoison\t2\n' >poison.txt
expect_status 1 "$MILLRACE" submit "$plugins/fails.so" --at map poison.txt -o failed
expect_no_out
expect_err '^millrace: job [0-9]+ \([0-9a-f]{8}\) failed:'
expect_err 'no luck in map'
expect_err 'poison\.txt'
expect_err 'to look further: millrace status [0-9a-f]{8}'
expect_missing failed
expect_status 0 "$MILLRACE" status --json
failed=$(field '[job["id"] for job in it if job["status"]][-1]')
expect_status 1 "$MILLRACE" wait "$failed"
expect_err 'no luck in map'
expect_status 0 "$MILLRACE" status "$failed"
expect_out 'no luck in map'
expect_status 1 "$MILLRACE" submit "$plugins/fails.so" --at reduce poison.txt -o failed
expect_err 'no luck in reduce'
check "the only reducer stays in service" [ -z "$(grep 'set aside' up.err)" ]
seq 9 >nine.txt
if [ -z "$MR_SANITIZE" ]; then # they report crashes themselves
    expect_status 1 "$MILLRACE" submit "$BUILD/tests/unruly.so" --how abort --at 7 nine.txt -o crashed
    expect_err 'Aborted|SIGABRT'
    expect_err '^millrace:   \| the last words'
    expect_err 'to look further: millrace logs [0-9a-f]{8}'
    crashed=$(sed -n 's/.*millrace logs \([0-9a-f]*\).*/\1/p' .err)
    expect_status 0 "$MILLRACE" logs "$crashed"
    expect_out '^the last words'
    expect_err '^map-0, attempt [0-9]+, on node mapper-[12]: [0-9]+ bytes'
    expect_status 0 "$MILLRACE" logs "$crashed" map-0 --json
    check "the log as JSON" [ "$(field 'it["log"].count("the last words")')" -ge 1 ]
    expect_status 2 "$MILLRACE" logs "$crashed" reduce-7
    expect_missing crashed
    expect_status 0 "$MILLRACE" submit "$BUILD/tests/unruly.so" --how abort --at 7 nine.txt -o aside --skip-bad-records 1
    check "one record is set aside" [ "$(cut -f 2- aside/_skipped)" = "$(printf '12\t7')" ]
    check "and counted" [ "$(grep -c '"records_skipped": 1' aside/_manifest.json)" = 1 ]
    expect_err '^millrace: 1 record was set aside: aside/_skipped$'
    expect_status 0 "$MILLRACE" status --json
    id=$(field 'it[0]["id"] if it[0]["command"].endswith("-o aside") else it[-1]["id"]')
    expect_status 0 "$MILLRACE" wait "$id"
    expect_err '^millrace: 1 record was set aside: in the output, _skipped$'
fi
# A process whose channel the code wrote into is replaced, and that attempt doesn't count, unless this goes on.
expect_status 0 "$MILLRACE" submit "$BUILD/tests/unruly.so" --how babble --at 7 nine.txt -o babbled --max-attempts 1 --once "$T/babbled-once"
check "it struck" [ -e "$T/babbled-once" ]
expect_status 4 "$MILLRACE" submit "$BUILD/tests/unruly.so" --how babble --at 7 nine.txt -o babbling --max-attempts 2 --struck "$T/marks"
check "it struck ten times: $(wc -c <"$T/marks")" [ "$(wc -c <"$T/marks")" -eq 10 ]
expect_err 'a task process'
expect_missing babbling
await "nothing pending of a job that failed" test ! -e "failed.pending-$failed"

# ---- what can be seen ------------------------------------------------------------------------------------------------------------
expect_status 0 "$MILLRACE" nodes
expect_out '^NODE +NAME +STATE'
expect_out 'mapper-1 +ready +maps +2'
expect_out 'reducer-1 +ready +reduces +2'
expect_status 0 "$MILLRACE" nodes --json
check "three nodes" [ "$(field 'sorted(node["name"] for node in it)')" = "['mapper-1', 'mapper-2', 'reducer-1']" ]
expect_status 0 "$MILLRACE" status
expect_out '^JOB +ID +STATE'
expect_out 'wordcount .*logs -o with-json'
expect_status 0 "$MILLRACE" status "$id" --json
check "it is done" [ "$(field 'it["state"]')" = done ]
check "and how far is kept" [ "$(field '(it["round"], it["rounds"], it["maps_done"] == it["map_tasks"] > 0, it["reduces_done"] == it["reduce_tasks"] > 0)')" = '(1, 1, True, True)' ]
check "of a run by many processes no memory is told" [ "$(grep -cE '"(memory|peak_rss)"' with-json/_manifest.json)" = 0 ]

# ---- drained, cancelled ------------------------------------------------------------------------------------------------------------
expect_status 0 "$MILLRACE" drain mapper-1
expect_status 0 "$MILLRACE" drain mapper-2 --json
expect_out 'true'
expect_status 0 "$MILLRACE" nodes --json
check "drained" [ "$(field '[node["state"] for node in it if node["name"] == "mapper-1"]')" != "['ready']" ]
expect_status 2 "$MILLRACE" drain mapper-9
expect_status 0 "$MILLRACE" submit wordcount logs -o waiting --detach
id=$(cat .out)
expect_status 0 "$MILLRACE" status "$id" --json
check "no map task is done" [ "$(field 'it["maps_done"]')" = 0 ]
check "it says what it waits for" [ "$(field 'it["state"], it["why"]')" = "('waiting', 'no mapper is there')" ]
"$MILLRACE" wait "$id" 2>waits &
waiter=$!
await "who waits in silence is told why" grep -q "^millrace: job ${id:0:8} waits: no mapper is there$" waits
expect_status 0 "$MILLRACE" cancel "${id:0:10}"
status=0
wait $waiter || status=$?
check "once: $(cat waits)" [ "$(grep -c 'waits:' waits)" = 1 ]
run "$MILLRACE" wait "$id"
check "its status is no success: $status" [ "$status" -ne 0 ]
expect_err '^millrace: job [0-9]+ \([0-9a-f]{8}\) was cancelled$'
expect_status 0 "$MILLRACE" status "$id"
expect_out ' cancelled +1/1 +0/[0-9]+ +0/[0-9]+ '
check "no cause is told of it" [ "$(grep -c '^job ' .out)" = 0 ]
expect_missing waiting
await "nothing pending of a job that was cancelled" test ! -e "waiting.pending-$id"

# Ctrl-C leaves a job to the cluster; twice within two seconds cancels it, which may be too short for us now and then.
submit_waiting() {
    rm -f said
    mkfifo said
    (trap - INT; exec "$MILLRACE" submit wordcount logs "$@") >/dev/null 2>said &
    client=$!
    exec 8<said
    hear 'waits: no mapper is there' # it has the master's word that the job is there, and hears Ctrl-C
    check "it waits: $line" is_submitted "$2"
}
is_submitted() {
    [ -n "$("$MILLRACE" status --json | python3 -c '
import json, sys
for job in json.load(sys.stdin):
    if job["command"].endswith(" " + sys.argv[1]) and job["state"] not in ("done", "failed", "cancelled"):
        print(job["id"])' "$1")" ]
}
# hear PATTERN: reads what it says up to such a line, which is $line.
hear() {
    while read -r line <&8 && ! grep -q "$1" <<<"$line"; do :; done
}
submit_waiting -o left
kill -s INT $client
hear 'goes on'
status=0
wait $client || status=$?
exec 8<&-
check "Ctrl-C: $line" grep -q 'goes on: `millrace wait' <<<"$line"
check "Ctrl-C: status $status" [ "$status" -eq 130 ]
check "it goes on" is_submitted left
for i in 1 2 3 4 5; do
    submit_waiting -o twice-$i
    kill -s INT $client
    hear 'goes on'
    kill -s INT $client 2>/dev/null || true
    cat <&8 >rest
    status=0
    wait $client || status=$?
    exec 8<&-
    check "twice: status $status" [ "$status" -eq 130 ]
    ! grep -q cancelled rest || break
    expect_status 0 "$MILLRACE" cancel "$(sed 's/.*job \([0-9a-f]*\) goes on.*/\1/' <<<"$line")"
done
check "twice: it is cancelled: $(cat rest)" grep -q cancelled rest
submit_waiting -o dropped --cancel-on-exit
kill -s TERM $client
cat <&8 >rest
status=0
wait $client || status=$?
exec 8<&-
check "--cancel-on-exit: status $status" [ "$status" -eq 143 ]
check "--cancel-on-exit: it is cancelled: $(cat rest)" grep -q cancelled rest
expect_status 0 "$MILLRACE" drain mapper-1 --back
expect_status 0 "$MILLRACE" drain mapper-2 --back
id=$("$MILLRACE" status --json | python3 -c '
import json, sys
print([job["id"] for job in json.load(sys.stdin) if job["command"].endswith(" left")][-1])')
expect_status 0 "$MILLRACE" wait "$id"
expect_equal left want "after Ctrl-C"

# ---- following ---------------------------------------------------------------------------------------------------------------------
# Of a job that ends before it is followed there is nothing to tell: this one waits.
"$MILLRACE" submit "$BUILD/tests/misbehave.so" nine.txt -o followed --follow --how wait --at 7 --until "$T/gate" 2>follow.err &
client=$!
await "how it goes on is told" grep -qE '^[a-z]+: map [0-9]+/[0-9]+, reduce [0-9]+/[0-9]+, ' follow.err
: >gate
check "it ends: $(tail -n 1 follow.err)" wait $client
export TERM=xterm
expect_status 0 python3 "$SOURCE/tests/integration/terminal.py" 80 "$MILLRACE" submit wordcount logs -o on-terminal
expect_out 'wordcount: .* records, .* in .* -> on-terminal \(job [0-9]+, [0-9a-f]{8}\)'
cluster_down

# ---- a state that is kept ----------------------------------------------------------------------------------------------------------
expect_status 0 "$MILLRACE" fsck state
expect_out '^journal: sound; '
expect_out '^[0-9]+ jobs, of which these are the last 20:$'
check "twenty are shown" [ "$(grep -c '^job ' .out)" = 20 ]
expect_out '^state: cancelled$'
expect_status 0 "$MILLRACE" fsck state --json
check "as JSON all" [ "$(field 'len(it["jobs"]) > 20 and it["jobs"][-1]["job"] == it["job"]')" = True ]
cluster_up --mappers 1 --state "$T/state"
expect_status 0 "$MILLRACE" status --json
check "the jobs of before are known" [ "$(field 'len(it)')" -gt 10 ]
cluster_down

# ---- what does not start -------------------------------------------------------------------------------------------------------------
expect_status 78 "$MILLRACE" cluster up --listen 0.0.0.0:0
expect_err 'master: .*secret'
expect_err 'before it was ready'
cluster_up --mappers 1
expect_status 78 "$MILLRACE" cluster up --listen "$MILLRACE_MASTER"
expect_err 'another process listens there; .*--listen HOST:PORT'
cluster_down
expect_status 2 "$MILLRACE" cluster
expect_status 2 "$MILLRACE" cluster up --mappers 0
