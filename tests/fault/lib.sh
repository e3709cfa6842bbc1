# lib: what the fault tests share, beyond tests/lib.sh. Source it first thing; $T is the current folder then.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
plugins=$BUILD/tests
cd "$T"
chmod 755 "$T"
mkdir scratch

# What "within a second" may take here: sanitizers are slow.
if [ -n "$MR_SANITIZE" ]; then patience_ms=10000; else patience_ms=1000; fi

# fastest COMMAND…: it says by $took, in ms, how long something took. Done again while that is too much (more than $patience_ms, or
# $within_ms), five times at most: a busy machine holds up this run or that, and what is slow by itself is slow each time.
fastest() {
    local i
    for i in 1 2 3 4 5; do
        "$@"
        [ "$took" -ge "${within_ms:-$patience_ms}" ] || return 0
        echo "# $took ms"
    done
}

# is_taken PID: no signal waits any more to be taken by it.
is_taken() {
    ! grep -qE '^(SigPnd|ShdPnd):.*[1-9a-f]' "/proc/$1/status" 2>/dev/null
}

# need_shim: skips where the shim would meet a runtime that it can't stand in front of.
need_shim() {
    case $MR_SANITIZE in
    *thread*) skip "under $MR_SANITIZE nothing may stand between program and system" ;;
    esac
    local calls
    calls=$(LD_PRELOAD=$plugins/shim.so ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" FAULT_CLASS=malloc \
        FAULT_REPORT="$T/probe" "$MILLRACE" --version >/dev/null; od -An -t u8 -N 8 "$T/probe")
    rm -f "$T/probe"
    if [ "$((calls))" -eq 0 ]; then skip "the sanitizer is linked into the program: its allocator comes first"; fi
}

# make_inputs: what the sweeps read: in/book.txt, also as .gz and .zst, in/stop.txt, and in/big.txt, which spills.
make_inputs() {
    mkdir in
    printf 'the cat and the dog\nthe end\n' >in/book.txt
    printf 'and\n' >in/stop.txt
    gzip -c in/book.txt >in/book.gz
    zstd -q in/book.txt -o in/book.zst
    seq 1000000 2400000 >in/big.txt
}

# sweep ARGUMENT…: each call of a class struck in turn (sweep.py); one check, its account shown.
sweep() {
    local account
    if account=$(python3 "$SOURCE/tests/fault/sweep.py" --inputs "$T/in" "$@" 2>&1); then
        ok "${account##*$'\n'} ($*)"
    else
        fail "sweep $*"
        printf '%s\n' "$account" | sed 's/^/#   /'
    fi
}

# flip FILE AT: a bit of this byte is another.
flip() {
    python3 -c '
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2]))
    byte = file.read(1)[0]
    file.seek(-1, 1)
    file.write(bytes([byte ^ 1]))' "$1" "$2"
}

# wait_for COMMAND…: until it succeeds; fails the test after a minute.
wait_for() {
    local end=$((SECONDS + 60))
    until "$@"; do
        if [ "$SECONDS" -gt $end ]; then
            fail "never came true: $*"
            return 0
        fi
        sleep 0.005
    done
}

is_there() {
    [ -e "$1" ] || [ -L "$1" ]
}

# expect_only DIR [NAME…]: the directory holds these and nothing else.
expect_only() {
    local dir=$1 want
    shift
    want=$(printf '%s\n' "$@" | sort)
    if [ "$(ls -A "$dir" | sort)" = "$want" ]; then
        ok "nothing else in ${dir##*/}: $*"
    else
        fail "in $dir: $(ls -A "$dir" | tr '\n' ' ')"
    fi
}

# expect_lines N: the last command said so many lines on standard error, each by the name of the command.
expect_lines() {
    if [ "$(wc -l <"$T/.err")" -eq "$1" ] && [ "$(grep -c '^millrace: ' "$T/.err")" -eq "$1" ]; then
        ok "$1 line(s), by millrace"
    else
        fail "not $1 line(s) by millrace"
    fi
}

# expect_refused CODE PATTERN COMMAND…: it fails with the status, one sentence that matches, and no output.
expect_refused() {
    local code=$1 pattern=$2
    shift 2
    expect_status "$code" "$@"
    expect_err "$pattern"
    expect_no_out
    expect_missing out
    expect_only scratch
}

now_ms() {
    echo $(($(date +%s%N) / 1000000))
}
