# test_values: every kind of value, by plugins, against an independent computation, for any threads and memory.
. "$(dirname "$0")/../lib.sh"

plugins=$BUILD/tests/plugins
values="python3 $SOURCE/tests/integration/values.py"
kinds="values first combined sum_u64 min_u64 max_u64 sum_i64 min_i64 max_i64 sum_f64 min_f64 max_f64"
ways=$(cd "$plugins" && ls | sed -nE 's/\.so$//; /_(join|iterate|typed)$/p')
[ -z "$MR_SANITIZE" ] || skip "too slow there: test_plugins covers the same callbacks"
mkdir "$T/in" "$T/out"
$values make "$T/in"
$values expect "$T/in" $kinds $ways &
expecting=$!

inputs_of() {
    case $1 in
    *u64*) set -- u64 ;;
    *i64*) set -- i64 ;;
    *f64*) set -- f64 ;;
    *) set -- bytes ;;
    esac
    echo "$T/in/$1/big.txt" "$T/in/$1/empty.txt" "$T/in/$1/members.gz" "$T/in/$1/tail.txt"
}

# result_of DIR: the manifest's result object, as it stands there.
result_of() {
    sed -n '/^  "result"/,/^  "run"/p' "$1/_manifest.json"
}

spilled() {
    grep -qE '"bytes_spilled": [1-9]' "$1/_manifest.json"
}

# agree VARIANT THREADS MEMORY: the same bytes and the same account as with one thread and all the memory.
agree() {
    local dir=$T/out/$1-$2-$3 base=$T/out/$1 memory=$3
    [ "$memory" = all ] && memory=4G
    run "$MILLRACE" run "$plugins/$1.so" $(inputs_of "$1") -o "$dir" --partitions 3 --threads "$2" --memory "$memory"
    if [ "$status" -ne 0 ]; then
        fail "$1, $2 threads, $3: status $status"
        return
    fi
    check "$1, $2 threads, $3: the same result" cmp <(result_of "$dir") <(result_of "$base")
    check "$1, $2 threads, $3: the same parts" cmp <(cat "$dir"/part-*) <(cat "$base"/part-*)
    case $3 in
    16M | 32M) check "$1, $2 threads, $3: really spilled" spilled "$dir" ;;
    esac
    rm -rf "$dir"
}

for variant in $kinds $ways; do
    expect_status 0 "$MILLRACE" run "$plugins/$variant.so" $(inputs_of "$variant") -o "$T/out/$variant" \
        --partitions 3 --threads 1
done
for kind in $kinds; do
    agree "$kind" 1 16M
    agree "$kind" 2 32M
    agree "$kind" 3 256M
    agree "$kind" 8 all
done
for way in $ways; do
    agree "$way" 2 16M
    agree "$way" 8 32M
done
for kind in values sum_u64; do # the whole table for one that folds and one that does not
    for threads in 1 2 3 8; do
        for memory in 16M 32M 256M all; do
            agree "$kind" "$threads" "$memory"
        done
    done
done
for kind in values first combined sum_u64 max_i64 sum_f64; do
    expect_status 0 "$MILLRACE" run "$plugins/${kind}_map_block.so" $(inputs_of "$kind") -o "$T/out/block" \
        --partitions 3 --threads 2 --memory 32M
    check "$kind by blocks" cmp <(cat "$T/out/block"/part-*) <(cat "$T/out/$kind"/part-*)
    rm -rf "$T/out/block"
done

# ---- against the independent computation -------------------------------------------------------------------------------
check "computed" wait $expecting
for variant in $kinds $ways; do
    expect_status 0 "$MILLRACE" run "$plugins/$variant.so" $(inputs_of "$variant") --threads 2 --memory 24M
    case $variant in
    *f64*) check "$variant: the expected numbers" $values same "$T/in/$variant.expected" "$T/.out" ;;
    *) expect_same "$T/in/$variant.expected" "$T/.out" "$variant: the expected bytes" ;;
    esac
    case $variant in
    *_join) continue ;; # its groups depend on their neighbours in the partition
    esac
    check "$variant: three parts are a rearrangement of one" \
        cmp <(LC_ALL=C sort "$T/.out") <(cat "$T/out/$variant"/part-* | LC_ALL=C sort)
done
check "parts in order, keys in one part each" $values parts "$T/out/sum_u64" "$T/out/first" "$T/out/max_f64"
for dir in sum_u64 values sum_f64; do
    expect_status 0 "$MILLRACE" verify "$T/out/$dir"
done
