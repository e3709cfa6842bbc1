# test_allocations: every allocation fails in turn: a sentence that names the step, nothing left (faults F34).
. "$(dirname "$0")/lib.sh"
need_shim

make_inputs
seq 300000 >in/many.txt

says='^millrace: out of memory [a-z]+'
scratch="--tmp {tmp}"
sweep --class malloc --says "$says" --least 200 -- run wordcount {in}/book.txt -o {work}/out $scratch
sweep --class malloc --says "$says" --least 200 -- run wordcount {in}/book.txt {in}/book.gz {in}/book.zst \
    --words unicode --fold --top 2 --ngram 2 --stopwords {in}/stop.txt -o {work}/out $scratch
sweep --class malloc --says "$says" --stdin in/book.txt -- run wordcount --words letters $scratch
# (Where dlopen is short of memory, it says so in its own words, or blames the file.)
sweep --class malloc --statuses 1,4 --step 3 -- run "$plugins/misbehave.so" {in}/book.txt -o {work}/out $scratch
sweep --class malloc --says "$says" -- explain wordcount {in}/book.txt
sweep --class malloc --says "$says" -- simulate wordcount {in}/book.txt --nodes 3 --slots 2 --mtbf 1h

# A loop of several rounds and passes, whose input and state are small; and one whose input is read again each time.
looping=$BUILD/tests/plugins/looping.so
sweep --class malloc --statuses 1,4 --least 100 -- run "$looping" {in}/book.txt --size 5000 -o {work}/out $scratch
sweep --class malloc --statuses 1,4 --step 11 --least 100 -- run "$looping" {in}/many.txt --passes 2 --threads 2 -o {work}/out $scratch
sweep --class malloc --statuses 1,4 --step 3 -- run "$looping" {in}/book.txt --rounds 1 $scratch

# With threads and with spilling, where the pool's memory is mapped.
# (A thread that can't be given its storage is a thread that can't be started.)
sweep --class malloc --says "$says|start a thread: Resource" --step 13 --least 300 -- \
    run wordcount {in}/big.txt --threads 2 --memory 16M -o {work}/out $scratch
sweep --class mmap --says "$says" --least 5 -- run wordcount {in}/big.txt --memory 16M -o {work}/out $scratch
sweep --class mmap --says "$says" -- run "$plugins/misbehave.so" {in}/book.txt -o {work}/out $scratch
sweep --class thread --errno EAGAIN --says 'start a thread: Resource' --never-survives --least 2 -- \
    run wordcount {in}/big.txt --threads 2 -o {work}/out $scratch

# In the engine, the supervisor or the worker of a task process (the count goes on from one to the other): what fails in
# a process is a failed attempt, and tried again. Each one where a failure is the last word: by steps alone it would depend on the
# machine which are met.
for row in '1 1' '4 7'; do
    sweep --class malloc --statuses 1,4 --says 'out of memory [a-z]+|start a thread: Resource' --step ${row#* } --least 300 -- \
        run wordcount {in}/book.txt --isolate --max-attempts ${row% *} -o {work}/out $scratch
done
sweep --class mmap --statuses 1,4 --says 'out of memory [a-z]+|Cannot allocate memory' --least 5 -- \
    run wordcount {in}/book.txt --isolate --max-attempts 1 -o {work}/out $scratch
