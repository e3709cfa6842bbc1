# test_cli: the command as a user meets it: help, names mistyped, exit statuses, streams, terminals, signals, documents.
. "$(dirname "$0")/../lib.sh"

cd "$T"
printf 'b a\na\n' >book.txt
printf 'a\t2\nb\t1\n' >expected
terminal="python3 $SOURCE/tests/integration/terminal.py"
export TERM=xterm

# ---- help and version: plain, on standard output, status 0, within 80 columns ---------------------------------------
for words in --help -h help "run --help" "run -h" "help run" "explain --help" "simulate --help" "verify --help" "jobs --help" \
    "version --help" "run wordcount --help" "explain wordcount --help" "docs --help"; do
    expect_status 0 "$MILLRACE" $words
    expect_no_err
    expect_out '^Usage: millrace '
    check "no escapes in $words" [ "$(grep -c $'\033' "$T/.out")" -eq 0 ]
    check "80 columns in $words" [ "$(wc -L <"$T/.out")" -le 80 ]
done
run "$MILLRACE" --help
for line in '^  run ' '^  explain ' '^  verify ' '^  jobs ' '^Examples:' '^Exit status:' '^  2  ' '^  3  ' '^  4  ' \
    '^  130  ' '^  143  '; do
    expect_out "$line"
done
run "$MILLRACE" run wordcount --help
for option in --output --overwrite --threads --memory --tmp --partitions --max-record --json --report --quiet \
    --verbose --words --fold --top --min-count --stopwords --ngram; do
    expect_out "^ +(-., )?$option\b"
done
expect_status 0 "$MILLRACE" --version
expect_out '^millrace [0-9]+\.[0-9]+\.[0-9]+$'
expect_status 0 "$MILLRACE" -V

# ---- jobs --------------------------------------------------------------------------------------------------------
expect_status 0 "$MILLRACE" jobs
expect_out '^wordcount +[a-z]'
expect_status 0 "$MILLRACE" jobs wordcount
expect_out '^ +--words '
expect_out 'Default: whitespace'
expect_out 'millrace run wordcount'

# ---- names mistyped: the nearest is proposed, status 2 -----------------------------------------------------------
mistyped() {
    local pattern=$1
    shift
    expect_status 2 "$MILLRACE" "$@"
    expect_no_out
    expect_err "$pattern"
    check "short: $*" [ "$(wc -l <"$T/.err")" -le 3 ]
}
mistyped 'did you mean run\?' rnu wordcount book.txt
mistyped 'did you mean --help\?' --hepl
mistyped 'did you mean millrace run wordcount\?' wordcount book.txt
mistyped 'did you mean wordcount\?' run wordcoutn book.txt
mistyped 'did you mean wordcount\?' jobs wordcoutn
mistyped 'did you mean --threads\?' run wordcount --thraeds 2 book.txt
mistyped 'did you mean --top\?' run wordcount --tpo 2 book.txt
mistyped 'did you mean --output\?' run wordcount -output book.txt
mistyped "behind its name" run --min-count 2 wordcount book.txt
mistyped "Try 'millrace run --help'" run wordcount --nothing-like-it book.txt
mistyped '`millrace jobs` lists them' run
mistyped 'the job stands before its inputs' run book.txt wordcount
: >libx.so
mistyped '\./libx\.so' run libx.so book.txt
mistyped "no command"

# ---- values refused before any work ------------------------------------------------------------------------------
mistyped '\-\-memory 8M is too small: at least 16M' run wordcount --memory 8M book.txt
mistyped '\-\-memory "lots" is not a size' run wordcount --memory lots book.txt
mistyped '\-\-threads 0 is too small' run wordcount --threads 0 book.txt
mistyped '\-\-threads "two" is not a number' run wordcount --threads=two book.txt
mistyped '\-\-output needs a value' run wordcount book.txt -o
mistyped '\-\-json takes no value' run wordcount book.txt --json=yes
mistyped 'give -o DIR too' run wordcount book.txt --overwrite
mistyped 'words' run wordcount --words leters book.txt
mistyped 'top' run wordcount --top many book.txt
mistyped 'which output directory' verify
expect_missing "$T/tput"

# ---- streams -----------------------------------------------------------------------------------------------------
expect_status 0 "$MILLRACE" run wordcount book.txt
expect_same "$T/.out" expected "the counts of a file"
expect_no_err
expect_status 0 "$MILLRACE" run --threads 2 wordcount --memory 64M book.txt --words letters --tmp "$T"
expect_same "$T/.out" expected "options anywhere behind the job"
expect_status 0 "$MILLRACE" run wordcount -- book.txt
expect_same "$T/.out" expected "operands behind --"
expect_status 0 "$MILLRACE" run wordcount - <book.txt
expect_same "$T/.out" expected "standard input by name"
expect_status 0 "$MILLRACE" run wordcount <book.txt
expect_same "$T/.out" expected "standard input where no input is named"

expect_status 0 "$MILLRACE" run wordcount book.txt -o counts
expect_no_out
expect_no_err
expect_status 2 "$MILLRACE" run wordcount book.txt -o counts
expect_err 'counts'
expect_status 0 "$MILLRACE" run wordcount book.txt -o counts --overwrite
expect_status 0 "$MILLRACE" run wordcount book.txt -o json --json
expect_no_err
check "the manifest, on standard output with -o" python3 -c '
import json, sys
assert json.load(open(sys.argv[1]))["result"]["job"]' "$T/.out"
expect_status 0 "$MILLRACE" run wordcount book.txt --json
expect_same "$T/.out" expected "the counts on standard output with --json"
check "the manifest, on standard error without -o" python3 -c '
import json, sys
assert json.load(open(sys.argv[1]))["result"]["job"]' "$T/.err"
for i in 1 2 3 4 5; do # until it takes less than a second, however busy the machine is
    expect_status 0 "$MILLRACE" run wordcount book.txt --report
    ! grep -q '^Bottleneck: none to speak of' "$T/.err" || break
done
expect_same "$T/.out" expected "the counts on standard output with --report"
for line in '^Time: ' 'map ' 'reduce ' '^Memory: ' '^Bottleneck: none to speak of in less than a second$'; do
    expect_err "$line"
done
check "no advice to a run that is over at once" [ "$(grep -c '^More threads' "$T/.err")" -eq 0 ]
expect_status 0 "$MILLRACE" run wordcount book.txt -o report --report
check "nor with -o" [ "$(grep -c '^More threads' "$T/.err")" -eq 0 ]
expect_status 0 "$MILLRACE" run wordcount book.txt -o verbose --verbose
expect_err '^wordcount: 2 records, 6 B in .* -> verbose$'

expect_status 0 "$MILLRACE" verify counts
expect_no_out
expect_no_err
expect_status 0 "$MILLRACE" verify -v counts json
check "a line for each" [ "$(wc -l <"$T/.out")" -eq 2 ]
expect_status 3 "$MILLRACE" verify nothing counts
expect_err nothing
mkdir mine
expect_status 3 "$MILLRACE" verify mine
expect_err '^millrace: "mine" is no output of Millrace: it holds no _manifest.json$'
expect_status 2 "$MILLRACE" run wordcount book.txt -o mine
expect_err '^millrace: output "mine" exists, and is no output of Millrace: name another \(--overwrite replaces outputs of Millrace only\)$'
expect_status 0 "$MILLRACE" explain wordcount book.txt
expect_out 'book\.txt'
expect_out '^threads +1$'
expect_status 0 "$MILLRACE" explain wordcount book.txt -o counts
expect_out '^ +a run would refuse it: output "counts" exists: name another, or give --overwrite$'
expect_status 0 "$MILLRACE" explain wordcount book.txt -o mine --overwrite
expect_out '^ +a run would refuse it: output "mine" exists, and only'
expect_status 0 "$MILLRACE" explain wordcount book.txt -o counts --overwrite
check "which --overwrite replaces" [ "$(grep -c refuse "$T/.out")" -eq 0 ]
expect_status 0 "$MILLRACE" explain wordcount book.txt -o fresh --isolate --task-memory 128M --max-attempts 3 --task-timeout 9
expect_out '^processes +1, of at most 128M each \(--task-memory\)$'
expect_out '^ +up to 3 attempts at a task, each ended after 9 s without a record$'
expect_out '^memory .* a process to combine in'
expect_missing fresh

# ---- an output inside the input is no input --------------------------------------------------------------------------
mkdir logs
cp book.txt logs/
expect_status 0 "$MILLRACE" run wordcount logs -o logs/counts
expect_status 0 "$MILLRACE" run wordcount logs --verbose
expect_same "$T/.out" expected "the output of the run before is not counted"
expect_err '^skipped: logs/counts  an output of Millrace: name it itself to read it$'
expect_status 0 "$MILLRACE" run wordcount logs -o logs/counts --overwrite
expect_same logs/counts/part-00000 expected "nor when it is replaced"
expect_status 0 "$MILLRACE" run wordcount logs/counts
expect_out '^a	1$'
expect_status 0 "$MILLRACE" run wordcount 'logs/c*'
expect_out '^a	1$'
rm logs/book.txt
expect_status 3 "$MILLRACE" run wordcount logs
expect_err '^millrace: "logs" holds no input files but outputs of Millrace: name those$'
rm logs/counts/_SUCCESS
expect_status 0 "$MILLRACE" run wordcount logs

# ---- exit statuses -----------------------------------------------------------------------------------------------
expect_status 3 "$MILLRACE" run wordcount missing.txt missing-too.txt
expect_err '^millrace: .*missing\.txt'
expect_err '^millrace: .*missing-too\.txt|missing-too\.txt'
expect_status 3 "$MILLRACE" run ./missing.so book.txt
expect_err 'missing\.so'
for words in --help --version "jobs" "jobs wordcount" "run --help" "explain wordcount book.txt" "docs bash" \
    "run wordcount book.txt"; do
    status=0
    "$MILLRACE" $words >/dev/full 2>"$T/.err" || status=$?
    check "a full device: $words" [ "$status" -eq 4 ]
    expect_err 'No space left'
    status=0
    "$MILLRACE" $words >&- 2>"$T/.err" || status=$?
    check "standard output closed: $words" [ "$status" -eq 4 ]
done
seq 200000 >many.txt
for words in "run wordcount many.txt" "docs bash" --help; do
    (set +e; "$MILLRACE" $words 2>"$T/.err"; echo $? >"$T/left") | head -c 1 >/dev/null
    check "a closed pipe ends quietly: $words" [ "$(cat left)" -eq 0 ]
    check "nothing said" [ ! -s "$T/.err" ]
done

# ---- terminals ---------------------------------------------------------------------------------------------------
expect_status 2 $terminal 80 "$MILLRACE" run wordcount
expect_out 'no input'
expect_out "Try 'millrace run --help'"
expect_status 0 $terminal 80 "$MILLRACE" run wordcount book.txt -o on-terminal
expect_out 'wordcount: 2 records, 6 B in .* -> on-terminal$'
expect_status 0 $terminal 80 "$MILLRACE" run wordcount book.txt -o on-terminal-quiet --quiet
expect_no_out
expect_status 0 $terminal 80 "$MILLRACE" verify counts
expect_out '^counts: '

# A run that lasts until it is stopped: its input is a pipe that stays open. The reader must be seen to wait.
mkfifo pipe
stopped() {
    local signal=$1 want=$2
    (while :; do seq 1000; sleep 0.05; done >pipe 2>/dev/null) &
    local writer=$!
    run $terminal 60 -s "0.5:$signal" "$MILLRACE" run wordcount pipe -o stopped --tmp "$T/scratch"
    kill "$writer" 2>/dev/null || true
    wait "$writer" 2>/dev/null || true
    check "$signal ends it with $want" [ "$status" -eq "$want" ]
    expect_missing stopped
    check "no scratch left" [ -z "$(ls -A "$T/scratch")" ]
}
mkdir scratch
stopped SIGINT 130
cp "$T/.out" bar
check "a bar was drawn" grep -q 'map ' bar
check "an error behind it" grep -q 'millrace: ' bar
check "no line too wide" python3 -c '
import re, sys
text = re.sub(r"\x1b\[[0-9;]*m", "", open(sys.argv[1], newline="").read())
assert all(len(line) < 60 for line in re.split("[\r\n]", text))' bar
NO_COLOR=1 stopped SIGTERM 143
check "a bar under NO_COLOR" grep -q 'map ' "$T/.out"
check "no escapes under NO_COLOR" [ "$(grep -c $'\033' "$T/.out")" -eq 0 ]
TERM=dumb; export TERM
expect_status 0 $terminal 80 "$MILLRACE" run wordcount many.txt -o on-dumb
check "nothing drawn in place on a dumb terminal" [ "$(grep -c $'\r' "$T/.out")" -eq 0 ]
expect_out 'wordcount: '
TERM=xterm

# ---- documents ---------------------------------------------------------------------------------------------------
expect_status 0 "$MILLRACE" docs man man1
for page in millrace millrace-run millrace-explain millrace-simulate millrace-verify millrace-jobs; do
    check "$page.1" [ -s "man1/$page.1" ]
done
cp -r man1 first
expect_status 0 "$MILLRACE" docs man man1
check "the same pages every time" diff -r first man1
if command -v man >/dev/null; then
    for page in man1/*.1; do
        MANWIDTH=80 man --warnings -l "$page" >rendered 2>warnings
        check "$page renders without warnings" [ ! -s warnings ]
        check "$page has its sections" [ "$(grep -cE '^(NAME|SYNOPSIS|OPTIONS|EXIT STATUS)' rendered)" -eq 4 ]
    done
    MANWIDTH=80 man -l man1/millrace-run.1 | col -b >rendered
    check "an option and its letter" grep -qE '^ +-o, --output DIR' rendered
    check "a job's parameter" grep -qE '^ +--words ' rendered
fi
expect_status 4 "$MILLRACE" docs man "$T/book.txt"
expect_status 4 "$MILLRACE" docs man "$T/none/none"
expect_status 2 "$MILLRACE" docs csh

for shell in bash zsh fish; do
    expect_status 0 "$MILLRACE" docs $shell
    cp "$T/.out" "completion.$shell"
    if command -v $shell >/dev/null; then
        check "$shell reads its completion" $shell -n "completion.$shell"
    fi
done
# completed WORDS…: what bash proposes for the last word.
completed() {
    bash -c '
        compopt() { :; }
        . ./completion.bash
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _millrace
        printf "%s\n" "${COMPREPLY[@]}"' bash "$@" | sort | tr '\n' ' '
}
check "commands" [ "$(completed millrace ex)" = "explain " ]
check "jobs" [ "$(completed millrace run wordc)" = "wordcount " ]
check "options" [ "$(completed millrace run wordcount --mem)" = "--memory " ]
check "parameters" [ "$(completed millrace run wordcount --stop)" = "--stopwords " ]
check "no parameters without a job" [ "$(completed millrace run --stop)" = " " ]
check "choices" [ "$(completed millrace run wordcount --words u)" = "unicode " ]
check "choices behind =" [ "$(completed millrace run wordcount --words = u)" = "unicode " ]
check "inputs" [ "$(completed millrace run wordcount boo)" = "book.txt " ]
check "directories" [ "$(completed millrace run wordcount -o coun)" = "counts " ]
