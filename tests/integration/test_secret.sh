# test_secret: `millrace secret`, by the program it becomes; and that `millrace` loads nothing of the cluster's.
. "$(dirname "$0")/../lib.sh"
cd "$T"

expect_status 0 "$MILLRACE" secret new cluster.key
expect_no_out
expect_no_err
check "65 bytes, for its owner alone" [ "$(stat -c '%s %a' cluster.key)" = '65 600' ]
check "64 hexadecimal digits" grep -qxE '[0-9a-f]{64}' cluster.key
cp cluster.key before
expect_status 2 "$MILLRACE" secret new cluster.key
expect_err 'never replaced'
expect_err "Try 'millrace secret --help'"
check "it stays as it was" cmp -s cluster.key before
expect_status 0 "$MILLRACE" secret new other.key
check "two secrets differ" [ "$(cat cluster.key)" != "$(cat other.key)" ]
expect_status 4 "$MILLRACE" secret new missing/cluster.key
expect_err 'missing/cluster.key'
check "nothing else is left" [ "$(ls | tr '\n' ' ')" = 'before cluster.key other.key ' ]

for words in "secret" "secret old x" "secret new" "secret new a b" "secret --no"; do
    expect_status 2 "$MILLRACE" $words
done
expect_status 0 "$MILLRACE" secret --help
expect_out '^Usage: millrace secret new FILE'
expect_status 0 "$MILLRACE" help secret
expect_out '^Usage: millrace secret new FILE'
expect_status 2 "$(dirname "$MILLRACE")/millrace-cluster" run wordcount
expect_err 'type millrace run'

libraries=$(ldd "$MILLRACE" 2>/dev/null || true)
for library in libuv libssl libcrypto liblz4; do
    case $libraries in
    *"$library"*) fail "millrace is linked with $library" ;;
    *) ok "millrace is not linked with $library" ;;
    esac
done
