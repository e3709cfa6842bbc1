# test_memory: the process stays within --memory, whatever the data: no repetition, skew, long keys, values.
. "$(dirname "$0")/../lib.sh"
[ -z "$MR_SANITIZE" ] || skip "sanitizers have memory of their own"

plugins=$BUILD/tests/plugins
cd "$T"
python3 - <<'PYTHON'
import random
rng = random.Random(3)
with open("distinct.txt", "wb") as file:  # every word once
    for _ in range(25):
        text = rng.randbytes(800000).hex()
        file.write("\n".join(text[i : i + 20] for i in range(0, len(text), 20)).encode() + b"\n")
with open("skewed.txt", "wb") as file:  # 99 % one key
    file.write(b"".join(b"hot\t%d\n" % i if i % 100 else b"k%d\t1\n" % i for i in range(2500000)))
with open("long.txt", "wb") as file:  # keys of 1 KB to 100 KB
    for i in range(800):
        size = rng.choice((1000, 1000, 1000, 10000, 10000, 100000))
        file.write(b"\n".join(rng.randbytes(size // 2).hex().encode() for _ in range(max(1, 100000 // size))) + b"\n")
PYTHON
ls -l *.txt | awk '{ print "# " $5, $9 }'

# within MEMORY THREADS WORDS…: the run succeeds, and the peak of its resident set is at most 15 % over it. Its output
# is $T/peak.
within() {
    local memory=$1 threads=$2
    shift 2
    rm -rf peak
    expect_status 0 python3 - "$memory" "$MILLRACE" run "$@" --threads "$threads" --memory "${memory}M" -o peak <<'PYTHON'
import os, resource, sys
limit, *command = sys.argv[1:]
child = os.posix_spawn(command[0], command, os.environ)
_, status, usage = os.wait4(child, 0)
peak = usage.ru_maxrss / 1024
print(f"{peak:.1f} MiB of {limit}")
sys.exit(status != 0 or peak > 1.15 * int(limit))
PYTHON
    echo "# $(cat "$T/.out")"
}
for memory in 32 64; do
    for threads in 1 2; do
        for run in "wordcount distinct.txt" "$plugins/values.so skewed.txt" "wordcount long.txt"; do
            within $memory $threads $run
            check "spilled" grep -qE '"bytes_spilled": [1-9]' peak/_manifest.json
        done
    done
done

# ---- as many of the most frequent as there are, and giants among them: the engine sorts them ---------------------------
within 32 2 wordcount distinct.txt --top 3000000
check "in the order wanted" cmp <(sort distinct.txt | sed 's/$/\t1/') peak/part-00000
within 64 2 wordcount long.txt --top 60000
rm -f distinct.txt skewed.txt long.txt

# ---- records, keys and values that are all nearly as long as they may be ------------------------------------------------
python3 - <<'PYTHON'
import random
rng = random.Random(5)
with open("near.txt", "wb") as keys, open("values.txt", "wb") as values:
    for i in range(10):
        text = rng.randbytes((8 << 20) - 100).hex().encode()
        keys.write(text + b"\t%d\n" % i)
        values.write(b"k%d\t" % (i % 3) + text + b"\n")
PYTHON
for threads in 1 8; do
    within 64 $threads wordcount near.txt
    within 64 $threads wordcount near.txt --top 5
    within 64 $threads "$plugins/first.so" near.txt
    within 64 $threads "$plugins/first.so" values.txt
    within 64 $threads "$plugins/values.so" values.txt
done
expect_status 3 "$MILLRACE" run "$plugins/combined.so" values.txt --memory 64M
expect_err 'limit' # records of a job that combines by its own code may be half as long
cut -c 1-8300000 values.txt >half.txt
for threads in 1 8; do
    within 64 $threads "$plugins/combined.so" half.txt
done
rm -f near.txt values.txt half.txt

# ---- runs of giant words -------------------------------------------------------------------------------------------------
python3 - <<'PYTHON'
import random
rng = random.Random(6)
with open("runs.txt", "wb") as file:
    for _ in range(8):
        file.write(b"the " + b" ".join(rng.randbytes(1 << 20).hex().upper().encode() for _ in range(7)) + b" END\n")
PYTHON
for threads in 1 8; do
    within 64 $threads wordcount runs.txt --ngram 3
    within 64 $threads wordcount runs.txt --ngram 3 --fold
done
rm -f runs.txt

# ---- many stop words: one set for all threads, and as many as there is room for ------------------------------------------
seq 3000000 3900000 >stop.txt # 7 MB
seq 3800000 5500000 >some.txt
cat some.txt some.txt some.txt >more.txt
for threads in 1 8; do
    within 64 $threads wordcount more.txt --stopwords stop.txt
    check "left out" [ "$(cat peak/part-* | wc -l)" -eq 1600000 ]
    within 64 $threads wordcount more.txt --stopwords stop.txt --words unicode --fold
done
expect_status 3 "$MILLRACE" run wordcount more.txt --stopwords stop.txt --memory 32M
expect_err 'read "stop.txt": it is larger than [0-9.]+ ?[KM]B?, which is what --memory has room for \(reading --stopwords\)'
rm -f stop.txt some.txt more.txt

# ---- windows of zstd: those who decompress take turns ------------------------------------------------------------------
if command -v zstd >/dev/null; then
    python3 -c 'import os; print(os.urandom(300000).hex())' >same.txt # large enough for a thread each
    yes 'the cat and the dog, and the end of it all' | head -c 40000000 >>same.txt
    for i in 1 2 3 4 5 6 7 8; do
        zstd -q -1 --long=25 <same.txt >window.$i.zst
    done
    for threads in 2 8; do
        within 64 $threads wordcount window.*.zst
        check "each of them counted" grep -q "^dog,	7441864$" peak/part-00000
    done
    zstd -q --ultra -22 --long=27 <"$SOURCE/README.md" >large.zst
    within 256 2 wordcount large.zst window.1.zst
    expect_status 3 "$MILLRACE" run wordcount large.zst --memory 128M
    expect_err '"large.zst": the zstd frame at byte 0 needs a window of 128M, .*: --memory 256M would do'
    cat window.1.zst large.zst >both.zst # another window behind the first
    within 256 8 wordcount both.zst both.zst both.zst both.zst
    rm -f *.zst
fi
