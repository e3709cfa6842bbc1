# check: a document's tables are what the program prints that makes them. usage: check.sh DOCUMENT PROGRAM
set -eu
document=$SOURCE/$1 program=$BUILD/tests/$2
if ! diff <(sed -n '/^<!-- tables -->$/,/^<!-- end of tables -->$/{//!p}' "$document") <("$program"); then
    echo "$1 is not what $2 prints: put its output between the marks"
    exit 1
fi
