#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Budgets of adze fit are used well: the object it emits is within the budget, and more than 3 % below it only if
# one bit more for any one layer (where all layers have 8 bits: the next width) would exceed it. Every raised
# network is really made, by opt, a recipe and compile, and its object measured. AZ_LONG: more budgets and
# policies, and the networks of the data pack (AZ_DATA).
. tests/e2e/lib.sh

flash_of() { # flash_of OBJECT: bytes of its .text*, .rodata* and .srodata* sections, as the object has them
	local sum=0 name size
	while read -r name _ _ _ size _; do
		case $name in
		*_profile) ;; # stands apart, for linkers to drop
		.text* | .rodata* | .srodata*) sum=$((sum + 16#$size)) ;;
		esac
	done < <(readelf -SW "$1" | sed -n 's/^ *\[ *[0-9]*\] *\(\..*\)/\1/p')
	echo $sum
}

# make SOURCE RATIO BITS(file) COMPACT: what the object of such a network takes
make() {
	local from=$1 name bits
	if [ "$2" != 1.0 ]; then
		narrow "$1" "$2" "$work/narrow.adz" || return 1
		from=$work/narrow.adz
	fi
	{
		echo "recipe 1"
		while read -r name bits; do
			echo "match name \"$name\" { weight = i$bits }"
		done <"$3"
	} >"$work/bits.recipe"
	local size=()
	[ "$4" = true ] && size=(--size)
	"$ADZE" compile "$from" "${data[@]}" "${size[@]}" --recipe="$work/bits.recipe" --emit=obj -o "$work/raised.o" >/dev/null 2>"$work/said" &&
		flash_of "$work/raised.o"
}

# used_well WHAT MODEL OPTIONS...
used_well() {
	local what=$1 model=$2 out=$work/net budget size raised at ratio compact wider
	shift 2
	try_run "$what" "$ADZE" fit "$model" "${data[@]}" --round=nearest --emit=obj -o "$out.adz" --json "$@" || return
	cp "$work/said" "$out.json"
	budget=$(sed -n 's/^ *"flash_bytes":\([0-9]*\).*/\1/p' "$out.json" | head -n 1)
	size=$(flash_of "$out.o") ratio=$(chosen "$out.json" width) compact=$(chosen "$out.json" compact)
	[ "${size:-0}" -gt 0 ] && [ "$size" -le "$budget" ] || fail "$what: $size bytes, the budget is $budget"
	[ "$size" = "$(chosen "$out.json" flash_bytes)" ] || fail "$what: the report has other bytes than the object"
	if [ $((size * 100)) -ge $((budget * 97)) ]; then
		echo "$what: $size of $budget bytes"
		return
	fi
	chosen_bits "$out.json" bits >"$work/bits"
	raised=$(make "$model" "$ratio" "$work/bits" "$compact")
	[ "$raised" = "$size" ] || fail "$what: made again it takes $raised bytes, not $size: $(cat "$work/said")"
	for ((at = 1; at <= $(wc -l <"$work/bits"); at++)); do
		awk -v at=$at 'NR == at && $2 < 8 { $2++; raised = 1 } { print } END { exit !raised }' "$work/bits" >"$work/more" || continue
		raised=$(make "$model" "$ratio" "$work/more" "$compact")
		[ "${raised:-0}" -gt "$budget" ] ||
			fail "$what: $size of $budget bytes, and $raised with one bit more for $(sed -n ${at}p "$work/bits")"
	done
	if ! grep -qv ' 8$' "$work/bits" && [ "$ratio" != 1.0 ]; then
		for wider in $(wider_than "$ratio"); do
			raised=$(make "$model" "$wider" "$work/bits" "$compact")
			[ "$raised" = "$size" ] || break
		done
		[ "${raised:-0}" -gt "$budget" ] ||
			fail "$what: $size of $budget bytes, and $raised at a width of $wider"
	fi
	echo "$what: $size of $budget bytes, one step more exceeds them"
}

# Of so few samples none are kept apart, so compile makes what fit made.
data=(--calib=$example/calibration.npy --calib-limit=7)
used_well "digits 50 %" $example/digits.onnx --flash=50%
used_well "digits 80 %, hessian, 5 bits or more" $example/digits.onnx --flash=80% --policy=hessian --least=5
used_well "digits 65 %, hessian" $example/digits.onnx --flash=65% --policy=hessian # single bits fill it
# Code of 3 bits is longer than what they save of these weights: a width at which 8 bits fit and 3 do not.
used_well "digits 60 %, orthogonality, 3 bits or more" $example/digits.onnx --flash=60% --policy=orthogonality --least=3
if [ -n "${AZ_LONG:-}" ]; then
	for policy in uniform sensitivity orthogonality; do
		for budget in 75 40; do
			used_well "digits $budget %, $policy" $example/digits.onnx --flash=$budget% --policy=$policy
		done
	done
	pack_budgets flash 100 75 50 35 25
fi
finish
