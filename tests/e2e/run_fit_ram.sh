#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# adze fit under budgets of memory and of work: the arena of what it writes is within it and uses it well, activations of few bits lie packed,
# code gives what the interpreter gives, an interrupted search goes on, and too small a budget is refused.
. tests/e2e/lib.sh
model=$example/digits.onnx
data=(--calib=$example/calibration.npy --calib-limit=60 --round=nearest)

arena_of() { # arena_of NETWORK: bytes, as compiled
	"$ADZE" info "$1" --json | sed -n 's/^ *"arena_bytes":\([0-9]*\).*/\1/p' | head -n 1
}

"$ADZE" compile $model "${data[@]}" --emit=adz -o "$work/full.adz" >/dev/null
full=$(arena_of "$work/full.adz")
for case in "sensitivity 60" "uniform 70"; do
	read -r policy percent <<<"$case"
	out=$work/$policy
	try_run "$policy $percent %" "$ADZE" fit $model "${data[@]}" --ram="$percent%" --policy="$policy" -o "$out.adz" \
		--journal="$work/$policy.journal" || continue
	arena=$(arena_of "$out.adz")
	[ "$((100 * arena))" -le "$((percent * full))" ] ||
		fail "$policy: an arena of $arena bytes, more than $percent % of $full"
	[ "$((100 * arena))" -ge "$((percent * full * 8 / 10))" ] ||
		fail "$policy: an arena of $arena bytes, far less than $percent % of $full"
	try_run "$policy, code" "$ADZE" run "$out.adz" $example/test_data_set_0/input_0.pb -o "$work/code.npy"
	try_run "$policy, interpreted" "$ADZE" run "$out.adz" $example/test_data_set_0/input_0.pb --interpret \
		-o "$work/meaning.npy"
	same "$policy" "$work/code.npy" "$work/meaning.npy"
	try_run "$policy again" "$ADZE" fit $model "${data[@]}" --ram="$percent%" --policy="$policy" -o "$work/again.adz" \
		--journal="$work/$policy.journal"
	same "$policy again" "$work/again.adz" "$out.adz"
done

# raised_arena MODEL: with the activations of $work/acts
raised_arena() {
	{
		echo "recipe 1"
		sed 's/\(.*\) \([0-9]*\)$/match name "\1" { act = u\2 }/' "$work/acts"
	} >"$work/acts.recipe"
	"$ADZE" compile "$1" "${data[@]}" --packed --recipe="$work/acts.recipe" --emit=adz -o "$work/raised.adz" >/dev/null 2>"$work/said" &&
		arena_of "$work/raised.adz"
}

# used_well WHAT MODEL OPTIONS...: the arena is within the budget, and more than 3 % below it only if one bit more for
# any activation (where all have 8: the next width) would exceed it
used_well() {
	local what=$1 model=$2 from=$2 budget arena raised at ratio wider
	shift 2
	"$ADZE" fit "$model" "${data[@]}" --round=nearest -o "$work/net.adz" --json "$@" >"$work/net.json" 2>"$work/said"
	case $? in
	0) ;;
	3)
		echo "$what: $(grep -o 'RAM: .*' "$work/said")"
		return
		;;
	*) fail "$what: $(cat "$work/said")"; return ;;
	esac
	budget=$(sed -n 's/^ *"arena_bytes":\([0-9]*\).*/\1/p' "$work/net.json" | head -n 1)
	arena=$(chosen "$work/net.json" arena_bytes) ratio=$(chosen "$work/net.json" width)
	[ "$arena" = "$(arena_of "$work/net.adz")" ] || fail "$what: the report has another arena than the network"
	[ "$arena" -le "$budget" ] || fail "$what: an arena of $arena bytes, the budget is $budget"
	if [ $((arena * 100)) -ge $((budget * 97)) ]; then
		echo "$what: $arena of $budget bytes"
		return
	fi
	if [ "$ratio" != 1.0 ]; then
		from=$work/narrow.adz
		narrow "$model" "$ratio" "$from" || fail "$what: $(cat "$work/said")"
	fi
	chosen_bits "$work/net.json" activation_bits >"$work/chosen"
	cp "$work/chosen" "$work/acts"
	raised=$(raised_arena "$from")
	[ "$raised" = "$arena" ] || fail "$what: made again its arena has $raised bytes, not $arena: $(cat "$work/said")"
	for ((at = 1; at <= $(wc -l <"$work/chosen"); at++)); do
		awk -v at=$at 'NR == at { $NF = $NF + 1 } { print }' "$work/chosen" >"$work/acts"
		raised=$(raised_arena "$from")
		[ "${raised:-0}" -gt "$budget" ] ||
			fail "$what: $arena of $budget bytes, and $raised with one bit more for $(sed -n ${at}p "$work/chosen")"
	done
	if [ ! -s "$work/chosen" ] && [ "$ratio" != 1.0 ]; then
		for wider in $(wider_than "$ratio"); do
			narrow "$model" "$wider" "$from"
			raised=$(raised_arena "$from")
			[ "$raised" = "$arena" ] || break
		done
		[ "${raised:-0}" -gt "$budget" ] || fail "$what: $arena of $budget bytes, and $raised at a width of $wider"
	fi
	echo "$what: $arena of $budget bytes, one step more exceeds them"
}
for budget in 100 70 50 35; do
	used_well "digits $budget %" $model --ram=$budget%
done
used_well "digits 60 %, 8 bits" $model --ram=60% --least-acts=8

"$ADZE" info "$work/sensitivity.adz" | grep -q ' rows\[' || fail "nothing is packed"

# Flash and memory at once.
try_run "both" "$ADZE" fit $model "${data[@]}" --ram=70% --flash=60% --policy=orthogonality -o "$work/both.adz"
[ "$((100 * $(arena_of "$work/both.adz")))" -le "$((70 * full))" ] || fail "both: more memory than was to be"

# Flash and work at once: both are met, and work is used to some percent, as bits are in steps.
key() { # key FILE NAME: the number of that key in JSON
	sed -n "s/^ *\"$2\":\([0-9]*\).*/\1/p" "$1" | head -n 1
}
try_run "work" "$ADZE" fit $model "${data[@]}" --bitops=40% --flash=80% --least=3 -o "$work/work.adz" --json
mv "$work/said" "$work/work.json"
"$ADZE" info "$work/work.adz" --json >"$work/made.json"
wanted=$(key "$work/work.json" bitops)
made=$(key "$work/made.json" bitops)
[ "$made" -le "$wanted" ] && [ "$((10 * made))" -ge "$((8 * wanted))" ] || fail "work: $made bit operations of $wanted"
flash=$(($(key "$work/made.json" text_bytes) + $(key "$work/made.json" rodata_bytes)))
[ "$flash" -le "$(key "$work/work.json" flash_bytes)" ] || fail "work: $flash bytes"

"$ADZE" fit $model "${data[@]}" --ram=100 -o "$work/none.adz" >"$work/said" 2>&1
[ $? = 3 ] || fail "a budget of 100 bytes is not refused"
grep -q 'RAM: 100 bytes wanted; the smallest found takes' "$work/said" || fail "the refusal says: $(cat "$work/said")"
[ -z "${AZ_LONG:-}" ] || pack_budgets ram 100 75 50 35 25
finish
