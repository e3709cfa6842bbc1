# test_plugins: every callback of a job: order, groups, rounds, counters, parameters; and every way in which it fails.
. "$(dirname "$0")/../lib.sh"

plugins=$BUILD/tests/plugins
reference="python3 $SOURCE/tests/integration/plugins.py"
cd "$T"
$reference make lines.txt

# agree WORDS…: a run with these words gives the same parts and result for any threads and memory; 16M spills.
agree() {
    local threads memory
    rm -rf base
    expect_status 0 "$MILLRACE" run "$@" lines.txt -o base --threads 1
    for memory in $(fewer "16M 32M 4G" "16M 4G"); do
        for threads in $(fewer "1 2 8" "2 8"); do
            run "$MILLRACE" run "$@" lines.txt -o other --threads $threads --memory $memory
            check "$threads threads, $memory: parts of $*" cmp <(cat base/part-*) <(cat other/part-*)
            check "$threads threads, $memory: result of $*" cmp \
                <(sed -n '/^  "result"/,/^  "run"/p' base/_manifest.json) \
                <(sed -n '/^  "result"/,/^  "run"/p' other/_manifest.json)
            [ $memory != 16M ] || check "really spilled" grep -qE '"bytes_spilled": [1-9]' other/_manifest.json
            rm -rf other
        done
    done
}

# ---- compare, group, partition, values left unread -------------------------------------------------------------------
for words in "bytes same 1000000" "nocase nocase 1000000" "reverse same 0" "equal family 5" "numeric family 1000000" \
    "numeric family 1" "bytes all 12345"; do
    set -- $words
    $reference ordered lines.txt $words >expected
    expect_status 0 "$MILLRACE" run "$plugins/ordered.so" lines.txt --order $1 --group $2 --read $3 --memory 20M
    expect_same "$T/.out" expected "ordered: $words"
done
agree "$plugins/ordered.so" --order numeric --group family --partitions 7
agree "$plugins/ordered.so" --order nocase --group nocase --read 2 --partitions 2

# ---- rounds ----------------------------------------------------------------------------------------------------------
for rounds in 1 2 3; do
    $reference rounds lines.txt $rounds >expected
    for threads in $(fewer "1 2 8" 2); do
        expect_status 0 "$MILLRACE" run "$plugins/rounds.so" lines.txt --rounds $rounds --threads $threads --memory 16M
        expect_same "$T/.out" expected "$rounds rounds, $threads threads"
    done
done
expect_status 0 "$MILLRACE" run "$plugins/rounds.so" lines.txt -o rounds
check "a counter" grep -q "\"numbers\": $(($(wc -l <expected) - 1))" rounds/_manifest.json
expect_status 2 "$MILLRACE" run "$plugins/rounds.so" lines.txt --rounds 4
expect_err 'rounds: there are 3 rounds, not 4'
expect_status 2 "$MILLRACE" run "$plugins/rounds.so" lines.txt --rounds 0

# ---- parameters, side input, counters, facts, log ------------------------------------------------------------------
printf 'b\na\n\nb\nc' >letters.txt
printf 'b\n\nc\n' >known.txt
expect_status 0 "$MILLRACE" run "$plugins/extras.so" letters.txt
printf '\t1\na\t1\nb\t2\nc\t1\n~params\tquiet one 1 (none)\n' | cmp - "$T/.out" >/dev/null && ok "defaults" || fail "defaults"
expect_status 0 "$MILLRACE" run "$plugins/extras.so" letters.txt --loud --weight 3 --mode=two --text 'a b' \
    --known known.txt -o extras
printf '\t3\nb\t6\nc\t3\n~params\tloud two 3 a b\n' >expected
expect_same extras/part-00000 expected "parameters of every kind"
check "counters, facts and parameters in the result" python3 - extras/_manifest.json <<'PYTHON'
import json, sys
result = json.load(open(sys.argv[1]))["result"]
assert result["counters"] == {"bytes": 4, "lines": 5, "unknown": 1}, result
assert result["facts"] == {"extras": "7"}, result
assert result["parameters"]["weight"] == 3 and result["parameters"]["known"]["bytes"] == 5, result
books = result["rounds"][0]["counters"]
assert books["records_read"] == books["records_mapped"] == 5 and books["pairs_emitted"] == 4, books
assert books["groups"] == 3 and books["records_out"] == 4, books
PYTHON
expect_status 0 "$MILLRACE" run "$plugins/extras.so" letters.txt --verbose
expect_err 'extras: a line of 0 bytes'
expect_status 2 "$MILLRACE" run "$plugins/extras.so" letters.txt --mode three
expect_status 2 "$MILLRACE" run "$plugins/extras.so" letters.txt --weight 0
expect_status 3 "$MILLRACE" run "$plugins/extras.so" letters.txt --known missing.txt

# ---- failures: a sentence with the place, status 1, and nothing left -----------------------------------------------
printf 'a\tx\npoison\tx\nb\ty\npoison\tw\nz\tz\npoison\t1\n' >poison.txt
long=$(fewer '' "$(printf 'x%.0s' {1..120})") # enough bytes for two threads, of fewer lines under sanitizers
seq 0 $(fewer 149999 14999) | sed "s/.*/filler$long&\t&/" >filler.txt
mkdir scratch
broken() { # broken PLUGIN PATTERN WORDS…: fails with this sentence, also amid much else and with two threads
    local plugin=$1 pattern=$2 inputs
    shift 2
    for inputs in poison.txt "filler.txt poison.txt filler.txt poison.txt"; do
        expect_status 1 "$MILLRACE" run "$plugins/$plugin.so" $inputs -o broken --tmp scratch --memory 16M --threads 2 "$@"
        expect_err "^millrace: $pattern"
        check "one line" [ "$(wc -l <"$T/.err")" -eq 1 ]
        check "nothing left" [ ! -e broken -a -z "$(ls -A scratch)" -a -z "$(ls -d .broken* 2>/dev/null)" ]
    done
}
broken fails 'fails: no luck in map \(poison.txt, at offset 4\)$' --at map
broken fails_block 'fails: no luck in map \(poison.txt, at offset 4\)$' --at map
broken fails 'fails: map failed with status -1 and no message \(poison.txt, at offset 4\)$' --at map --how status
broken fails_block 'fails: map_block failed with status -1' --at map --how status
broken fails_block 'fails: map_block consumed [0-9]+ of [0-9]+ records' --at too-many
broken fails_block 'fails: map_block consumed [0-9]+ of [0-9]+ records' --at too-few
for callback in combine partition compare group reduce reduce_end map_pair setup; do
    broken fails "fails: no luck in $callback" --at $callback
    broken fails "fails: $callback failed with status -1 and no message" --at $callback --how status
done
# Sealing and merging concern no one record: the key is named, and no place.
broken fails 'fails: no luck in partition \(key "poison"\)$' --at partition
broken fails 'fails: partition gave [0-9]+: there are [0-9]+ \(key "poison"\)$' --at far
broken fails 'fails: no luck in compare \(key ("poison" and ".*"|".*" and "poison")\)$' --at compare
broken fails 'fails: no luck in combine \((poison.txt, at offset [0-9]+, )?key "poison"\)$' --at combine
broken fails 'fails: no luck in setup' --at setup-reduce
broken fails 'fails: combine gave no value: mr_set was not called' --at no-set
broken fails 'fails: partition gave [0-9]+: there are [0-9]+' --at far
for kind in u64 i64 f64; do
    broken fails "fails: mr_emit_$kind can't be called here: .*\(poison.txt, at offset 4\)$" --at emit_$kind
done
broken fails "fails: mr_emit_u64 can't be called here" --at emit_u64 --how silent
broken fails_block "fails: mr_emit_u64 can't be called here" --at emit_u64 --how silent
broken fails "fails: mr_next can't be called here" --at next
broken fails 'fails: mr_set can be called inside combine only' --at set
broken fails 'fails: plan asks for 0 rounds of 2' --at no-rounds
broken fails 'fails: plan asks for 3 rounds of 2' --at three-rounds
expect_status 2 "$MILLRACE" run "$plugins/fails.so" poison.txt --at plan
expect_err '^millrace: fails: no luck in plan'

# ---- numbers out of range --------------------------------------------------------------------------------------------
long=$(printf 'k%.0s' {1..200})
out_of_range() { # out_of_range PLUGIN PATTERN VALUES…
    local plugin=$1 pattern=$2 key value n=0
    shift 2
    for key in k "$long"; do
        printf "$key\t%s\n" "$@" >range.txt
        expect_status 1 "$MILLRACE" run "$plugins/$plugin.so" range.txt -o range
        expect_err "$pattern"
        for value in "$@"; do
            n=$((n + 1))
            (printf "$key\t%s\n" "$value" && cat filler.txt) >range-$n.txt
        done
        expect_status 1 "$MILLRACE" run "$plugins/$plugin.so" range-*.txt -o range --threads 2 --memory 16M
        expect_err "$pattern"
        rm range-*.txt
        expect_missing range
    done
}
out_of_range sum_u64 'the sum of "k+"?.* is larger than 2\^64-1$' 18446744073709551615 1
out_of_range sum_u64_join 'the sum of "k+"?.* is larger than 2\^64-1' 18446744073709551615 1
out_of_range sum_i64 'the sum of "k+"?.* does not fit 64 bits' 9223372036854775807 1
out_of_range sum_i64 'the sum of "k+"?.* does not fit 64 bits' -9223372036854775808 -1
for plugin in min_f64 max_f64; do
    out_of_range $plugin 'NaN .*\(range.*\.txt, at offset 0\)' nan
done
printf 'k:1\t18446744073709551615\nk:2\t1\n' >range.txt
expect_status 1 "$MILLRACE" run "$plugins/sum_u64_join.so" range.txt
expect_err 'the sum of "k:1" is larger than 2\^64-1'
printf 'k\t1\nk\tone\n' >range.txt
expect_status 1 "$MILLRACE" run "$plugins/sum_u64.so" range.txt
expect_err 'kinds: "one" is no number \(range.txt, at offset 4\)$'

# ---- group sees neighbours, not the group's first key; what was not declared is no parameter; exit() is no success --------
printf '%s\n' 22 1 100 8 15 >near.txt
expect_status 0 "$MILLRACE" run "$plugins/sessions.so" near.txt
check "neighbours are joined" cmp <(printf '1\t4\n100\t1\n') "$T/.out"
expect_status 1 "$MILLRACE" run "$plugins/sessions.so" near.txt --wrong name
expect_err 'sessions: the job declares no parameter "nmae"'
expect_status 1 "$MILLRACE" run "$plugins/sessions.so" near.txt --wrong kind
expect_err 'sessions: the parameter "wrong" is not a number'
if [ -z "${MR_SANITIZE:-}" ]; then
    expect_status 134 "$MILLRACE" run "$plugins/sessions.so" near.txt -o near --wrong exit
    expect_err "the job's code ended the process by exit\(\) in job sessions, round join, map task 0, near.txt"
    expect_missing near
fi
