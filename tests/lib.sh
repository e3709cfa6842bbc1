# lib: what every test script starts with: `. "$SOURCE/tests/lib.sh"`.
#
# CTest runs a script with bash and gives it MILLRACE (the built command), BUILD (the build folder), SOURCE (the
# repository) and MR_SANITIZE (empty: none). By hand: MILLRACE=build/release/millrace bash tests/integration/test_x.sh.
# The script gets a folder $T of its own, removed when it ends. A failed expectation is counted and the script goes
# on; it exits 1 at the end where there was one. Exit 77 (skip) means that the machine lacks what the test needs.
set -eu

: "${SOURCE:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
: "${BUILD:=$SOURCE/build/release}"
: "${MILLRACE:=$BUILD/millrace}"
: "${MR_SANITIZE:=}"
MILLRACE=$(realpath "$MILLRACE")
BUILD=$(realpath "$BUILD")
export SOURCE BUILD MILLRACE MR_SANITIZE
export LC_ALL=C.UTF-8
umask 022 # some tests are another user for a while
unset NO_COLOR MILLRACE_TMP 2>/dev/null || true

T=$(mktemp -d "${TMPDIR:-/tmp}/millrace-test.XXXXXX")
export TMPDIR=$T
failures=0
checks=0

# fewer FULL FEW: the first for a build as released, the second under sanitizers, which are slow: there every path is
# gone once, but not every combination, and data are as large as the path needs.
fewer() {
    if [ -z "$MR_SANITIZE" ]; then echo "$1"; else echo "$2"; fi
}

# threads_to_try FULL FEW: the same for numbers of threads, of which 1 shows ThreadSanitizer nothing.
threads_to_try() {
    case $MR_SANITIZE in
    *thread*) echo "$2" ;;
    *) echo "$1" ;;
    esac
}

# at_exit: what a script ends before its folder goes: for those that start what lives on, which define it anew.
at_exit() { :; }

finish() {
    local status=$? cpu=
    at_exit
    times >"$T/.times" 2>/dev/null && cpu=$(tail -n 1 "$T/.times") || true # of what it started: user, system
    chmod -R u+rwX "$T" 2>/dev/null || true
    rm -rf "$T"
    if [ "$status" -eq 77 ]; then
        exit 77
    fi
    if [ "$status" -ne 0 ]; then
        echo "not ok - the script itself ended with status $status"
        exit 1
    fi
    echo "$((checks - failures)) passed, $failures failed; CPU: $cpu"
    [ "$failures" -eq 0 ]
}
trap finish EXIT

# ok WORDS…: counts one expectation that held.
ok() {
    checks=$((checks + 1))
    echo "ok $checks - $*"
}

# fail WORDS…: counts one that did not, and shows what the last command said. Always returns 0.
fail() {
    checks=$((checks + 1))
    failures=$((failures + 1))
    echo "not ok $checks - $*"
    if [ -s "$T/.err" ]; then
        sed 's/^/#   err: /' "$T/.err" | head -20
    fi
    if [ -s "$T/.out" ]; then
        sed 's/^/#   out: /' "$T/.out" | head -20
    fi
}

# skip WORDS…: ends the script as skipped.
skip() {
    echo "skipped: $*"
    exit 77
}

# run COMMAND…: runs it; its output goes to $T/.out and $T/.err, its status to $status. Never ends the script.
run() {
    status=0
    "$@" >"$T/.out" 2>"$T/.err" || status=$?
}

# expect_status CODE COMMAND…: runs it and compares its exit status.
expect_status() {
    local want=$1
    shift
    run "$@"
    if [ "$status" -eq "$want" ]; then
        ok "status $want: $*"
    else
        fail "status $status instead of $want: $*"
    fi
}

# expect_out PATTERN, expect_err PATTERN: a line of what the last command wrote matches the (extended) pattern.
expect_out() {
    expect_in "$T/.out" output "$1"
}
expect_err() {
    expect_in "$T/.err" errors "$1"
}
expect_in() {
    if grep -qE -- "$3" "$1"; then
        ok "$2 match: $3"
    else
        fail "$2 lack: $3"
    fi
}

# expect_no_out, expect_no_err: the last command wrote nothing there.
expect_no_out() {
    if [ -s "$T/.out" ]; then fail "output should be empty"; else ok "no output"; fi
}
expect_no_err() {
    if [ -s "$T/.err" ]; then fail "errors should be empty"; else ok "no errors"; fi
}

# expect_same FILE FILE [WORDS]: equal bytes.
expect_same() {
    if cmp -s "$1" "$2"; then
        ok "${3:-$1 and $2 are the same}"
    else
        fail "${3:-same bytes}: $(cmp "$1" "$2" 2>&1)"
    fi
}

# expect_missing PATH…: none of them exists.
expect_missing() {
    local path
    for path in "$@"; do
        if [ -e "$path" ]; then fail "$path should not exist"; else ok "no $path"; fi
    done
}

# check WORDS COMMAND…: the command succeeds.
check() {
    local words=$1
    shift
    if "$@"; then ok "$words"; else fail "$words"; fi
}
