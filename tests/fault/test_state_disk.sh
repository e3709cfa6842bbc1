# test_state_disk: --state on a disk that fills up, and goes on when there is room (fault F6). In a mount namespace.
if [ -z "${MR_TEST_MOUNTS:-}" ]; then
    here=$(command -v unshare >/dev/null && for how in -m -rm; do unshare $how true 2>/dev/null && echo $how && break; done)
    if [ -n "$here" ]; then
        exec env MR_TEST_MOUNTS=1 unshare $here bash "$0"
    fi
    echo "skipped: no mount namespaces here"
    exit 77
fi
. "$(dirname "$0")/lib.sh"
leave() {
    local saved=$?
    set +e
    umount -l "$T"/disk 2>/dev/null
    (exit $saved)
    finish
}
trap leave EXIT

mkdir disk
mount -t tmpfs -o size=64k tmpfs disk 2>"$T/.err" || skip "tmpfs can't be mounted: $(cat "$T/.err")"
for i in 1 2 3 4; do seq $((i * 100000)) $((i * 100000 + 40000)); done >numbers.txt
split -n l/4 numbers.txt in.
"$MILLRACE" run wordcount in.?? -o ref --tmp scratch

# Larger and larger: each time it gets further, says so, and keeps what it did.
kept=0 full=0
for size in 64k 256k 600k 1m 2m 3m 4m 6m 16m; do
    mount -o remount,size=$size disk
    run "$MILLRACE" run wordcount in.?? -o disk/out --state disk/st --tmp scratch --verbose --threads 1
    [ "$status" -ne 0 ] || break
    full=$((full + 1))
    check "$size: status 4" [ "$status" -eq 4 ]
    expect_err '^millrace: .*[Nn]o space'
    expect_missing disk/out
    done_now=$("$MILLRACE" fsck disk/st --json 2>/dev/null | sed 's/.*"maps_done": \([0-9]*\).*/\1/')
    check "$size: $done_now tasks are done, not fewer than $kept" [ "${done_now:-0}" -ge "$kept" ]
    kept=${done_now:-0}
done
check "it ends well at $size" [ "$status" -eq 0 ]
check "it was full before: $full times" [ "$full" -ge 2 ]
check "something was kept over the failures: $kept tasks" [ "$kept" -ge 1 ]
expect_err "^state: $kept tasks? w(as|ere) done before"
expect_same disk/out/part-00000 ref/part-00000
expect_only scratch
