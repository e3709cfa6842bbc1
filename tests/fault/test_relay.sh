# test_relay: the relay that other tests put between daemons does what its rules say.
. "$(dirname "$0")/lib.sh"

expect_status 0 timeout 500 python3 "$SOURCE/tests/fault/relay_rules.py" "$SOURCE/tests/fault/relay.py" "$T"
grep '^not ok' "$T/.out" || true
expect_out 'ok - both sides see it'
expect_status 2 python3 "$SOURCE/tests/fault/relay.py"
