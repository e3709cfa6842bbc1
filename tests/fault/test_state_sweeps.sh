# test_state_sweeps: --state: kill -9 at every transaction, torn and flipped journals, failing disks (faults F1, F2, F4 to F6).
. "$(dirname "$0")/lib.sh"
need_shim

mkdir in
seq 1000 3000 >in/a.txt
seq 2000 4000 >in/b.txt
seq 3000 5000 | gzip >in/c.gz
"$MILLRACE" run wordcount in -o ref --partitions 2

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
job="run wordcount {in} --partitions 2"

# ---- F1, F2, F20: kill -9 before and behind every fsync (so every COMMIT), rename, mkdir ------------------------------
for how in kill killed; do
    state sweep --class sync --how $how -- $job
    state sweep --class rename --how $how -- $job
    state sweep --class mkdir --how $how -- $job
done
state sweep --class write --how kill --path journal.db --step 5 -- $job
"$MILLRACE" run wordcount in/a.txt -o old
for how in kill killed; do
    state sweep --class rename --how $how --old "$T/old" -- $job --overwrite
    state sweep --class rename --how $how --old "$T/old" --old-fs -- $job --overwrite
done
# The output is there, and the journal does not know it yet.
state sweep --class sync --how killed --appeared -- $job
# Three rounds: what one hands to the next is durable before it opens.
state sweep --class sync --how killed --path journal.db --step 2 -- run "$BUILD/tests/plugins/rounds.so" {in}
state sweep --class sync --how kill --path outputs- -- run "$BUILD/tests/plugins/rounds.so" {in}

# ---- F4, F5: a torn last page, flipped bytes --------------------------------------------------------------------------
state torn -- $job
state flips 401 -- $job

# ---- F6: a disk that fails or is full: the first failure ends the run, the next one goes on ---------------------------
state sweep --class sync --errno EIO -- $job
state sweep --class sync --errno EIO --path journal.db --stays --step 3 -- $job
state sweep --class write --errno ENOSPC --path st/ --stays --step 3 -- $job
state sweep --class write --errno EIO --path journal.db --step 3 -- $job
state sweep --class malloc --errno ENOMEM --step 20 -- $job

# ---- kill -9 at random moments ----------------------------------------------------------------------------------------
state random 5 -- $job
