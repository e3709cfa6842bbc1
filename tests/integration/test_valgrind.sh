# test_valgrind: runs the command from start to end under valgrind: no error, nothing lost.
. "$SOURCE/tests/lib.sh"
[ -z "$MR_SANITIZE" ] || skip "a sanitizer is in the way"
command -v valgrind >/dev/null || skip "valgrind is not installed"

under_valgrind() {
    expect_status 0 valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect \
        --fair-sched=yes "$MILLRACE" "$@"
}

for i in $(seq 1 3000); do echo "line $i of the mill, été $((i * i % 97))"; done >"$T/text"
gzip -k "$T/text"

under_valgrind run wordcount --threads 2 "$T/text" "$T/text.gz"
expect_out '^mill,	6000$'
expect_no_err
under_valgrind run wordcount --threads 2 --words unicode --fold --ngram 2 --top 3 -o "$T/out" "$T/text"
expect_no_err
under_valgrind verify "$T/out"
under_valgrind explain wordcount "$T/text"
under_valgrind jobs wordcount
