# state: what --state costs, and whether it holds: kill -9 at random moments of a 300 MB job, N times (100), until done.
# usage: ./dev bench state [N]   SEED=… repeats a session
set -eu
SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export SOURCE BUILD=$SOURCE/build/release
export MILLRACE=$BUILD/millrace
work=$(mktemp -d "${TMPDIR:-/tmp}/millrace-state.XXXXXX")
trap 'rm -rf "$work"' EXIT
export TMPDIR=$work
mkdir "$work/in"
"$BUILD/tests/gen_logs" 300 >"$work/logs"
split -n l/10 "$work/logs" "$work/in/"
rm "$work/logs"

cost() { # user and system seconds, and wall, of three runs each, in turn
    local how out
    for _ in 1 2 3; do
        for how in without with; do
            rm -rf "$work/out" "$work/st"
            out=$({ TIMEFORMAT='%R s wall, %U user, %S system'
                time "$MILLRACE" run wordcount "$work/in" -o "$work/out" $([ $how = without ] || echo "--state $work/st"); } 2>&1)
            echo "$how --state: $out"
        done
    done
}
cost
python3 "$SOURCE/tests/fault/state.py" random "${1:-100}" --inputs "$work/in" -- run wordcount {in} --partitions 4
