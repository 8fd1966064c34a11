#!/bin/sh
# price.sh QUANTITY UNIT_PRICE: the total in cents; ten pieces or more get 10 % off.
quantity=$1
total=$((quantity * $2))
if [ "$quantity" -gt 10 ]; then
    total=$((total * 90 / 100))
fi
echo "$total"
