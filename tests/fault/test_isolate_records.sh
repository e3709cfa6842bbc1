# test_isolate_records: F41: records that the code does not get over: found, named, set aside, counted.
. "$(dirname "${BASH_SOURCE[0]}")/isolate.sh"

# One poison record among 100,000: first, middle, last; code that maps records, or blocks without a word about them.
ways='fail exit3 kill'
if [ -z "$MR_SANITIZE" ]; then ways="$ways segv"; fi
for plugin in $unruly $unruly_block; do
    tries=2
    if [ $plugin = $unruly_block ]; then tries=3; fi
    for how in $ways; do
        for line in 1 50000 100000; do
            if [ -n "$MR_SANITIZE" ] && [ $how$line != exit31 ] && [ $how$line != fail50000 ] &&
                [ $how$line != kill100000 ]; then
                continue # each way once, and each place once
            fi
            offset=$(head -$((line - 1)) many.txt | wc -c)
            isolated $plugin many.txt --how $how --at $line
            expect_struck $tries
            expect_failure "offset $offset\)?.*; the second time at this record: --skip-bad-records N"
            isolated $plugin many.txt --how $how --at $line --skip-bad-records 5 --max-attempts 1
            expect_struck $tries
            check "status 0, not $status" [ "$status" -eq 0 ]
            expect_err '^millrace: 1 record was set aside: out/_skipped$'
            expect_lines 1
            printf 'many.txt\t%d\t%d\n' $offset $line >want
            expect_same want out/_skipped
            grep -v "^$line	" threads/part-00000 >want
            expect_same want out/part-00000 "all other records"
            check "counted" grep -q '"records_skipped": 1' out/_manifest.json
            check "verifies" "$MILLRACE" verify out
            rm -rf out
            expect_clean
        done
    done
done

# Two of them, in one block and in two; more than are allowed; in a compressed file.
isolated "$unruly" many.txt --how fail --at 50000 --also-at 7 --skip-bad-records 2
printf 'many.txt\t12\t7\nmany.txt\t288888\t50000\n' >want
expect_same want out/_skipped
rm -rf out
isolated "$unruly_block" many.txt --how fail --at 50000 --also-at 50001 --skip-bad-records 2
printf 'many.txt\t288888\t50000\nmany.txt\t288894\t50001\n' >want
expect_same want out/_skipped
rm -rf out
isolated "$unruly" many.txt --how fail --at 50000 --also-at 7 --skip-bad-records 1
expect_failure 'many.txt, at offset 288888\); a record more than --skip-bad-records 1 allows'
gzip -k many.txt
isolated "$unruly_block" many.txt.gz --how fail --at 50000 --skip-bad-records 2
printf 'many.txt.gz\t288888\t50000\n' >want
expect_same want out/_skipped
rm -rf out
# A million records: the bound of the search.
seq 1 1000000 >million.txt
isolated "$unruly_block" million.txt --how fail --at 777777 --skip-bad-records 1
expect_struck 3
check "status 0, not $status" [ "$status" -eq 0 ]
rm -rf out
# Code that fails at another record each time is not searched for long.
isolated "$unruly" many.txt --how wander --skip-bad-records 2 --max-attempts 1
expect_struck 10
expect_failure 'not this one either .*\(10 attempts that failed\)'
# A code that fails in reduce fails the job: there is no record to set aside.
isolated "$unruly" many.txt --how fail --reduce-at 50000 --skip-bad-records 5 --max-attempts 2
expect_struck 2
expect_failure 'reducing partition 0'

# ---- what must go together ----------------------------------------------------------------------------------------
expect_refused 2 'needs a place for what it sets aside' "$MILLRACE" run "$unruly" many.txt --isolate \
    --skip-bad-records 2 --tmp scratch
for option in --skip-bad-records --max-attempts --task-timeout; do
    expect_refused 2 "$option is about task processes: give --isolate too" "$MILLRACE" run "$unruly" many.txt \
        $option 2 -o out --tmp scratch
done
expect_refused 2 'standard input can.t be read again after a crash' "$MILLRACE" run "$unruly" - --isolate \
    --tmp scratch </dev/zero
