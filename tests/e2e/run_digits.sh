#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The example network on every target, in float and in 8 bits: executables stand alone, know the digits, and
# the 8-bit outputs are the same bits everywhere, in the interpreter and in the JIT.
. tests/e2e/lib.sh
model=$example/digits.onnx
images=$example/test_images.npy
labels=$example/test_labels.npy
int8=(--calib="$example/calibration.npy")
count=$(npy_numbers $labels u1 | wc -l)

# enough WHAT FILE: at least 97 % of the test digits, the float network has 98.3 %.
enough() {
	local right
	right=$(npy_right "$2" 10 $labels)
	[ $((right * 100)) -ge $((count * 97)) ] || fail "$1: $right of $count digits right"
}

try_run "verify float" "$ADZE" verify $model --float --both
for option in --float "${int8[@]}"; do
	try_run "interpret $option" "$ADZE" run $model $images "$option" --interpret -o "$work/interpreter.npy" || continue
	try_run "jit $option" "$ADZE" run $model $images "$option" -o "$work/jit.npy" || continue
	enough "interpreter $option" "$work/interpreter.npy"
	for name in $target_names; do
		rm -f "$work/net" "$work/out.npy"
		# shellcheck disable=SC2086
		pick "$name" || { try_run "compile only $name" "$ADZE" compile $model "$option" $target_options -o "$work/net"; continue; }
		# shellcheck disable=SC2086
		try_run "compile $name $option" "$ADZE" compile $model "$option" $target_options -o "$work/net" || continue
		# shellcheck disable=SC2086
		try_run "run $name $option" $runner "$work/net" $images -o "$work/out.npy" || continue
		if [ "$option" = --float ]; then
			npy_close "float $name against the interpreter" "$work/out.npy" "$work/interpreter.npy"
			enough "float $name" "$work/out.npy"
		else
			same "int8 $name against the interpreter" "$work/out.npy" "$work/interpreter.npy"
		fi
	done
	if [ "$option" = --float ]; then
		npy_close "float JIT" "$work/jit.npy" "$work/interpreter.npy"
	else
		same "int8 JIT against the interpreter" "$work/jit.npy" "$work/interpreter.npy"
	fi
done

# The executable by itself.
net=$work/net
try_run "compile" "$ADZE" compile $model "${int8[@]}" --cpu=x86-64 --target=x86_64-linux -o "$net"
if [ "$(uname -m)" = x86_64 ]; then
	LC_ALL=C ldd "$net" 2>&1 | grep -q 'not a dynamic executable' || fail "ldd: $(ldd "$net" 2>&1)"
	for digit in 0 1 2 3 4 5 6 7 8 9; do
		name=$(sed -n $((digit + 1))p $example/labels.txt)
		got=$("$net" $example/samples/$digit.pgm --top 1 --labels $example/labels.txt)
		echo "$got" | tail -n 1 | grep -qE "^ +$digit +[0-9.]+ +$name$" || fail "sample $digit: $got"
	done
	(cd "$work" && env -i ./net - </dev/null) >/dev/null 2>&1 && fail "no input file, but exit 0"
	try_run "one sample from a .pb" "$net" $example/test_data_set_0/input_0.pb -o "$work/pb.npy"
	try_run "the same in the JIT" "$ADZE" run $model "${int8[@]}" $example/test_data_set_0/input_0.pb -o "$work/pbj.npy"
	same ".pb input" "$work/pb.npy" "$work/pbj.npy"
	"$net" $images --bench 5 2>&1 | grep -qE '^min .* median .* mean .* over 5 runs$' || fail "--bench"
	try_run "--info" "$net" --info
	grep -q image "$work/said" || fail "--info does not name the input"
	try_run "--profile" "$net" $example/samples/3.pgm --profile
	"$net" $example/labels.txt >/dev/null 2>"$work/said" && fail "text as input, but exit 0"
	"$net" $images --no-such-option >/dev/null 2>&1
	[ $? -eq 2 ] || fail "unknown option of the executable: exit code is not 2"
	"$net" $images -o /dev/full >/dev/null 2>&1 && fail "output to /dev/full, but exit 0"
fi

# Accuracy, as `adze eval` counts it.
"$ADZE" eval $model --data=$images --labels=$labels "${int8[@]}" --against=$model --json >"$work/eval.json" 2>&1 ||
	fail "eval: $(cat "$work/eval.json")"
awk -F'[:,]' '/"top1_percent"/ { a = $2 } /agreement_percent/ { b = $2 } END { exit !(a >= 97 && b >= 98) }' "$work/eval.json" ||
	fail "eval: $(cat "$work/eval.json")"
finish
