# test_install: installs below a folder, and builds and runs the examples against what lies there.
. "$SOURCE/tests/lib.sh"
prefix=$T/prefix

expect_status 0 cmake --install "$BUILD" --prefix "$prefix"
[ "$status" -eq 0 ] || exit 1
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name millrace.pc)")
export PKG_CONFIG_PATH CMAKE_PREFIX_PATH=$prefix PATH=$prefix/bin:$PATH

for file in bin/millrace include/mr/job.h include/mr/run.h include/mr/bytes.h include/mr/status.h; do
    check "$file is installed" test -e "$prefix/$file"
done
if [ -z "$MR_SANITIZE" ]; then
    for file in man/man1/millrace.1 bash-completion/completions/millrace zsh/site-functions/_millrace \
        fish/vendor_completions.d/millrace.fish; do
        check "share/$file is installed" test -s "$prefix/share/$file"
    done
fi
check "the version is the package's" \
    test "$("$prefix/bin/millrace" --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -1)" = "$(pkg-config --modversion millrace)"

check "the cluster's program is installed" test -x "$prefix/libexec/millrace-cluster"
# It is found from where `millrace` lies, wherever the tree is moved to.
cp -r "$prefix" "$T/moved"
expect_status 0 "$T/moved/bin/millrace" secret new "$T/moved.key"
check "a secret of the moved one" test -s "$T/moved.key"
rm -r "$T/moved/libexec"
expect_status 4 "$T/moved/bin/millrace" secret new "$T/other.key"
expect_err 'millrace-cluster is missing'
rm -r "$T/moved"

# What a user is told to type, in a folder of the user's own.
cp -r "$SOURCE"/examples/* "$T"
sanitize=${MR_SANITIZE:+-fsanitize=$MR_SANITIZE}
compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$BUILD/CMakeCache.txt")

cd "$T/plugin"
seq 1 25000 >numbers.txt
expect_status 0 "$compiler" -shared -fPIC -Wall -Wextra -Werror $(pkg-config --cflags millrace) linelength.c -o liblinelength.so
expect_status 0 cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER="$compiler"
expect_status 0 cmake --build build
expect_status 0 env PKG_CONFIG_PATH= PKG_CONFIG_LIBDIR="$T/none" cmake -S . -B build-headers -DCMAKE_C_COMPILER="$compiler"
expect_out 'no target millrace::millrace'
for plugin in ./liblinelength.so build/liblinelength.so; do
    expect_status 0 millrace run "$plugin" numbers.txt
    expect_same "$T/.out" expected.txt "$plugin gives what its README says"
done
expect_status 0 millrace run ./liblinelength.so --step 10 numbers.txt
expect_out '^0000000000	25000$'
expect_status 0 millrace jobs ./liblinelength.so
expect_out 'step'

# Jobs that loop: NAME DATA.
for example in 'descent numbers.txt' 'regression diabetes.csv' 'kmeans points.csv'; do
    read -r name data <<<"$example"
    cd "$T/$name"
    expect_status 0 "$compiler" -shared -fPIC -O2 -ffp-contract=off -Wall -Wextra -Werror \
        $(pkg-config --cflags millrace) $name.c -lm -o lib$name.so
    expect_status 0 cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER="$compiler"
    expect_status 0 cmake --build build
    for plugin in ./lib$name.so build/lib$name.so; do
        expect_status 0 millrace run $plugin $data
        expect_same "$T/.out" expected.txt "$plugin gives what its README says"
    done
    expect_status 0 millrace run ./lib$name.so --help
    expect_out '--epochs'
done

# Least squares: the same bits from larger data, in two files of either order, by threads and by processes.
cd "$T/regression"
tail -n +2 diabetes.csv >rows
for i in $(seq 20); do cat rows; done >a.csv
{ head -1 diabetes.csv; for i in $(seq 15); do tac rows; done; } >b.csv
steps="--epochs 5 --unfinished"
millrace run ./libregression.so a.csv b.csv $steps --threads 1 >want
for ways in '--threads 2' '--threads 3 --memory 32M' '--threads 8 --memory 16M' '--isolate --threads 2'; do
    expect_status 0 millrace run ./libregression.so b.csv a.csv $steps $ways
    expect_same "$T/.out" want "least squares, $ways"
done
check "they are five steps" grep -q '^epochs	5$' want
printf '1,2,3\n4,5,6\n7,8\n9,9,9\n' >short.csv
expect_status 1 millrace run ./libregression.so short.csv
expect_err '^millrace: regression: a row of 2 columns, where others have 3 \(short.csv, at offset 12, pass 2\)$'
printf '1,2,3\n4,x5,6\n' >word.csv
expect_status 1 millrace run ./libregression.so word.csv
expect_err '^millrace: regression: column 2 is no number: "x5" \(word.csv, at offset 6, pass 1\)$'
printf 'a,b\n1,2\nc,d\n' >names.csv
expect_status 1 millrace run ./libregression.so names.csv
expect_err '^millrace: regression: two lines without a number: "a,b" and "c,d" \(in round_done, pass 1\)$'
: >none.csv
expect_status 1 millrace run ./libregression.so none.csv
expect_err 'there are no rows'
expect_status 1 millrace run ./libregression.so diabetes.csv --epochs 3
expect_err '^millrace: regression: not there after 3 epochs \(R\^2 is 0.[0-9]+\): give it more --epochs'
expect_status 1 millrace run ./libregression.so diabetes.csv --rate 30
expect_err '^millrace: regression: it diverges'
expect_status 2 millrace run ./libregression.so diabetes.csv --rate fast
expect_err 'rate fast is no positive number'

# Clusters: the order of the points does not matter, nor do more centres than points pass.
cd "$T/kmeans"
tac points.csv | split -l 70 - part-
expect_status 0 millrace run ./libkmeans.so part-*
expect_same "$T/.out" expected.txt "points in another order, in three files"
expect_status 1 millrace run ./libkmeans.so part-ac --centres 11
expect_err '10 different points can.t have 11 centres'
printf '1,2\n3,4\n5,6\n7\n' >short.csv
expect_status 1 millrace run ./libkmeans.so short.csv --centres 2
expect_err 'a point of [12] numbers, where others have [12] \(short.csv, at offset [0-9]+, pass 2\)'

cd "$T/embed"
for i in $(seq 1 1000); do echo "the mill and the race, word $((i % 10))"; done >words.txt
expect_status 0 "$compiler" -Wall -Wextra -Werror $sanitize wordcount.c $(pkg-config --static --cflags --libs millrace) -o wordcount
expect_status 0 cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER="$compiler" -DCMAKE_C_FLAGS="$sanitize"
expect_status 0 cmake --build build
for program in ./wordcount build/wordcount; do
    expect_status 0 "$program" words.txt
    expect_same "$T/.out" expected.txt "$program gives what its README says"
done
expect_status 1 ./wordcount missing.txt
expect_err 'missing\.txt'
