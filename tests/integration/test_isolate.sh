# test_isolate: --isolate makes the bytes, the counters and the manifest's result that threads make.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
cd "$T"
mkdir scratch in
"$BUILD/tests/gen_logs" $(fewer 3 1) >in/logs.txt
for i in 1 2 3; do seq $((i * 1000)) 3 60000 | sed 's/\(.\)/\1 word-that-is-longer-than-sixteen-/' >in/numbers$i.txt; done
gzip -c in/numbers1.txt >in/numbers.gz
: >in/empty.txt
printf 'no end' >in/noend.txt
printf 'the\nof\n' >stop.txt

# result DIR: the part of the manifest that may not depend on how it was run.
result() {
    python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1] + "/_manifest.json"))["result"]))' "$1"
}

# same WORDS ARGUMENT…: by threads, by one process and by two.
same() {
    local words=$1 ways part
    shift
    rm -rf threads
    "$MILLRACE" run "$@" -o threads --tmp scratch
    for ways in '--threads 1' '--threads 2' '--threads 2 --memory 32M' '--threads 3 --task-memory 128M'; do
        if [ -n "$MR_SANITIZE" ] && [[ $ways = *[12] ]]; then continue; fi # the others have their paths too
        run "$MILLRACE" run "$@" -o out --isolate --tmp scratch $ways
        check "$words, $ways: status 0, not $status" [ "$status" -eq 0 ]
        expect_no_err
        expect_no_out
        for part in threads/part-*; do expect_same "$part" "out/${part#threads/}" "$words, $ways, ${part#threads/}"; done
        check "$words, $ways: as many parts" [ "$(ls out | wc -l)" -eq "$(ls threads | wc -l)" ]
        check "$words, $ways: the same result" [ "$(result out)" = "$(result threads)" ]
        rm -rf out
    done
    check "$words: nothing is left" [ -z "$(ls -A scratch)" ]
}

same "words" wordcount in
same "partitions" wordcount in --partitions 7
same "a job of several rounds" wordcount in --words letters --fold --top 20
same "unicode, n-grams, a side input" wordcount in --words unicode --fold --ngram 2 --min-count 2 --stopwords stop.txt
same "one line" wordcount in/noend.txt
same "nothing" wordcount in/empty.txt
same "places in the input" "$BUILD/tests/plugins/ordered.so" in
same "rounds of a plugin" "$BUILD/tests/plugins/rounds.so" in/numbers2.txt
for plugin in values first combined sum_f64 max_i64 sum_u64_map_block values_join; do
    [ -e "$BUILD/tests/plugins/$plugin.so" ] || continue
    seq 1 5000 | awk '{print $1 % 97 "\t" $1 % 13}' >pairs.txt
    run "$MILLRACE" run "$BUILD/tests/plugins/$plugin.so" pairs.txt --tmp scratch
    if [ "$status" -eq 0 ]; then same "$plugin" "$BUILD/tests/plugins/$plugin.so" pairs.txt; fi
done

# To a stream, and to one that ends early.
"$MILLRACE" run wordcount in --tmp scratch >want
run "$MILLRACE" run wordcount in --isolate --tmp scratch
expect_same want .out "the stream"
status=0
"$MILLRACE" run wordcount in --isolate --tmp scratch 2>.err | head -1 >.out || status=$?
expect_same <(head -1 want) .out "the head of the stream"
expect_no_err
check "nothing is left" [ -z "$(ls -A scratch)" ]

# An unreadable or missing input, a bad parameter: as without.
expect_status 3 "$MILLRACE" run wordcount nowhere --isolate --tmp scratch -o out
expect_status 2 "$MILLRACE" run wordcount in --isolate --tmp scratch -o out --ngram 0
expect_status 2 "$MILLRACE" run wordcount in --isolate --task-memory 1M
expect_status 2 "$MILLRACE" run wordcount in --isolate --task-timeout 0
head -c 3000 in/numbers.gz >cut.gz
run "$MILLRACE" run wordcount cut.gz --isolate --tmp scratch -o out
check "a cut-off .gz: status 3, not $status" [ "$status" -eq 3 ]
expect_err '^millrace: .*cut.gz'
check "and not tried again" [ "$(grep -c attempts .err)" -eq 0 ]
expect_missing out
check "nothing is left" [ -z "$(ls -A scratch)" ]

# It says how processes are bounded, and its help names the options.
run "$MILLRACE" run wordcount in/noend.txt --isolate --tmp scratch -o out --verbose
expect_err '^millrace: task processes are bounded: '
run "$MILLRACE" run --help
for option in isolate task-memory task-timeout max-attempts skip-bad-records; do expect_out "--$option"; done
