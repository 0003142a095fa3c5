#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Passes on IR text: tests/ir/PASS/NAME.adz says in its first lines what to run and what must come out:
#
#   # RUN: adze opt -p PASS %s | FileCheck-19 %s
#
# %s is the file, `not` in front of a command expects it to fail, %t is a fresh folder.
set -u -o pipefail
here=$(dirname "$0")
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
failed=0
count=0

if ! command -v FileCheck-19 >/dev/null; then
	echo "FileCheck-19 (llvm-19-tools) is not installed"
	exit 77
fi

adze() {
	"$ADZE" "$@"
}

not() {
	! "$@"
}

export -f adze not
for file in "$here"/*/*.adz; do
	rm -rf "$made/t"
	mkdir "$made/t"
	lines=$(sed -n 's/^# RUN: //p' "$file")
	if [ -z "$lines" ]; then
		echo "FAILED $file: no RUN line"
		failed=1
	fi
	while IFS= read -r line; do
		command=${line//%s/$file}
		command=${command//%t/$made/t}
		count=$((count + 1))
		if ! ADZE="$ADZE" bash -o pipefail -c "$command" >"$made/out" 2>&1; then
			echo "FAILED $file: $line"
			head -40 "$made/out"
			failed=1
		fi
	done <<<"$lines"
done
echo "$count runs of passes"
exit $failed
