# test_loops: jobs that loop, from the command line: the same bytes however they run, and what is said of those that fail.
. "$(dirname "${BASH_SOURCE[0]}")/../fault/lib.sh"
looping=$BUILD/tests/plugins/looping.so
: >empty.txt
mkdir in
seq 1 9 | sed 's/$/\n1/' >in/a.txt
seq 5 30 >in/b.txt

# result DIR: the part of the manifest that may not depend on how it was run.
result() {
    python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1] + "/_manifest.json"))["result"]))' "$1"
}

# ---- results, states, lines --------------------------------------------------------------------------------------
# What it writes, made in another way: results by partition (the last digit, modulo 3), then key; after each of three passes.
expected() {
    python3 - "$1" <<'END'
import collections, sys
lines = [line for name in ("in/a.txt", "in/b.txt") for line in open(name).read().splitlines()]
count = collections.Counter(lines)
print("start\t0")
for passed in range(1, 4):
    for key in sorted(count, key=lambda key: (ord(key[-1]) % int(sys.argv[1]), key)):
        print(f"{passed}.{key}\t{count[key] * passed}")
END
}
expected 3 >want
expect_status 0 "$MILLRACE" run "$looping" in --tmp scratch
expect_same .out want "two rounds a pass"
expected 5 >want1
expect_status 0 "$MILLRACE" run "$looping" in --rounds 1 --tmp scratch
expect_same .out want1 "one round a pass"
expect_status 0 "$MILLRACE" run "$looping" in --tmp scratch -o out
expect_no_out
expect_same out/part-00000 want "the part"
check "one part" [ "$(echo out/part-*)" = out/part-00000 ]
expect_status 0 "$MILLRACE" verify out
state=$(python3 - <<'END'
import json
manifest = json.load(open("out/_manifest.json"))["result"]
assert manifest["loop"]["passes"] == 3, manifest["loop"]
assert manifest["loop"]["state"]["bytes"] == 40, manifest["loop"]
assert manifest["counters"] == {"lines": 2 * 3 * 30, "passes": 3}, manifest["counters"]
assert manifest["records"] == 91 and len(manifest["parts"]) == 1
rounds = manifest["rounds"]
assert [row["name"] for row in rounds] == ["count", "again"] and rounds[0]["counters"]["records_read"] == 3 * 44, rounds
print(manifest["loop"]["state"]["xxh3_128"])
END
) || fail "the manifest tells of the loop"
if command -v xxh128sum >xxh128; then
    printf 'state          2xxxxxxxxxxxxxxxxxxxxxxxx' >last
    check "the state's name is its XXH3-128" [ "$(xxh128sum last | cut -d' ' -f1)" = "$state" ]
fi
expect_status 0 "$MILLRACE" run "$looping" in --tmp scratch -o out2 --json
check "--json prints the manifest" python3 -c 'import json; assert json.load(open(".out"))["result"]["loop"]["passes"] == 3'
run "$MILLRACE" run "$looping" in --tmp scratch -o out3 --verbose
expect_err "pass 3 reads a state of 40 bytes, $state"
expect_status 0 "$MILLRACE" run "$looping" in --tmp scratch --report
expect_err '^Loop: 3 passes'
expect_status 0 "$MILLRACE" explain "$looping" in
expect_out '^loop +these rounds again and again until looping says'
expect_status 0 "$MILLRACE" run "$looping" in --passes 1 --silent --tmp scratch
check "lines of start alone" [ "$(cat .out)" = 'start	0' ]
expect_status 0 "$MILLRACE" run "$looping" empty.txt in --tmp scratch
expect_same .out want "an empty input besides"
expect_status 0 "$MILLRACE" run "$looping" empty.txt --tmp scratch
check "no input: three passes without results" [ "$(cat .out)" = 'start	0' ]
rm -rf out out2 out3

# ---- however it runs ---------------------------------------------------------------------------------------------
# Several threads only where there is something to do: 3 MB, in two files; under sanitizers of fewer, longer lines.
mkdir many
long=$(fewer '' "$(printf 'x%.0s' {1..80})")
last=$(fewer 1200000 1015000)
seq 1000000 $last | sed "s/^/$long/" >many/a.txt
seq $((last - 10000)) $((2 * last - 1010000)) | sed "s/^/$long/" >many/b.txt
"$MILLRACE" run "$looping" many --passes 2 -o first --threads 1 --tmp scratch
for ways in '--threads 1 --memory 16M' '--threads 2' '--threads 3 --memory 32M' '--threads 8' '--threads 2 --memory 16M'; do
    expect_status 0 "$MILLRACE" run "$looping" many --passes 2 -o out --tmp scratch $ways
    expect_same first/part-00000 out/part-00000 "$ways: the same lines"
    check "$ways: the same result" [ "$(result first)" = "$(result out)" ]
    rm -rf out
done
expect_status 0 "$MILLRACE" run "$looping" many/b.txt many/a.txt --passes 2 -o out --tmp scratch
expect_same first/part-00000 out/part-00000 "files in another order"
rm -rf out
# A terminal shows the pass. (A run that ends by itself may have ended before it is drawn.)
run env TERM=xterm python3 "$SOURCE/tests/integration/terminal.py" 100 -s 0.1:SIGINT \
    "$MILLRACE" run "$looping" many --passes 1000000 --silent -o out --tmp scratch
check "until it is stopped: $status" [ "$status" -eq 130 ]
expect_out 'pass [0-9]+, (count|again) (map|reduce)'
expect_missing out
for i in $(seq 12); do seq 100 | sed 's/^/few /' >many/few$i.txt; done
gzip -c many/few1.txt >many/few1.gz
"$MILLRACE" run "$looping" many/few* --passes 9 >want --tmp scratch
for ways in '--threads 3' '--memory 16M'; do
    expect_status 0 "$MILLRACE" run "$looping" many/few* --passes 9 --tmp scratch $ways
    expect_same want .out "many small files, $ways"
done
rm -rf many/few*
# In processes of its own: the same, round_done included; the input is read again by each.
"$MILLRACE" run "$looping" in -o first-in --tmp scratch
for ways in '--threads 1' '--threads 2 --memory 64M' '--threads 3'; do
    if [ -n "$MR_SANITIZE" ] && [ "$ways" = '--threads 3' ]; then continue; fi
    for input in in many; do
        passes=2
        if [ $input = in ]; then passes=3; fi
        expect_status 0 "$MILLRACE" run "$looping" $input --passes $passes -o out --isolate --tmp scratch $ways
        expect_no_err
        want=first
        if [ $input = in ]; then want=first-in; fi
        expect_same $want/part-00000 out/part-00000 "$input, --isolate $ways: the same lines"
        check "$input, --isolate $ways: the same result" [ "$(result $want)" = "$(result out)" ]
        expect_only scratch
        rm -rf out
    done
done
# More partitions than descriptors: round_done reads them one after the other.
expect_status 0 "$MILLRACE" run "$looping" in --passes 2 --parts 500 --tmp scratch
cp .out want
run bash -c 'ulimit -n 256; exec "$@"' bash "$MILLRACE" run "$looping" in --passes 2 --parts 500 --isolate --tmp scratch
check "status 0, not $status" [ "$status" -eq 0 ]
expect_same .out want "--isolate, 500 partitions and 256 descriptors"
# With a journal, by threads and by processes: the same; and what is done is done.
for ways in '--threads 1' '--threads 3 --memory 64M' '--isolate'; do
    expect_status 0 "$MILLRACE" run "$looping" in -o out --state st --tmp scratch $ways
    expect_no_err
    expect_same first-in/part-00000 out/part-00000 "--state, $ways: the same lines"
    check "--state, $ways: the same result" [ "$(result first-in)" = "$(result out)" ]
    expect_only scratch
    expect_only st journal.db
    expect_status 0 "$MILLRACE" run "$looping" in -o out --state st --tmp scratch $ways
    expect_err '^"out" is done already: nothing was run$'
    expect_status 0 "$MILLRACE" run "$looping" in -o out --state st --tmp scratch $ways --quiet
    expect_no_err
    rm -rf out st
done
expect_refused 1 '^millrace: looping: no further than round_done \(in round_done, pass 2\)$' \
    "$MILLRACE" run "$looping" in --in round_done --how fail --at-pass 2 -o out --state st --tmp scratch
expect_status 0 "$MILLRACE" fsck st
expect_out '^state: failed: looping: no further than round_done'
expect_refused 1 '^millrace: looping: no further than start \(in start\)$' \
    "$MILLRACE" run "$looping" in --in start --how fail -o out --state st --tmp scratch
expect_only st journal.db
rm -rf st
expected 5 >want
expect_status 0 "$MILLRACE" run "$looping" in --rounds 1 --isolate --tmp scratch
expect_same .out want "--isolate to a stream"
expect_status 0 "$MILLRACE" run "$looping" empty.txt --isolate --tmp scratch
check "--isolate, no input" [ "$(cat .out)" = 'start	0' ]
expect_status 0 "$MILLRACE" run "$looping" in --passes 40 --silent --isolate --tmp scratch --verbose
expect_err 'pass 40 reads a state of 40 bytes'

# ---- failures: the job's own sentence, in which callback and pass, and nothing left --------------------------------
for input in in many; do
    for pass in 1 2; do
        fails=("$MILLRACE" run "$looping" $input -o out --tmp scratch --threads 2 --at-pass $pass)
        expect_refused 1 "^millrace: looping: no further than round_done \(in round_done, pass $pass\)$" "${fails[@]}" --in round_done --how fail
        expect_refused 1 "^millrace: looping: no further than map \($input/[ab].txt, at offset [0-9]+, pass $pass\)$" "${fails[@]}" --in map --how fail
        expect_refused 1 "^millrace: looping: no further than reduce \(reducing partition [0-9], pass $pass\)$" "${fails[@]}" --in reduce --how fail
        expect_refused 1 "^millrace: looping: no further than map_pair \(.*pass $pass\)$" "${fails[@]}" --in map_pair --how fail
        expect_lines 1
    done
    expect_refused 1 '^millrace: looping: no further than start \(in start\)$' \
        "$MILLRACE" run "$looping" $input --in start --how fail -o out --tmp scratch
    expect_refused 1 '^millrace: looping: round_done failed with status -1 and no message \(in round_done, pass 1\)$' \
        "$MILLRACE" run "$looping" $input --in round_done --how status -o out --tmp scratch
    expect_refused 1 '^millrace: looping: a state of [0-9.]+ [kKM]i?B: the limit is 512K, 1/32 of --memory \(in start\)$' \
        "$MILLRACE" run "$looping" $input --size 1000000 --memory 16M -o out --tmp scratch
done
expect_status 0 "$MILLRACE" run "$looping" in --size 500000 --memory 16M --tmp scratch
if [ -z "$MR_SANITIZE" ]; then
    ulimit -c 0
    run "$MILLRACE" run "$looping" in --in round_done --how crash --at-pass 2 -o out --tmp scratch
    check "a crash in round_done ends by its signal: $status" [ "$status" -eq 134 ]
    expect_err '^millrace: crashed by SIGABRT .*in job looping, round again, pass 2, round_done'
    expect_missing out
    rm -rf out.pending-*
fi

# ---- failures in processes: tried again, then the first cause -----------------------------------------------------
isolated=("$MILLRACE" run "$looping" in -o out --tmp scratch --isolate --max-attempts 2)
for where in start round_done; do
    pass=$([ $where = start ] && echo 1 || echo 2)
    place=$([ $where = start ] && echo start || echo 'round_done, pass 2')
    expect_refused 1 "^millrace: looping: no further than $where \(in $place\) \(the first of 2 attempts that failed\)$" \
        "${isolated[@]}" --in $where --how fail --at-pass $pass
    of=$([ $where = start ] && echo start || echo 'round_done of pass 2')
    expect_refused 1 "^millrace: looping: its code crashed by SIGABRT \(aborted\) in $of, attempt 1.*\(the first of 2 attempts that failed\)" \
        "${isolated[@]}" --in $where --how crash --at-pass $pass
done
expect_refused 1 '^millrace: looping: no further than map \(in/[ab].txt, at offset 0, pass 2\)' \
    "${isolated[@]}" --in map --how fail --at-pass 2
expect_refused 1 '^millrace: looping: its code crashed by SIGABRT \(aborted\) in reduce task [0-9] of pass 2, attempt 1' \
    "${isolated[@]}" --in reduce --how crash --at-pass 2
expect_refused 1 'a state of 1.0 MB: the limit is 512K' "${isolated[@]}" --size 1000000 --memory 16M
expect_refused 2 '^millrace: --skip-bad-records does not go with jobs that loop, and looping does' \
    "${isolated[@]}" --skip-bad-records 1
# An attempt that fails once leaves no trace: round_done finds the file that the first one made.
expect_status 0 "${isolated[@]}" --in round_done --how once --at-pass 2 --began "$T/once"
expect_same first-in/part-00000 out/part-00000 "after an attempt at round_done that crashed"
check "the same result" [ "$(result first-in | sed 's/"began": [^,]*, //; s/"in": [^,]*, "how": [^,]*, "at-pass": [^,]*/X/')" = \
    "$(result out | sed 's/"began": [^,]*, //; s/"in": [^,]*, "how": [^,]*, "at-pass": [^,]*/X/')" ]
rm -rf out

# ---- what can't be read again -------------------------------------------------------------------------------------
status=0
cat in/a.txt | "$MILLRACE" run "$looping" -o out --tmp scratch >.out 2>.err || status=$?
check "standard input is refused: $status" [ "$status" -eq 2 ]
expect_err '^millrace: standard input can be read only once: name a file \(looping loops, and reads its input once a pass\)$'
expect_status 0 "$MILLRACE" run "$looping" in/b.txt --tmp scratch
mv .out want
expect_status 0 "$MILLRACE" run "$looping" --tmp scratch <in/b.txt
expect_same .out want "a file as standard input can be read again"
mkfifo pipe
expect_refused 2 '^millrace: "pipe" can be read only once' "$MILLRACE" run "$looping" pipe -o out --tmp scratch
cp many/a.txt grows.txt
expect_refused 3 '^millrace: .*"?grows.txt"? changed' \
    "$MILLRACE" run "$looping" grows.txt --append grows.txt -o out --tmp scratch

# ---- ended from outside --------------------------------------------------------------------------------------------
# interrupted WORDS ARGUMENT…: as soon as it has come to the callback.
interrupted() {
    local took=
    fastest interrupt "$@"
    check "$1: within a second ($took ms)" [ $took -lt $patience_ms ]
}
interrupt() {
    local words=$1 sent
    shift
    rm -f began
    status=0
    (trap - INT; exec "$MILLRACE" run "$looping" "$@" --began "$T/began" -o out --tmp scratch) >.out 2>.err &
    wait_for is_there began
    sent=$(now_ms)
    kill -s INT $!
    wait $! || status=$?
    took=$(($(now_ms) - sent))
    check "$words: ends with 130, not $status" [ "$status" -eq 130 ]
    expect_err '^millrace: interrupted'
    check "$words: no output: $(echo out*)" [ "$(echo out*)" = 'out*' ]
    expect_only scratch
}
for input in in many; do
    interrupted "in a late pass of many, $input" $input --passes 1000000 --in map --at-pass 3
    interrupted "in round_done, $input" $input --passes 1000000 --silent --in round_done --at-pass 2
done
interrupted "while results are read" many --result-us 100 --in round_done
interrupted "in a late pass, --isolate" many --isolate --passes 1000000 --in map --at-pass 2
interrupted "in round_done, --isolate" many --isolate --result-us 100 --in round_done
