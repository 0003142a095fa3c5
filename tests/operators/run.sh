#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The operator tests of ONNX: those of the package libonnx-testdata, and the larger set in ../shared/data
# when it is there. What is supported must give the stored outputs; differs.txt names the cases known to
# differ, with the reason; quantized.txt names cases that must pass, interpreted and as native code (AZ_LONG:
# all cases as native code). run.sh --table prints the table of docs/onnx.md.
set -u
cd "$(dirname "$0")/../.."
nodes=${BUILD:?the build folder}/operator_nodes
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
package=$(dpkg -L libonnx-testdata 2>/dev/null | grep -m1 '^/usr/include.*/backend/test/data$')
archive=../shared/data/onnx-node-tests/onnx-node-tests.tar.gz
[ -n "$package" ] || [ -f $archive ] || { echo "no operator tests here"; exit 77; }
[ ! -f $archive ] || { mkdir "$work/set" && tar xzf $archive -C "$work/set"; }

find ${package:+"$package/"} $([ ! -d "$work/set" ] || echo "$work/set") -name model.onnx |
	sed 's|/model.onnx$||' | sort >"$work/cases"
"$nodes" ${AZ_LONG:+--native} <"$work/cases" >"$work/result"

if [ "${1:-}" = --table ]; then
	# Cases of one operator count for it.
	echo '| operator | opsets | cases passed | differ | refused |'
	echo '|---|---|---|---|---|'
	{
		sed -nE 's/^ONNX\("", *([A-Za-z0-9]+), *([0-9]+), *([0-9]+),.*/row\t\1\t\2\t\3/p' \
			frontend/onnx_ops.def
		cat "$work/result"
	} | awk -F'\t' '
		$1 == "row" { range[$2] = (range[$2] ? range[$2] ", " : "") $3 "-" ($4 == 0 ? "" : $4); next }
		$2 !~ /,/ { op = $2; sub(/ .*/, "", op); n[op, $1]++ }
		END { for (op in range) printf "| %s | %s | %d | %d | %d |\n", op, range[op],
			n[op, "pass"], n[op, "differs"], n[op, "refused"] }' | sort
	exit
fi

failed=0
while IFS=$'\t' read -r outcome ops folder message; do
	name=${folder#"$work/set/"}
	name=${name#"$package/"}
	if [ "$outcome" = interprets ]; then
		echo "$name: $ops has no native code: $message"
		failed=1
	elif [ "$outcome" = differs ] && ! grep -q "^$name\( \|$\)" tests/operators/differs.txt; then
		echo "$name: $ops differs: $message"
		failed=1
	fi
done <"$work/result"
cut -f1 "$work/result" | sort | uniq -c | awk '{ printf "operators: %d %s\n", $1, $2 }'
count=$(grep -c '^pass' "$work/result")
least=$([ -d "$work/set" ] && echo 1400 || echo 700)
if [ "$count" -lt "$least" ]; then
	echo "only $count cases pass, wanted $least"
	failed=1
fi

# A name is looked for in both sets; one of them suffices, neither may fail.
wanted=0
while read -r name; do
	grep -E "/$name$" "$work/cases" >>"$work/quantized" && wanted=$((wanted + 1)) && continue
	[ -n "$package" ] && [ -d "$work/set" ] && { echo "$name: no such case"; failed=1; }
done < <(sed 's/ *#.*//; /^$/d' tests/operators/quantized.txt)
while IFS=$'\t' read -r outcome ops folder message; do
	[ "$outcome" = pass ] && continue
	echo "$folder: $ops $outcome as native code: $message"
	failed=1
done < <("$nodes" --native <"$work/quantized")
echo "operators: $wanted quantization cases, interpreted and native"
# None may be missing from the list.
cut -f2,3 "$work/result" | grep -E '^[^,]*([Qq]uantize|QLinear|Integer)[A-Za-z]* \(' | sed 's|.*/||' | sort -u |
	while read -r name; do
		grep -q "$name\( \|$\)" tests/operators/quantized.txt || echo "$name is not in quantized.txt"
	done | grep . && failed=1
exit $failed
