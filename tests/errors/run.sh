#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Wrong IR text. A comment `# error@+N: text` states that the line N below it has an error whose
# message contains the text; `# error@0: text` one that has no line. The errors found must be exactly
# those stated, and the exit status 1. NAME.text beside NAME.adz is the whole output, carets included.
set -u
ADZE=$(realpath "$ADZE")
cd "$(dirname "$0")" || exit 1
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
failed=0
count=0

for file in *.adz; do
	"$ADZE" opt "$file" >"$made/out" 2>"$made/err"
	status=$?
	if [ $status != 1 ] || [ -s "$made/out" ]; then
		echo "FAILED $file: exit status $status, wanted 1 and no output"
		failed=1
	fi
	awk '{ for (rest = $0; match(rest, /# error@\+?[0-9]+: /); rest = "") {
		place = substr(rest, RSTART + 8, RLENGTH - 10)
		print (place + 0 ? NR + place : 0) "\t" substr(rest, RSTART + RLENGTH) } }' \
		"$file" >"$made/wanted"
	sed -nE -e 's/^[^ ]*:([0-9]+):[0-9]+: (node .*)?error: (.*)/\1\t\3/p; t' \
		-e 's/^([^ :]*: )?error: (.*)/0\t\2/p' "$made/err" >"$made/found"
	awk -F '\t' -v file="$file" '
		NR == FNR { line[++n] = $1; text[n] = $2; next }
		{ for (i = 1; i <= n; i++)
			if (!used[i] && line[i] == $1 && index($2, text[i])) { used[i] = 1; next }
		  print "FAILED " file ":" $1 ": not stated: " $2; bad = 1 }
		END { for (i = 1; i <= n; i++) if (!used[i]) {
			print "FAILED " file ":" line[i] ": not found: " text[i]; bad = 1 }
		  exit bad }' "$made/wanted" "$made/found" || failed=1
	if [ -e "${file%.adz}.text" ] && ! diff "$made/err" "${file%.adz}.text"; then
		echo "FAILED $file: the messages are not those of ${file%.adz}.text"
		failed=1
	fi
	count=$((count + 1))
done
echo "$count files of wrong IR text"
exit $failed
