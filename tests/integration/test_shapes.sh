# test_shapes: inputs and data of odd shapes: huge records and keys, skew, nothing at all, streams, archives, folders.
. "$(dirname "$0")/../lib.sh"

plugins=$BUILD/tests/plugins
cd "$T"

# same_for WANT WORDS…: the run's output is this file's, for any threads.
same_for() {
    local want=$1 threads
    shift
    for threads in $(threads_to_try "1 3" 3); do
        expect_status 0 "$MILLRACE" run "$@" --threads $threads
        expect_same "$T/.out" "$want" "$threads threads: $*"
    done
}

# ---- a record longer than a block, in a file of more than one split ---------------------------------------------------
records=$(fewer 400000 40000)
python3 - $records <<'PYTHON'
import sys
records = int(sys.argv[1])
line = b"x" * (64 << 20)
with open("huge.txt", "wb") as file:
    file.write(b"".join(b"k%d\t%d\n" % (i % 1000, i) for i in range(records // 2)))
    file.write(line[:-2] + b"\tv\n")  # 64 MiB: the longest that is taken
    file.write(b"".join(b"k%d\t%d\n" % (i % 1000, i) for i in range(records // 2, records)))
with open("huge.expected", "wb") as file:
    for key in sorted(b"k%d" % i for i in range(1000)):
        file.write(b"%s\t%d\n" % (key, int(key[1:])))
    file.write(line[:-2] + b"\tv\n")
PYTHON
same_for huge.expected "$plugins/first.so" huge.txt
expect_status 0 "$MILLRACE" run wordcount huge.txt --memory 512M --threads 2 -o huge --partitions 2
check "keys and values, each a word" [ "$(cat huge/part-* | wc -l)" -eq $((1000 + records + 2)) ]
expect_status 3 "$MILLRACE" run wordcount huge.txt --memory 64M -o refused
expect_err 'huge\.txt.*16'
expect_status 3 "$MILLRACE" run wordcount huge.txt --max-record 1M -o refused
expect_err 'huge\.txt'
expect_missing refused

# ---- huge keys under little memory: each a run of its own -----------------------------------------------------------
python3 - <<'PYTHON'
import random
rng = random.Random(1)
keys = [b"%c" % (97 + i) * size for i, size in enumerate((3 << 20, 3 << 20, 1 << 20, 700000, 70000, 65536, 5))]
lines = [key + b"\t%d" % value for key in keys for value in (1, 2, 3)]
rng.shuffle(lines)
open("keys.txt", "wb").write(b"\n".join(lines))
first = {}
for line in lines:
    first.setdefault(line.rpartition(b"\t")[0], line)
open("keys.first", "wb").write(b"".join(first[key] + b"\n" for key in keys))
open("keys.sum", "wb").write(b"".join(key + b"\t6\n" for key in keys))
open("keys.values", "wb").write(b"".join(line + b"\n" for key in keys for line in lines if line.startswith(key + b"\t")))
PYTHON
for memory in $(fewer "16M 24M 64M 1G" "16M 64M"); do
    same_for keys.first "$plugins/first.so" keys.txt --memory $memory
    same_for keys.sum "$plugins/sum_u64.so" keys.txt --memory $memory
    same_for keys.sum "$plugins/sum_f64.so" keys.txt --memory $memory
    same_for keys.values "$plugins/values.so" keys.txt --memory $memory
done

# ---- one key has 99 % ------------------------------------------------------------------------------------------------
python3 - $(fewer 600000 250000) <<'PYTHON'
import sys
rows = [(b"hot", i) if i % 100 else (b"k%d" % i, i) for i in range(int(sys.argv[1]))]
open("skewed.txt", "wb").write(b"".join(b"%s\t%d\n" % row for row in rows))
groups = {}
for key, value in rows:
    groups.setdefault(key, []).append(value)
keys = sorted(groups)
open("skewed.sum", "wb").write(b"".join(b"%s\t%d\n" % (key, sum(groups[key])) for key in keys))
open("skewed.values", "wb").write(b"".join(b"%s\t%d\n" % (key, value) for key in keys for value in groups[key]))
PYTHON
same_for skewed.sum "$plugins/sum_u64.so" skewed.txt --memory 16M
same_for skewed.values "$plugins/values.so" skewed.txt --memory 16M
expect_status 0 "$MILLRACE" run "$plugins/values.so" skewed.txt --memory 16M -o skewed
check "spilled" grep -qE '"bytes_spilled": [1-9]' skewed/_manifest.json

# ---- partitions --------------------------------------------------------------------------------------------------------
for partitions in 1 7 4096; do
    for threads in $(threads_to_try "1 3" 3); do
        expect_status 0 "$MILLRACE" run "$plugins/sum_u64.so" skewed.txt -o parts --partitions $partitions \
            --threads $threads --memory 32M
        check "$partitions parts" [ "$(ls parts/part-* | wc -l)" -eq $partitions ]
        check "their lines" cmp <(cat parts/part-* | LC_ALL=C sort) skewed.sum
        expect_status 0 "$MILLRACE" verify parts
        rm -rf parts
    done
done

expect_status 2 "$MILLRACE" run "$plugins/sum_u64.so" skewed.txt --partitions 3
expect_err '^millrace: --partitions 3 needs an output directory to make \(-o DIR\): without one the result is one stream$'
expect_no_out
expect_status 2 "$MILLRACE" run wordcount skewed.txt --top 3 --partitions 3 -o parts
expect_err '^millrace: --partitions 3 does not go with round top of wordcount, which always makes 1: leave it out$'
expect_missing parts
expect_status 2 "$MILLRACE" run wordcount skewed.txt --partitions 4097 -o parts
expect_err '^millrace: .*--partitions.*4096'
expect_status 0 "$MILLRACE" run wordcount skewed.txt --top 3 --partitions 1 -o parts
rm -rf parts

# ---- nothing at all ----------------------------------------------------------------------------------------------------
: >empty.txt
gzip -c empty.txt >empty.gz
for input in empty.txt empty.gz "empty.txt empty.txt" -; do
    expect_status 0 "$MILLRACE" run wordcount $input </dev/null
    expect_no_out
    expect_no_err
done
expect_status 0 "$MILLRACE" run wordcount empty.txt -o nothing --partitions 3
check "three parts of nothing" [ "$(cat nothing/part-* | wc -c)$(ls nothing/part-* | wc -l)" = 03 ]
expect_status 0 "$MILLRACE" verify nothing
printf '\n' >line.txt
expect_status 0 "$MILLRACE" run "$plugins/sum_u64.so" line.txt
printf '\t1\n' >expected
expect_same "$T/.out" expected "one empty record"

# ---- the same text however it comes ------------------------------------------------------------------------------------
seq 300000 | sed 's/\(.*\)\(.\)$/\2 word\1/' >text.txt
expect_status 0 "$MILLRACE" run wordcount text.txt
cp "$T/.out" expected
head -100000 text.txt | gzip -1 >members.gz
tail -n +100001 text.txt | head -100000 | gzip >>members.gz
: | gzip >>members.gz
tail -n +200001 text.txt | gzip >>members.gz
same_for expected wordcount members.gz
cp members.gz members.txt # told by content
same_for expected wordcount members.txt
if command -v zstd >/dev/null; then
    head -150000 text.txt | zstd -q -1 >frames.zst
    tail -n +150001 text.txt | zstd -q >>frames.zst
    same_for expected wordcount frames.zst
fi
for threads in $(threads_to_try "1 3" 3); do
    run "$MILLRACE" run wordcount --threads $threads <text.txt
    expect_same "$T/.out" expected "standard input, a file"
    run "$MILLRACE" run wordcount - --threads $threads --memory 16M < <(cat text.txt)
    expect_same "$T/.out" expected "standard input, a pipe"
    run "$MILLRACE" run wordcount --threads $threads < <(cat members.gz)
    expect_same "$T/.out" expected "standard input, a pipe of gzip"
    mkfifo fifo
    cat text.txt >fifo &
    expect_status 0 "$MILLRACE" run wordcount fifo --threads $threads
    expect_same "$T/.out" expected "a FIFO"
    rm fifo
done
mkdir -p tree/b/c tree/.hidden tree/_logs
split -l 60000 text.txt tree/b/c/part.
mv tree/b/c/part.aa tree/a
gzip tree/b/c/part.ab
mv tree/b/c/part.ac tree/b/
echo skipped | tee tree/.hidden/x tree/_logs/x tree/.y >tree/_z
same_for expected wordcount tree
same_for expected wordcount tree/a 'tree/b/c/*' 'tree/b/part.a?'
same_for expected wordcount 'tree/[ab]'
run "$MILLRACE" run wordcount tree/a - 'tree/b/c/*' <tree/b/part.ac
expect_same "$T/.out" expected "files, standard input and a glob together"
seq 5 | sed 's/^/k\t/' >ordered.txt
printf 'k\t6\nk\t7' >more.txt
run "$MILLRACE" run "$plugins/values.so" more.txt - ordered.txt < <(printf 'k\t8\n')
printf 'k\t%d\n' 6 7 8 1 2 3 4 5 >expected
expect_same "$T/.out" expected "values stand in the order in which inputs were named"

# ---- the N most frequent, of few and of so many that they are not kept in memory ----------------------------------------
python3 -c 'print("".join(f"w{i * 7919 % 1000003 % (60000 + i % 1000)}\n" for i in range(300000)), end="")' >words.txt
expect_status 0 "$MILLRACE" run wordcount words.txt
LC_ALL=C sort -t "$(printf '\t')" -k2,2nr -k1,1 "$T/.out" >ranked
for top in $(fewer "1 9000 20000 59999 1000000" "1 20000 1000000"); do
    head -$top ranked >expected
    same_for expected wordcount words.txt --top $top
done
