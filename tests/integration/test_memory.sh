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

# within MEMORY WORDS…: the peak of the resident set is at most 15 % over it.
within() {
    local memory=$1 threads
    shift
    for threads in 1 2; do
        expect_status 0 python3 - "$memory" "$MILLRACE" run "$@" --threads $threads --memory "${memory}M" -o out <<'PYTHON'
import os, resource, sys
limit, *command = sys.argv[1:]
child = os.posix_spawn(command[0], command, os.environ)
_, status, usage = os.wait4(child, 0)
peak = usage.ru_maxrss / 1024
print(f"{peak:.1f} MiB of {limit}")
sys.exit(status != 0 or peak > 1.15 * int(limit))
PYTHON
        echo "# $(cat "$T/.out")"
        check "spilled" grep -qE '"bytes_spilled": [1-9]' out/_manifest.json
        rm -rf out
    done
}
for memory in 32 64; do
    within $memory wordcount distinct.txt
    within $memory "$plugins/values.so" skewed.txt
    within $memory wordcount long.txt
done
