# test_signal: SIGINT and SIGTERM at any moment end a run within a second and leave nothing (fault F48).
. "$(dirname "$0")/lib.sh"

seq $(fewer 1000000 200000) >many.txt
seq 3000 >few.txt
yes same | head -100000 >same.txt
: >go # a wait ends at once: it only tells that its line was reached
mkfifo pipe

# stopped SIGNAL CODE WORDS COMMAND…: starts it, waits until $T/began is there, sends the signal.
stopped() {
    local took=
    fastest stop "$@"
    check "$1, $3: within a second ($took ms)" [ $took -lt $patience_ms ]
}
stop() {
    local signal=$1 code=$2 words=$3 sent
    shift 3
    status=0
    rm -f began
    (trap - INT; exec "$@") <"$stdin" >"$T/.out" 2>"$T/.err" &
    wait_for has_begun $!
    sent=$(now_ms)
    kill -s "$signal" $!
    wait $! || status=$?
    took=$(($(now_ms) - sent))
    check "$signal, $words: ends with $code" [ "$status" -eq "$code" ]
    expect_err '^millrace: interrupted'
    expect_lines 1
    check "$signal, $words: no output: $(echo out*)" [ "$(echo out*)" = 'out*' ]
    expect_only scratch
}

# It is where it should be: it said so itself.
has_begun() {
    is_there began
}

stdin=/dev/null
job=("$MILLRACE" run "$plugins/misbehave.so" --how wait --began "$T/began" --until "$T/go" --tmp scratch -o out)
for signal in 'INT 130' 'TERM 143'; do
    for threads in 1 2; do
        stopped $signal "in map, $threads threads" "${job[@]}" many.txt --threads $threads --at 2 --map-us 1000
        stopped $signal "in reduce, $threads threads" "${job[@]}" many.txt --threads $threads --began-at 10 --reduce-us 1000
    done
    stopped $signal "in map, few lines" "${job[@]}" few.txt --at 2 --map-us 20000
    stopped $signal "in reduce, few lines" "${job[@]}" few.txt --began-at 10 --reduce-us 20000
    stopped $signal "in one long group" "${job[@]}" same.txt --began-at same --reduce-us 1000
done

# ---- while a large log is sorted ---------------------------------------------------------------------------------------
# Keys of one long beginning, in no order: each is looked at where it lies. (What follows the sort takes an hour: a signal that
# comes late, from a busy machine, still meets a run.)
if [ -z "$MR_SANITIZE" ]; then
    python3 -c '
import sys
for i in range(4000000):
    sys.stdout.write("https://www.example.org/a/path/%d\n" % (i * 7368787 % 9999991))' >urls.txt
    for threads in 1 2; do
        stopped INT 130 "sorting, $threads threads" "$MILLRACE" run "$plugins/misbehave.so" --seal --began "$T/began" \
            --until "$T/go" --reduce-us 1000 --tmp scratch -o out urls.txt --threads $threads --memory 4G
    done
    rm urls.txt
fi

# ---- while nothing comes -----------------------------------------------------------------------------------------
count=("$MILLRACE" run wordcount --tmp scratch -o out)
# Its next step is to wait: it has opened the FIFO (standard input: a second time).
opens=1
has_begun() {
    is_there out.pending-*/lock && [ "$(readlink /proc/"$1"/fd/* | grep -c "^$T/pipe$")" -ge $opens ]
}
for signal in 'INT 130' 'TERM 143'; do
    stopped $signal "a FIFO that nobody writes" "${count[@]}" pipe
    sleep 300 >pipe &
    writer=$!
    stopped $signal "a FIFO whose writer is silent" "${count[@]}" pipe
    stopped $signal "several of them" "${count[@]}" few.txt pipe --threads 3
    stdin=pipe opens=2
    stopped $signal "standard input, a silent pipe" "${count[@]}"
    stopped $signal "standard input, by name" "${count[@]}" few.txt -
    stdin=/dev/null opens=1
    kill $writer
    wait $writer 2>/dev/null || true
done

# ---- while nobody takes what comes -------------------------------------------------------------------------------
mkfifo full
# unread SIGNAL CODE: the signal comes when the pipe is full.
unread() {
    local running sent
    (trap - INT; exec "$MILLRACE" run wordcount many.txt --tmp scratch) >full 2>"$T/.err" &
    running=$!
    exec 8<full # a reader that never reads
    wait_for python3 -c '
import fcntl, sys, termios
sys.exit(int.from_bytes(fcntl.ioctl(8, termios.FIONREAD, b"    "), "little") < 60000)'
    sent=$(now_ms)
    kill -s $1 $running
    status=0
    wait $running || status=$?
    took=$(($(now_ms) - sent))
    exec 8<&-
    check "SIG$1, standard output not read: ends with $2" [ "$status" -eq "$2" ]
    expect_err '^millrace: interrupted'
    expect_only scratch
}
for signal in 'INT 130' 'TERM 143'; do
    fastest unread $signal
    check "within a second ($took ms)" [ $took -lt $patience_ms ]
done

# ---- a closed pipe -----------------------------------------------------------------------------------------------
for input in many.txt few.txt; do
    (set +e; "$MILLRACE" run wordcount $input --tmp scratch 2>"$T/.err"; echo $? >left) | head -1 >first
    check "| head -1 of $input: status 0" [ "$(cat left)" -eq 0 ]
    check "| head -1 of $input: a line came" [ -s first ]
    expect_no_err
done
(set +e; "$MILLRACE" run wordcount many.txt --tmp scratch 2>"$T/.err"; echo $? >left) | true
check "a reader that takes nothing: status 0" [ "$(cat left)" -eq 0 ]
expect_no_err
expect_only scratch
