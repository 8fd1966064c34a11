#!/bin/sh
# Tests of price.sh; the exit status is the number of failures.
cd "$(dirname "$0")" || exit 99
failures=0

check() {
    actual=$(sh ./price.sh "$1" "$2")
    if [ "$actual" = "$3" ]; then
        echo "ok      $1 pieces at $2 cost $3"
    else
        echo "FAILED  $1 pieces at $2 cost $3, but got $actual"
        failures=$((failures + 1))
    fi
}

check 1 250 250
check 9 100 900
check 10 100 900
check 20 100 1800

echo "$failures failed"
exit "$failures"
