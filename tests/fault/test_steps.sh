# test_steps: kill -9 and SIGINT at each step of a run: before and behind the n-th call, for each n (faults F20, F48).
. "$(dirname "$0")/lib.sh"
need_shim

mkdir in
printf 'the cat and the dog\nthe end\n' >in/book.txt
printf 'and\n' >in/stop.txt
seq 1000000 1600000 >in/big.txt
"$MILLRACE" run wordcount in/stop.txt -o in/old

# ---- kill -9: the output is whole, or as it was; the next run clears what was left ---------------------------------
command="run wordcount {in}/book.txt -o {work}/out --tmp {tmp}"
for how in kill killed; do
    for name in rename sync mkdir write close; do
        sweep --class $name --how $how -- $command
        sweep --class $name --how $how --old-output -- $command --overwrite
    done
    sweep --class rename --how $how --old-fs -- $command
    sweep --class rename --how $how --old-fs --old-output --least 3 -- $command --overwrite
done

# ---- SIGINT: spilling, merging, writing, publishing ----------------------------------------------------------------
command="run wordcount {in}/big.txt --memory 16M -o {work}/out --tmp {tmp}"
for name in write read open mmap; do
    sweep --class $name --how interrupt --statuses 130 --says '^millrace: interrupted' --step 4 --within $((patience_ms / 1000)) -- $command
done
for name in sync rename mkdir close; do
    sweep --class $name --how interrupt --statuses 130 --says '^millrace: interrupted' --within $((patience_ms / 1000)) -- $command
done
