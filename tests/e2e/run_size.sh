#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# --size: less code on every target, the same bits. The cases are those of tests/kernels, a few of each
# operation; then a whole network.
. tests/e2e/lib.sh
model=$example/digits.onnx
calib=(--calib=$example/calibration.npy)

# code OPTIONS...: bytes of the network's code.
code() {
	"$ADZE" info $model "$@" --json | sed -n 's/^ *"text_bytes":\([0-9]*\).*/\1/p'
}

for name in x86-64-v3 native aarch64 armv7a riscv64gcv-128; do
	pick $name >/dev/null
	for network in "${calib[*]}" --float; do
		# shellcheck disable=SC2086
		fast=$(code $network $target_options) small=$(code $network $target_options --size)
		[ "${small:-0}" -gt 0 ] && [ "$small" -lt "$fast" ] ||
			fail "$name, $network: ${small:-no} bytes of code with --size, $fast without"
	done
done

# Same answers of a network, and of the sample of kernels where they run.
input=$example/test_data_set_0/input_0.pb
try_run "fast" "$ADZE" compile $model "${calib[@]}" -o "$work/fast" || finish
try_run "small" "$ADZE" compile $model "${calib[@]}" --size -o "$work/small" || finish
try_run "fast runs" "$work/fast" $input -o "$work/fast.npy"
try_run "small runs" "$work/small" $input -o "$work/small.npy"
same "--size" "$work/small.npy" "$work/fast.npy"
for operation in convolution depthwise product; do
	try_run "making $operation" "$BUILD/kernels_net" make "$work" sample:$operation || finish
	try_run "interpreting" "$ADZE" run "$work/net.adz" "$work/x.npy" --interpret -o "$work/wanted.npy" || finish
	for name in ${AZ_LONG:+x86-64 x86-64-v3 aarch64 armv7a riscv64gcv-128} native; do
		pick $name || continue
		# shellcheck disable=SC2086
		try_run "$operation for $name" "$ADZE" compile "$work/net.adz" --size $target_options -o "$work/net" || continue
		# shellcheck disable=SC2086
		try_run "$operation on $name" $runner "$work/net" "$work/x.npy" -o "$work/got.npy" || continue
		cmp -s "$work/got.npy" "$work/wanted.npy" ||
			fail "$operation on $name: $("$BUILD/kernels_net" differ sample:$operation "$work/got.npy" "$work/wanted.npy" 2>&1)"
	done
done
finish
