# test_determinism: word count gives one answer for any threads, memory and order of inputs, and it is the right one.
. "$(dirname "$0")/../lib.sh"

reference="python3 $SOURCE/tests/integration/words.py"
cd "$T"
$reference make .

hash_of() { # of the parts and of the manifest's result
    (cat "$1"/part-* && sed -n '/^  "result"/,/^  "run"/p' "$1/_manifest.json") | sha256sum
}

# one_hash FILES WORDS…: all threads, memory and orders agree; leaves the first run's output in first/.
one_hash() {
    local files=$1 threads memory want parts="--partitions 4"
    shift
    case " $* " in *' --top '*) parts= ;; esac # which always makes one
    rm -rf first
    expect_status 0 "$MILLRACE" run wordcount "$@" $files -o first $parts --threads 1
    want=$(hash_of first)
    for memory in $memories; do
        for threads in $(fewer "1 2 3 8" "2 8"); do
            run "$MILLRACE" run wordcount "$@" $(shuf -e $files) -o again $parts --threads $threads \
                $([ $memory = none ] || echo --memory $memory)
            check "$threads threads, $memory: wordcount $*" [ "$(hash_of again)" = "$want" ]
            rm -rf again
        done
    done
}

bytes=$(echo bytes?.txt)
utf=$(echo utf?.txt)
memories="32M 256M none"
[ -z "$MR_SANITIZE" ] || memories=32M

one_hash "$bytes" --words whitespace
expect_status 0 "$MILLRACE" run wordcount $bytes -o spilled --memory 32M
check "32M really spills" grep -qE '"bytes_spilled": [1-9]' spilled/_manifest.json
(
    export LC_ALL=C
    for file in $bytes; do
        tr -s ' \t\n\v\f\r' '\n' <"$file" && echo
    done | sed '/^$/d' | sort | uniq -c | sed -E 's/^ *([0-9]+) (.*)$/\2\t\1/'
) >expected
LC_ALL=C sort first/part-* >sorted
LC_ALL=C sort expected >expected-sorted
expect_same sorted expected-sorted "tr, sort and uniq count the same"

memories=32M
one_hash "$bytes" --min-count 3 --ngram 2
one_hash "$bytes" --top 50 --words letters --fold
one_hash "$utf" --words unicode --fold --stopwords stop.txt --ngram 2

case $MR_SANITIZE in
*thread*) # how words are cut and counted is one thread's work, which these runs have done in every way
    exit 0
    ;;
esac
counted() { # counted FILES WORDS…: the same as an independent count
    local files=$1
    shift
    $reference count "$@" $files >expected
    expect_status 0 "$MILLRACE" run wordcount "$@" $files --threads 2 --memory 64M
    expect_same "$T/.out" expected "counted alike: $*"
}
counted "$bytes" --words whitespace
counted "bytes0.txt" --words whitespace --fold --min-count 2
counted "bytes1.txt bytes2.txt" --words whitespace --ngram 3 --min-count 2
counted "bytes0.txt bytes1.txt" --words whitespace --stopwords stop.txt --top 100
counted "bytes3.txt" --words letters --ngram 2 --top 30
counted "bytes4.txt" --words letters --fold --stopwords stop.txt --ngram 2 --min-count 2
counted "$utf" --words unicode
counted "$utf" --words unicode --fold
counted "$utf" --words unicode --fold --stopwords stop.txt --ngram 2 --top 500
counted "utf0.txt" --words unicode --min-count 4 --ngram 2
