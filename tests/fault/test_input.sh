# test_input: inputs that are missing, unreadable, empty, odd, cut off, corrupt, or shrink (faults F42, F44, F45, F46).
. "$(dirname "$0")/lib.sh"
export PYTHONDONTWRITEBYTECODE=1
printf 'b a\na\n' >book.txt
count() {
    run "$MILLRACE" run wordcount --tmp scratch "$@"
}

# ---- missing: all are named, before any work (the job would crash at the first line) -----------------------------
crash_at_once=("$MILLRACE" run "$plugins/misbehave.so" --how abort --at 'b a' --tmp scratch)
expect_refused 3 '^millrace: open "none.txt": No such file or directory$' "${crash_at_once[@]}" \
    none.txt book.txt also/none.txt 'no*thing' -o out
expect_err '^millrace: open "also/none.txt": No such file or directory$'
expect_err '^millrace: "no\*thing" matches no file$'
expect_lines 3
run "${crash_at_once[@]}" book.txt
check "the job does crash at work" [ "$status" -ge 128 ]
for i in $(seq 30); do printf 'none%s\n' "$i"; done >names
expect_refused 3 'and 20 more' "$MILLRACE" run wordcount $(cat names) -o out --tmp scratch

# ---- unreadable: root may read anything, so nobody looks ---------------------------------------------------------
mkdir closed mixed
cp book.txt mixed/open.txt
cp book.txt mixed/shut.txt
cp book.txt shut.txt
cp "$MILLRACE" millrace
chmod 000 mixed/shut.txt shut.txt closed
nobody=()
if [ "$(id -u)" -eq 0 ]; then
    nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
if "${nobody[@]}" true 2>/dev/null && ! "${nobody[@]}" cat shut.txt 2>/dev/null; then
    for input in shut.txt closed mixed 'mix*/*'; do
        expect_refused 3 '^millrace: open ".*": Permission denied$' "${nobody[@]}" ./millrace run wordcount "$input"
        expect_lines 1
    done
    expect_refused 3 'open "shut.txt": Permission denied' "${nobody[@]}" ./millrace run wordcount shut.txt mixed closed
    expect_lines 3
    expect_refused 4 'make "out.pending.*": Permission denied' "${nobody[@]}" ./millrace run wordcount book.txt -o out
    expect_lines 1
else
    echo "skipped: unreadable files: nobody here may not read them"
fi
chmod 755 closed

# ---- no input files ----------------------------------------------------------------------------------------------
mkdir empty hidden
cp book.txt hidden/.dot
cp book.txt hidden/_score
for input in empty hidden closed; do
    expect_refused 3 "\"$input\" holds no input files" "$MILLRACE" run wordcount $input -o out --tmp scratch
    expect_lines 1
done
expect_refused 3 'no input files in any of the 2 names' "$MILLRACE" run wordcount empty hidden -o out --tmp scratch
expect_refused 3 'standard input' "$MILLRACE" run wordcount - -o out --tmp scratch <&-
expect_refused 3 'standard input.*is a directory' "$MILLRACE" run wordcount --tmp scratch <empty
expect_refused 3 'open "none": No such file.*--stopwords' "$MILLRACE" run wordcount book.txt --stopwords none --tmp scratch
expect_refused 2 '^millrace: --tmp "none": No such file' "$MILLRACE" run wordcount book.txt --tmp none
expect_refused 2 '^millrace: --tmp "book.txt": Not a directory' "$MILLRACE" run wordcount book.txt --tmp book.txt
expect_refused 2 'output "none/out": open "none": No such file' "$MILLRACE" run wordcount book.txt -o none/out --tmp scratch

# ---- empty, unterminated, CRLF, NUL, invalid UTF-8 ---------------------------------------------------------------
: >nothing.txt
count nothing.txt
check "an empty file counts as nothing" [ "$status" -eq 0 ]
expect_no_out
expect_no_err
count nothing.txt -o out
check "an empty output is an output" "$MILLRACE" verify out
rm -r out
gzip -c nothing.txt >nothing.gz
zstd -q nothing.txt -o nothing.zst
count nothing.gz nothing.zst
check "compressed emptiness" [ "$status" -eq 0 ]
expect_no_out
printf 'a b\na' >unended.txt
printf 'a\t2\nb\t1\n' >expected
count unended.txt
expect_same "$T/.out" expected "the last line counts without its end"
count unended.txt unended.txt
printf 'a\t4\nb\t2\n' >expected
expect_same "$T/.out" expected "and does not run into the next file"
printf 'b a\r\na\r\n' >crlf.txt
printf 'a\t2\nb\t1\n' >expected
count crlf.txt
expect_same "$T/.out" expected "CRLF is white space"
printf 'a\0b \377\376 a\0b\n\0\n \303 \303\251\n' >odd.txt
python3 -c '
import collections, sys
words = collections.Counter(open("odd.txt", "rb").read().split())
sys.stdout.buffer.write(b"".join(b"%s\t%d\n" % item for item in sorted(words.items())))' >expected
count odd.txt
expect_same "$T/.out" expected "bytes as they are, with --words whitespace"
count odd.txt --words unicode --json -o out
printf 'a\t2\nb\t2\n\303\251\t1\n' >expected
expect_same out/part-00000 expected "NUL and invalid bytes separate words, with --words unicode"
check "invalid bytes are counted" python3 -c '
import json
counters = json.load(open("out/_manifest.json"))["result"]["counters"]
assert counters.get("invalid_bytes", counters.get("bytes_invalid")) == 3, counters'
rm -r out

# ---- too long a record -------------------------------------------------------------------------------------------
{ printf 'a\n'; head -c 3000000 /dev/zero | tr '\0' x; printf '\nb\n'; } >long.txt
expect_refused 3 '^millrace: "long.txt": the record at byte 2 is longer than the limit of 1' \
    "$MILLRACE" run wordcount long.txt --max-record 1M -o out --tmp scratch
gzip -1 -c long.txt >long.gz
expect_refused 3 '^millrace: "long.gz": the record at byte 2 is longer than the limit of 1' \
    "$MILLRACE" run wordcount long.gz --max-record 1M -o out --tmp scratch
count long.txt --memory 16M
check "4 MiB are a quarter of 16M" [ "$status" -eq 0 ]

# ---- cut off and corrupt: at every byte --------------------------------------------------------------------------
run python3 "$SOURCE/tests/fault/cuts.py"
check "each cut and each flipped byte of .gz and .zst is found" [ "$status" -eq 0 ]
sed 's/^/# /' "$T/.out"

seq 300000 >many.txt
for suffix in gz zst; do
    case $suffix in gz) gzip -c many.txt >many.gz ;; zst) zstd -q -f many.txt -o many.zst ;; esac
    size=$(stat -c %s many.$suffix)
    head -c $((size / 2)) many.$suffix >half.$suffix
    expect_refused 3 "^millrace: .*\"half.$suffix\".*byte [0-9]+" \
        "$MILLRACE" run wordcount half.$suffix -o out --tmp scratch --threads 2
    expect_lines 1
    { cat many.$suffix; echo garbage; } >trailing.$suffix
    expect_refused 3 "\"trailing.$suffix\".*byte $size" "$MILLRACE" run wordcount trailing.$suffix -o out --tmp scratch
    status=0
    "$MILLRACE" run wordcount --tmp scratch <half.$suffix >"$T/.out" 2>"$T/.err" || status=$?
    check "half a .$suffix on standard input: status 3" [ "$status" -eq 3 ]
    expect_err '"?standard input"?.*byte [0-9]+'
    expect_no_out
done
cat many.gz many.gz >twice.gz
count twice.gz
cp "$T/.out" twice
count many.txt many.txt
expect_same "$T/.out" twice "all members are read"

# ---- compressed in ways that are not read: all are named, before any work ---------------------------------------------
python3 - <<'PYTHON'
import bz2, lzma, zipfile
text = open("book.txt", "rb").read()
open("book.bz2", "wb").write(bz2.compress(text))
open("empty.bz2", "wb").write(bz2.compress(b""))
open("book.xz", "wb").write(lzma.compress(text))
zipfile.ZipFile("book.zip", "w").writestr("book.txt", text)
zipfile.ZipFile("empty.zip", "w").close()
open("book.7z", "wb").write(b"7z\xbc\xaf'\x1c and so on")
open("book.lz4", "wb").write(b"\x04\x22\x4d\x18 and so on")
open("plain.txt", "wb").write(b"BZh9 PK xz 7z\nBZh91AY")
PYTHON
expect_refused 3 '^millrace: "book.xz" is compressed by xz, .*: use xz -dc FILE \| millrace run JOB -$' \
    "${crash_at_once[@]}" book.bz2 empty.bz2 book.txt book.xz book.zip empty.zip book.7z book.lz4 -o out
expect_err '^millrace: "book.bz2" is compressed by bzip2, .*: use bzip2 -dc FILE'
expect_err '^millrace: "empty.bz2" is compressed by bzip2'
expect_err '^millrace: "book.zip" is compressed by zip, .*: use unzip -p FILE'
expect_err '^millrace: "empty.zip" is compressed by zip'
expect_err '^millrace: "book.7z" is compressed by 7-Zip'
expect_err '^millrace: "book.lz4" is compressed by lz4'
expect_lines 7
mkdir archives
cp book.xz archives/text.txt
expect_refused 3 '"archives/text.txt" is compressed by xz' "$MILLRACE" run wordcount archives -o out --tmp scratch
expect_refused 3 '"standard input" is compressed by xz' "$MILLRACE" run wordcount -o out --tmp scratch <book.xz
expect_refused 3 '"standard input" is compressed by bzip2' "$MILLRACE" run wordcount -o out --tmp scratch \
    < <(cat book.bz2)
count plain.txt
check "what only begins like it is text" [ "$(grep -c '^BZh9' "$T/.out")" -eq 2 ]

# ---- a file that shrinks while it is read ------------------------------------------------------------------------
for name in shrinks.txt shrinks.gz; do
    rm -f began go
    seq 1000000 >shrinks.txt
    gzip -1 -c shrinks.txt >shrinks.gz
    "$MILLRACE" run "$plugins/misbehave.so" --how wait --at 1 --began "$T/began" --until "$T/go" --threads 1 \
        $name -o out --tmp scratch >"$T/.out" 2>"$T/.err" &
    wait_for is_there began
    check "$name is being read" kill -0 $!
    truncate -s 1500000 $name
    : >go
    status=0
    wait $! || status=$?
    check "$name shrank: status 3" [ "$status" -eq 3 ]
    expect_err "^millrace: \"$name\" shrank while it was being read: it held [0-9]+ bytes when it was listed, now it ends at byte 1500000"
    expect_lines 1
    expect_missing out
    expect_only scratch
done
