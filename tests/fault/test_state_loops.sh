# test_state_loops: --state with jobs that loop: kill -9 at every transaction, whatever runs; every line once (F1, F2, F20).
. "$(dirname "$0")/lib.sh"
need_shim
looping=$BUILD/tests/plugins/looping.so
mkdir in
seq 1 9 | sed 's/$/\n1/' >in/a.txt
seq 5 30 >in/b.txt

# state WORDS…: state.py; one check, its account shown.
state() {
    local account
    if account=$(python3 "$SOURCE/tests/fault/state.py" --inputs "$T/in" "$@" 2>&1); then
        ok "${account##*$'\n'} ($*)"
    else
        fail "state $*"
        printf '%s\n' "$account" | sed 's/^/#   /'
    fi
}
# A pass is one round: what runs again is known to the task.
state sweep --class sync --how killed --path journal.db --loops -- run "$looping" {in} --rounds 1
state sweep --class sync --how kill --path journal.db --loops --step 2 -- run "$looping" {in} --rounds 1
state sweep --class sync --how killed --path journal.db --loops --step 2 -- run "$looping" {in} --rounds 1 --isolate
# Two rounds, a state in files, lines in files.
seq 1 8000 >in/c.txt
state sweep --class sync --how killed --step 3 -- run "$looping" {in} --size 100000
state sweep --class rename --how kill -- run "$looping" {in} --passes 2
state sweep --class sync --errno EIO --step 5 -- run "$looping" {in} --size 100000
state sweep --class write --errno ENOSPC --path st/ --stays --step 12 -- run "$looping" {in} --size 100000
# (Where the job's own code, or dlopen, is short of memory, the job has failed.)
state sweep --class malloc --errno ENOMEM --statuses 1,4 --step 150 -- run "$looping" {in} --passes 2
state random 3 -- run "$looping" {in} --size 100000
state random 2 -- run "$looping" {in} --passes 2 --isolate
