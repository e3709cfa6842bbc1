# test_kill: kill -9 at any moment, runs that race for one output, outputs that may not be replaced (faults F20, F47).
. "$(dirname "$0")/lib.sh"

printf 'b a\na\n' >book.txt
printf 'a\t2\nb\t1\n' >expected
seq 1000 >lines.txt

# waiting DIR MOMENT [OPTION…]: starts a run that waits, at a line or a key, for $T/go; returns when it does. $! is it.
waiting() {
    local dir=$1 moment=$2
    shift 2
    rm -f began go
    "$MILLRACE" run "$plugins/misbehave.so" lines.txt --how wait $moment --began "$T/began" --until "$T/go" \
        --tmp scratch -o "$dir" "$@" >"$T/$dir.out" 2>"$T/$dir.err" &
    wait_for is_there began
}

# ---- kill -9 -----------------------------------------------------------------------------------------------------
for moment in '--at 500' '--began-at 500'; do
    waiting out "$moment"
    kill -9 $!
    wait $! 2>/dev/null || true
    check "killed ($moment): a pending directory is left" is_there out.pending-*
    expect_missing out
    expect_status 0 "$MILLRACE" run wordcount book.txt -o out --tmp scratch
    expect_same out/part-00000 expected
    check "the next run cleared it" [ "$(echo out*)" = "out out.err out.out" ]
    expect_only scratch
    rm -r out
done

# ---- two runs, one output ----------------------------------------------------------------------------------------
waiting out '--at 500'
first=$!
expect_status 0 "$MILLRACE" run wordcount book.txt -o out --tmp scratch
check "a living run's directory is not cleared" is_there out.pending-*/lock
: >go
status=0
wait $first || status=$?
check "the slower one: status 2" [ "$status" -eq 2 ]
cp out.err .err
expect_err '^millrace: output "out" has appeared while the job ran; the result is kept: mv "out\.pending-.*/out" NAME publishes'
expect_same out/part-00000 expected "the faster one's output"
kept=$(echo out.pending-*)
check "the slower one's result is kept" [ -f "$kept/out/part-00000" ]
# What the message says to do, done.
instead=$(grep -o 'mv ".*" NAME' "$T/.err" | sed 's/NAME/out/')
rm -r out
check "its own words publish it: $instead" eval "$instead"
expect_status 0 "$MILLRACE" verify out
rm -r out "$kept"

rm -f began began.2 go
for name in one two; do
    "$MILLRACE" run "$plugins/misbehave.so" lines.txt --how wait --at 500 --began "$T/began.$name" --until "$T/go" \
        --tmp scratch -o out >/dev/null 2>"$T/$name.err" &
    [ $name = one ] && one=$! || two=$!
done
wait_for is_there began.one
wait_for is_there began.two
: >go
status_one=0 status_two=0
wait $one || status_one=$?
wait $two || status_two=$?
check "one wins, one says so: $status_one and $status_two" [ $((status_one + status_two)) -eq 2 ]
cat one.err two.err >.err
expect_err '^millrace: output "out" has appeared while the job ran'
expect_status 0 "$MILLRACE" verify out
rm -r out out.pending-*

# ---- what may not be replaced ------------------------------------------------------------------------------------
mkdir -p home/letters
echo dear >home/letters/first
cp -r home home.before
for dir in home home/letters . / ..; do
    expect_status 2 "$MILLRACE" run wordcount book.txt -o $dir --overwrite --tmp scratch
    expect_err '^millrace: output ".*"'
done
expect_status 2 "$MILLRACE" run wordcount book.txt -o home --tmp scratch
expect_err '^millrace: output "home" exists, and is no output of Millrace: name another \(--overwrite replaces outputs of Millrace only\)$'
for content in '' '{}' '{"format": 1}' 'mine'; do
    printf '%s' "$content" >home/_manifest.json
    expect_status 2 "$MILLRACE" run wordcount book.txt -o home --overwrite --tmp scratch
    expect_err '^millrace: output "home" exists, and only a directory that holds a manifest of ours is replaced'
done
rm home/_manifest.json
ln -s home link
expect_status 2 "$MILLRACE" run wordcount book.txt -o link --overwrite --tmp scratch
expect_status 2 "$MILLRACE" run wordcount book.txt -o book.txt --overwrite --tmp scratch
expect_err 'output "book.txt" exists, and is no directory'
check "a home is as it was" diff -r home home.before
check "nothing is left beside it" [ "$(echo home*)" = "home home.before" ]
rm link

# It appears while the run is under way, with --overwrite too.
for overwrite in '' --overwrite; do
    waiting out '--began-at 500' $overwrite
    running=$!
    mkdir out
    echo dear >out/letter
    : >go
    status=0
    wait $running || status=$?
    check "a directory that appears meanwhile ($overwrite): status 2" [ "$status" -eq 2 ]
    check "it is as it was" [ "$(cat out/letter)" = dear ]
    rm -r out out.pending-*
done
waiting out '--began-at 500'
running=$!
mkdir out
: >go
status=0
wait $running || status=$?
check "an empty directory that appears meanwhile is not taken either: status 2" [ "$status" -eq 2 ]
expect_only out
rm -r out out.pending-*
