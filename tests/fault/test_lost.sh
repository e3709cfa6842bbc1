# test_lost: files that tasks left for others are gone or damaged while the job runs: they are made again (fault F20).
. "$(dirname "$0")/lib.sh"
looping=$BUILD/tests/plugins/looping.so
mkdir in
seq 1 3000 >in/a.txt
seq 2000 5000 >in/b.txt
"$MILLRACE" run "$looping" in -o ref --tmp scratch

# lost WHERE DAMAGED SAYS: in each way to run, files of this pattern are cut short in that callback, once.
lost() {
    local ways
    for ways in '--state st' '--isolate' '--state st --isolate'; do
        rm -rf st out began
        run "$MILLRACE" run "$looping" in -o out --tmp scratch $ways --threads 1 --verbose --at-pass 2 --how damage --in "$1" \
            --began "$T/began" --damages "$T/$(case $ways in *state*) echo 'st/outputs-*' ;; *) echo 'scratch/*' ;; esac)/$2"
        check "$1, $ways: status 0, not $status" [ "$status" -eq 0 ]
        expect_err "$3"
        expect_same ref/part-00000 out/part-00000 "$1, $ways: the same lines"
        expect_only scratch
    done
}
lost reduce 'map-2-0-*' 'map task [01]: a map output was lost and is made again'
lost round_done 'pairs-2-1-*' 'reduce task [0-2]: a committed part was lost and is made again'

# The round that made these is closed: the job fails, and says by what. With a journal it has ended, and begins anew.
for ways in '--isolate' '--state st' '--state st --isolate'; do
    rm -rf st out began
    job=("$MILLRACE" run "$looping" in -o out --tmp scratch $ways --threads 1 --at-pass 2 --how damage --in map_pair
        --began "$T/began" --damages "$T/$(case $ways in *state*) echo 'st/outputs-*' ;; *) echo 'scratch/*' ;; esac)/pairs-2-0-*")
    expect_status 4 "${job[@]}"
    expect_err '^millrace: .*pairs-2-0-[0-4]-1.*: what the round before left is damaged, and that round is closed'
    expect_missing out out.pending-*
    expect_only scratch
    expect_status 0 "${job[@]}" # the file `began` is there: nothing is damaged any more
    expect_same ref/part-00000 out/part-00000 "$ways: anew"
done

# Between two processes: results of a pass, a loop's state in a file, its lines in files.
crash() { # crash AT WORDS…: killed behind the commit of this number
    rm -rf st out
    status=0
    FAULT_CLASS=sync FAULT_PATH=journal.db FAULT_HOW=killed FAULT_AT=$1 LD_PRELOAD=$BUILD/tests/shim.so \
        ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0 bash -c '"$@"; exit $?' - "${@:2}" >/dev/null 2>&1 || status=$?
    check "killed at commit $1" [ "$status" -eq 137 ]
}
if [ -e "$BUILD/tests/shim.so" ]; then
    seq 5000 9000 >in/c.txt
    job=("$MILLRACE" run "$looping" in -o out --state st --tmp scratch --threads 1 --size 100000)
    "$MILLRACE" run "$looping" in -o ref2 --tmp scratch --size 100000
    crash 26 "${job[@]}"
    check "a state and lines lie in files: $(cd st/outputs-* && echo *)" \
        [ -n "$(ls st/outputs-*/state-* st/outputs-*/segment-* 2>/dev/null)" ]
    cp -r st st.kept
    cp -r out.pending-* kept
    pending=$(echo out.pending-*)
    expect_status 0 "${job[@]}"
    expect_same ref2/part-00000 out/part-00000 "it goes on"
    for what in state segment; do
        rm -rf st out "$pending"
        cp -r st.kept st
        cp -r kept "$pending"
        for file in st/outputs-*/$what-*; do flip "$file" 10; done
        expect_status 3 "${job[@]}"
        expect_err "^millrace: .*(state before pass|lines of the loop)"
        expect_missing out "$pending"
        expect_status 0 "${job[@]}"
        expect_same ref2/part-00000 out/part-00000 "a damaged $what: anew"
    done
fi
