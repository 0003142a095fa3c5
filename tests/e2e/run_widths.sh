#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Networks made at every pair of widths: weights of 1 to 8 bits with activations of 1 to 8 bits, of 16 and in
# float, on a made network with a layer of every kind, and every width once on a real one where the data are
# there. The JIT gives the interpreter's bits; with float activations it is near. Then the grids, groups,
# recipes, and a network that is quantized anew.
# Takes long: begins with the first.
. tests/e2e/lib.sh
"$CC" -std=c11 tests/e2e/make_onnx.c -o "$work/make_onnx" || { fail "cannot build make_onnx"; finish; }
"$work/make_onnx" network >"$work/made.onnx"
"$work/make_onnx" samples >"$work/made.npy"
jobs=()

# agrees WHAT MODEL INPUT OPTIONS...: a job for later. Made once, then interpreted and run. No blanks inside.
agrees() {
	jobs+=("$*")
}

do_job() { # do_job FOLDER WHAT MODEL INPUT OPTIONS...
	local in=$1 what=$2 model=$3 input=$4
	shift 4
	what="$what: $*"
	rm -rf "$in" && mkdir "$in"
	try_run "$what: quantize" "$ADZE" opt "$model" --road --stop-after=fold-quantizers "$@" -o "$in/net.adz" || return
	try_run "$what: interpret" "$ADZE" run "$in/net.adz" "$input" --interpret -o "$in/1.npy" || return
	try_run "$what: run" "$ADZE" run "$in/net.adz" "$input" -o "$in/2.npy" || return
	case " $* " in
	*" --acts=float "*) npy_close "$what" "$in/2.npy" "$in/1.npy" ;;
	*) same "$what" "$in/2.npy" "$in/1.npy" ;;
	esac
}

# Every second job, in a process of its own; it ends well when they do.
do_jobs() {
	local i
	work=$work/half$1
	mkdir "$work"
	for ((i = $1; i < ${#jobs[@]}; i += 2)); do
		# shellcheck disable=SC2086
		do_job "$work/job" ${jobs[i]}
	done
	[ $failures -eq 0 ]
}

made() { # made OPTIONS...
	agrees made "$work/made.onnx" "$work/made.npy" --calib="$work/made.npy" "$@"
}

for weights in 1 2 3 4 5 6 7 8; do
	for acts in 1 2 3 4 5 6 7 8 16 float; do
		made --weights=$weights --acts=$acts --edges=$((weights * 3 % 9))
	done
done
for weights in ternary u1 u2 u3 u5 u8; do
	made --weights=$weights --acts=i$((${#weights} + 1))
done
for acts in bipolar i2 i4 i8 u16; do
	made --weights=4 --acts=$acts
done
for bits in 1 2 4 8; do
	made --weights=$bits --grid=odd
	made --weights=$bits --grid=power-of-two --acts=4
	made --weights=$bits --grid=codebook
	made --weights=$bits --group=4
	made --weights=$bits --group=5 --acts=float
done

# Without samples the activations stay float.
agrees weights-only "$work/made.onnx" "$work/made.npy" --weights=3 --acts=float
try_run "weights only" "$ADZE" opt "$work/made.onnx" --road --stop-after=fold-quantizers --weights=3 -o "$work/net.adz" &&
	grep -q 'i3\[' "$work/net.adz" || fail "weights only: no weights of 3 bits"

# What a recipe says, and a rule that matches nothing: one warning, also where two passes read the rules.
cat >"$work/net.recipe" <<'END'
recipe 1
default            { weight = i4, act = u5 }
match first        { weight = i8, act = i6 }
match name "deep*" { weight = ternary per tensor, act = u3 }
match name "wide"  { weight = u3 per group(4), act = u16 }
match op softmax   { act = u2 }
END
made --recipe="$work/net.recipe"
"$ADZE" opt "$work/made.onnx" --road --stop-after=fold-quantizers --calib="$work/made.npy" --recipe="$work/net.recipe" \
	--round=gptq >/dev/null 2>"$work/said"
[ "$(grep -c 'net.recipe:6:1: warning: this rule matches no layer' "$work/said")" -eq 1 ] ||
	fail "one warning wanted: $(cat "$work/said")"
echo 'recipe 1 limit flash 64 KiB' >"$work/limit.recipe"
"$ADZE" compile "$work/made.onnx" --calib="$work/made.npy" --recipe="$work/limit.recipe" -o "$work/net" 2>"$work/said" &&
	fail "a limit was taken"
grep -q 'limit.recipe:1:16: error: a limit wants a search for widths' "$work/said" || fail "limit: $(cat "$work/said")"

data=../shared/data
if [ -d $data/models ]; then
	model=$data/models/resnet8_cifar10_f32/model.onnx
	input=$data/models/resnet8_cifar10_f32/test_data_set_0/input_0.pb
	cifar=(--calib=$data/cifar10/train2000_images.npy.xz --calib-limit=8 --input-layout=nhwc)
	for pair in 1:1 2:5 3:16 4:float 5:2 6:6 7:3 8:4 1:7 2:8; do
		agrees resnet8 $model $input "${cifar[@]}" --weights=${pair%:*} --acts=${pair#*:}
	done
	quantized=$data/models/resnet8_cifar10_qdq/model.onnx
	agrees anew $quantized $data/models/resnet8_cifar10_qdq/test_data_set_0/input_0.pb \
		--calib=$data/cifar10/train2000_images.npy.xz --calib-limit=8 --requantize --weights=4
	"$ADZE" info $quantized --weights=4 2>"$work/said" && fail "quantized twice"
	grep -q 'this network is quantized already and keeps its quantization' "$work/said" || fail "requantize: $(cat "$work/said")"
fi
(do_jobs 0) &
(do_jobs 1) || failures=$((failures + 1))
wait $! || failures=$((failures + 1))
echo "${#jobs[@]} networks"
finish
