# test_calls: reads, writes, fsync, close, open, rename, mkdir fail at the n-th call, for each n; then all of them are
# short or interrupted by signals, and the result is the same (faults F30, F31, F32).
. "$(dirname "$0")/lib.sh"
need_shim

make_inputs
"$MILLRACE" run wordcount in/stop.txt -o in/old

small="run wordcount {in}/book.txt -o {work}/out --tmp {tmp}"
spilling="run wordcount {in}/big.txt --memory 16M -o {work}/out --tmp {tmp}"

# ---- writing: what fails is named, and no call's failure is passed over ------------------------------------------
for error in EIO ENOSPC; do
    sweep --class write --errno $error --never-survives --says '^millrace: write "/' --least 2 -- $small
    sweep --class sync --errno $error --never-survives --says '^millrace: sync "' --least 6 -- $small
done
sweep --class rename --errno EIO --never-survives --least 2 -- $small
sweep --class mkdir --errno EACCES --never-survives --says 'make ".*": Permission denied' --least 3 -- $small
sweep --class close --errno EIO --path .pending- --says '^millrace: close "' --least 5 -- $small
sweep --class close --errno EIO --path part-00000 --says '^millrace: close "' --never-survives -- $small
sweep --class open --errno EMFILE --says 'Too many open files' --least 10 -- $small
for name in write sync rename mkdir; do
    sweep --class $name --errno EIO --never-survives --old-output -- $small --overwrite
done
sweep --class rename --errno EIO --old-output --old-fs --least 3 -- $small --overwrite

# ---- the result on standard output -------------------------------------------------------------------------------
sweep --class write --errno ENOSPC --never-survives --says 'write "standard output": No space left' -- \
    run wordcount {in}/book.txt --tmp {tmp}
sweep --class close --errno EIO --path pipe: --says 'close standard output' -- \
    run wordcount {in}/book.txt --tmp {tmp}

# ---- scratch files: full, and read back wrongly ------------------------------------------------------------------
sweep --class write --errno ENOSPC --path '(deleted)' --step 7 --never-survives --least 50 \
    --says 'No space left on device \(spilling to .*/tmp; .*--tmp' -- $spilling
sweep --class read --errno EIO --path '(deleted)' --step 7 --never-survives --least 50 \
    --says 'read "a scratch file": Input/output error' -- $spilling
sweep --class open --errno EMFILE --path /tmp --says 'Too many open files|scratch' -- $spilling

# ---- reading: file and byte are named ----------------------------------------------------------------------------
sweep --class read --errno EIO --path big.txt --step 3 --never-survives --least 10 \
    --says '"/.*/in/big.txt": Input/output error' -- $spilling
for name in book.txt book.gz book.zst; do
    sweep --class read --errno EIO --path $name --never-survives --least 2 \
        --says "^millrace: (open|read) \"/.*/in/$name\": Input/output error" -- \
        run wordcount {in}/$name -o {work}/out --tmp {tmp}
done
sweep --class read --errno EIO --path stop.txt --never-survives --statuses 3,4 --says 'stop.txt": Input/output error' \
    -- run wordcount {in}/book.txt --stopwords {in}/stop.txt -o {work}/out --tmp {tmp}

# ---- short transfers, EINTR at every second call: the same bytes, whatever reads and writes ----------------------
for how in short eintr; do
    for name in read write; do
        sweep --class $name --how $how --step 1000000 --always-survives -- $small
        sweep --class $name --how $how --step 1000000 --always-survives -- run wordcount {in}/book.txt --tmp {tmp}
    done
    for name in book.gz book.zst; do
        sweep --class read --how $how --step 1000000 --always-survives -- run wordcount {in}/$name -o {work}/out
    done
    sweep --class read --how $how --step 1000000 --always-survives --stdin in/book.gz -- run wordcount --words unicode
done
sweep --class read --how eintr --step 1000000 --always-survives -- $spilling
sweep --class write --how eintr --step 1000000 --always-survives -- $spilling

# ---- task processes: what fails in one is a failed attempt -------------------------------------------------------
for row in 'write ENOSPC' 'read EIO' 'open EMFILE' 'close EIO --path .pending-' 'mkdir EACCES' 'sync EIO' 'rename EIO'; do
    for attempts in 1 4; do
        sweep --class ${row%% *} --errno ${row#* } --statuses 1,3,4 -- $small --isolate --max-attempts $attempts
    done
done
for how in short eintr; do
    for name in read write; do
        sweep --class $name --how $how --step 1000000 --always-survives -- $small --isolate
    done
done
