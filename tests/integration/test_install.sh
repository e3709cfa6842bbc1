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
