# test_disk: full disks, read-only ones, full devices (fault F30). In a mount namespace of its own.
if [ -z "${MR_TEST_MOUNTS:-}" ]; then
    here=$(command -v unshare >/dev/null && for how in -m -rm; do unshare $how true 2>/dev/null && echo $how && break; done)
    if [ -n "$here" ]; then
        exec env MR_TEST_MOUNTS=1 unshare $here bash "$0"
    fi
    echo "skipped: no mount namespaces here"
    exit 77
fi
. "$(dirname "$0")/lib.sh"

# disk NAME OPTIONS: a tmpfs.
disk() {
    mkdir -p "$1"
    if ! mount -t tmpfs -o "$2" tmpfs "$1" 2>"$T/.err"; then
        rmdir "$1"
        skip "tmpfs can't be mounted: $(cat "$T/.err")"
    fi
}
size=$(fewer 16M 4M) # of one, which the output is larger than
disk small size=$size
disk tiny size=1M
leave() {
    local saved=$?
    set +e
    umount -l "$T"/*/ 2>/dev/null
    (exit $saved)
    finish
}
trap leave EXIT

seq 1000000 $(fewer 3600000 1700000) >big.txt # words all different: the output is larger than the input's 20 (5) MB
printf 'b a\na\n' >book.txt
printf 'a\t2\nb\t1\n' >expected

# ---- the output's disk fills up ----------------------------------------------------------------------------------
full='^millrace: write "/.*/small/out\.pending-[0-9a-f]{32}/attempt-[0-9]+-[0-9]+/part-[0-9]{5}": No space left on device'
full="$full: [0-9.]+ [kM]?B of it written; at least [0-9.]+ [kM]?B more is needed$"
expect_refused 4 "$full" "$MILLRACE" run wordcount big.txt -o small/out --tmp scratch
expect_lines 1
expect_only small
expect_status 0 "$MILLRACE" run wordcount book.txt -o small/out --tmp scratch
expect_refused 4 "$full" "$MILLRACE" run wordcount big.txt -o small/out --overwrite --partitions 3 --tmp scratch
expect_only small out
expect_same small/out/part-00000 expected "--overwrite that failed midway left the old output"
expect_status 0 "$MILLRACE" verify small/out
"$MILLRACE" run wordcount book.txt -o small/out --overwrite --tmp scratch
check "once there is room again" "$MILLRACE" verify small/out

# No room for the manifest, none for a directory.
rm -r small/out
head -c $size /dev/zero >small/filler 2>/dev/null || true
run "$MILLRACE" run wordcount book.txt -o small/out --tmp scratch
check "a full disk from the beginning: status 4" [ "$status" -eq 4 ]
expect_err '^millrace: (write|make) "?.*No space left on device'
expect_lines 1
expect_only small filler
for inodes in 1 2 3 4 5 6 7; do
    disk inodes nr_inodes=$inodes
    run "$MILLRACE" run wordcount book.txt -o inodes/out --tmp scratch
    check "$((inodes - 1)) inodes: status 4" [ "$status" -eq 4 ]
    expect_err '^millrace: (make|lock) ".*No space left on device'
    expect_only inodes
    umount inodes
done
disk inodes nr_inodes=20
check "20 inodes do" "$MILLRACE" run wordcount book.txt -o inodes/out --tmp scratch
umount inodes
rmdir inodes

# ---- scratch fills up --------------------------------------------------------------------------------------------
for threads in 1 2; do
    expect_refused 4 '^millrace: write "a scratch file": No space left on device \(spilling to tiny; --tmp names' \
        "$MILLRACE" run wordcount big.txt --memory 16M --tmp tiny -o out --threads $threads
    expect_lines 1
    expect_only tiny
done
TMPDIR=$T/tiny run "$MILLRACE" run wordcount big.txt --memory 16M
check "TMPDIR counts where --tmp isn't given" [ "$status" -eq 4 ]
expect_err 'spilling to .*/tiny'
expect_only tiny
check "with room it spills" "$MILLRACE" run wordcount big.txt --memory 16M --tmp scratch -o out
check "it did spill" grep -qE '"bytes_spilled": [1-9][0-9]{6}' out/_manifest.json
rm -r out

# ---- read-only ---------------------------------------------------------------------------------------------------
mount -o remount,ro tiny
expect_refused 4 '^millrace: make "tiny/out.pending-.*": Read-only file system' \
    "$MILLRACE" run wordcount book.txt -o tiny/out --tmp scratch
expect_refused 2 '^millrace: --tmp "tiny": Read-only file system' "$MILLRACE" run wordcount book.txt --tmp tiny -o out

# ---- full devices ------------------------------------------------------------------------------------------------
for input in book.txt big.txt; do
    status=0
    "$MILLRACE" run wordcount $input --tmp scratch >/dev/full 2>"$T/.err" || status=$?
    check "$input to /dev/full: status 4" [ "$status" -eq 4 ]
    expect_err '^millrace: write "standard output": No space left on device'
    expect_lines 1
done
status=0
"$MILLRACE" run wordcount big.txt --tmp scratch >small/words 2>"$T/.err" || status=$?
check "standard output on a full disk: status 4" [ "$status" -eq 4 ]
expect_err '^millrace: write "standard output": No space left on device'
status=0
"$MILLRACE" run wordcount book.txt --json -o out --tmp scratch >/dev/full 2>"$T/.err" || status=$?
check "the summary on /dev/full: status 4" [ "$status" -eq 4 ]
check "the output is there all the same" "$MILLRACE" verify out
(set +e; "$MILLRACE" run wordcount big.txt --tmp scratch 2>"$T/.err"; echo $? >left) | head -1 >/dev/null
check "a closed pipe ends the run quietly, with 0" [ "$(cat left)" -eq 0 ]
expect_no_err
expect_only scratch
