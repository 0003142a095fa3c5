#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Golden IR text. NAME.adz without a NAME.in.adz beside it is what the printer writes and must come back
# byte for byte; NAME.in.adz is freely written text that must come out as NAME.adz. The module in the
# language manual is golden text too.
set -u
here=$(dirname "$0")
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
failed=0

check() { # input, expected
	if ! "$ADZE" opt "$1" >"$made/out" 2>"$made/err"; then
		echo "FAILED $1"
		cat "$made/err"
		failed=1
	elif ! cmp -s "$made/out" "$2"; then
		echo "FAILED $1: is not printed as $2"
		diff "$made/out" "$2"
		failed=1
	fi
}

count=0
for file in "$here"/*.adz; do
	case $file in
	*.in.adz) check "$file" "${file%.in.adz}.adz" ;;
	*) check "$file" "$file" ;;
	esac
	count=$((count + 1))
done
awk '/^```/ { inside = $0 == "```adz"; next } inside' docs/ir.md >"$made/manual.adz"
check "$made/manual.adz" "$made/manual.adz"
echo "$count files of IR text"
exit $failed
