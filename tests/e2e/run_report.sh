#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The sizes that compile, info and the header state are those of the object, by its own section table.
. tests/e2e/lib.sh
model=$example/digits.onnx
narrow=(--calib=$example/calibration.npy --weights=4)
command -v readelf >/dev/null || { echo "needs readelf"; exit 77; }

# value KEY FILE: of the first line that has it.
value() {
	sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$2" | head -n 1
}

# section PATTERN: bytes of the sections of the object whose names match.
section() {
	readelf -SW "$work/net.o" | sed 's/^ *\[ *[0-9]*\] *//' |
		awk -v p="$1" '$1 ~ p { print "0x" $5 }' | while read -r n; do echo $((n)); done | awk '{ n += $1 } END { print n + 0 }'
}

equal() { # equal WHAT GOT WANTED
	[ "$2" = "$3" ] || fail "$1: $2, wanted $3"
}

for target in x86_64-linux aarch64-linux armv7a-linux-gnueabihf riscv64-linux; do
	try_run "$target" "$ADZE" compile $model "${narrow[@]}" --target=$target --emit=obj --name=net -o "$work/net.o" || finish
	"$ADZE" compile $model "${narrow[@]}" --target=$target --emit=obj --name=net -o "$work/net.o" --json >"$work/json"
	equal "$target .text" "$(value text_bytes "$work/json")" "$(section '^\.text$')"
	equal "$target rodata" "$(value rodata_bytes "$work/json")" "$(section '^\.s?rodata')"
	equal "$target weights" "$(value weight_bytes "$work/json")" "$(section '^\.rodata\.net\.weights$')"
	equal "$target constants" "$(value constant_bytes "$work/json")" "$(section '^\.rodata\.net\.const$')"
	for key in TEXT RODATA WEIGHT STACK ARENA; do
		equal "$target header $key" "$(sed -n "s/^#define NET_${key}_BYTES //p" "$work/net.h")" \
			"$(value "$(echo $key | tr A-Z a-z)_bytes" "$work/json")"
	done
	# info measures an object of its own: the same.
	"$ADZE" info $model "${narrow[@]}" --target=$target --json >"$work/info"
	for key in text_bytes rodata_bytes weight_bytes stack_bytes arena_bytes macs bitops parameters; do
		equal "$target info $key" "$(value $key "$work/info")" "$(value $key "$work/json")"
	done
done

# A network that was placed for another target is described for that one.
try_run "placed" "$ADZE" compile $model "${narrow[@]}" --target=riscv64-linux --emit=adz -o "$work/placed.adz" || finish
"$ADZE" info "$work/placed.adz" --json >"$work/placed" || fail "info of a placed network"
grep -q '"target":"riscv64-' "$work/placed" || fail "the target of a placed network: $(grep '"target"' "$work/placed")"
equal "placed text" "$(value text_bytes "$work/placed")" "$(value text_bytes "$work/json")"

# Every layer, in words: with --report and in info, not else.
"$ADZE" compile $model "${narrow[@]}" -o "$work/net" >"$work/short" || fail "compile"
"$ADZE" compile $model "${narrow[@]}" --report -o "$work/net" >"$work/long" || fail "compile --report"
"$ADZE" info $model "${narrow[@]}" >"$work/info" || fail "info"
grep -q 'BitOPs' "$work/short" && fail "compile prints layers without --report"
for file in long info; do
	grep -qE '^[^ ]+ +conv +1x8x8x16 +i4 +u8 +u8 ' "$work/$file" || fail "$file: no convolution of 4 bits"
	grep -qE 'flash +[0-9]+ bytes .*weights [0-9]+' "$work/$file" || fail "$file: no flash"
	grep -qE 'ram +[0-9]+ bytes .*stack [0-9]+' "$work/$file" || fail "$file: no ram"
	grep -qE '  float: .*softmax' "$work/$file" || fail "$file: nothing about what stays float"
done
# A float network has nothing that stayed float.
"$ADZE" info $model --float >"$work/info" && grep -q '  float:' "$work/info" && fail "float network"

# Times come from the table that is named; what it makes slower is said.
printf 'COST(sse2, conv, 8, 8, 10)\nCOST(sse2, conv, 8, 4, 1)\n' >"$work/rates"
generic=(--target=x86_64-linux --cpu=x86-64 --costs="$work/rates")
"$ADZE" info $model "${narrow[@]}" "${generic[@]}" >"$work/info" || fail "info --costs"
grep -qE 'slower than with 8 bits: .*\(conv, i4 x u8\).*unpacking' "$work/info" || fail "nothing is said to be slower"
"$ADZE" info $model "${narrow[@]}" "${generic[@]}" --json >"$work/json" || fail "info --costs --json"
[ "$(value layers_slower_than_8_bits "$work/json")" -ge 3 ] || fail "no slower layers in JSON"
echo 'COST(sse2, conv)' >"$work/rates"
"$ADZE" info $model "${generic[@]}" >/dev/null 2>"$work/said" && fail "a bad table was taken"
grep -q 'rates:1: error: expected COST' "$work/said" || fail "a bad table: $(cat "$work/said")"
finish
