#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Imported networks of 1 to 3 bits (QONNX): integer-only executables reproduce the accuracies that were stated
# for them on the 10,000 test images of MNIST within 0.05 points, interpreter, JIT and targets give the same
# bits, and the packed weights are as small as their widths say. Long: every target.
. tests/e2e/lib.sh
data=../shared/data
[ -d $data/models ] || { echo "skipped: no ../shared/data"; exit 77; }
some="x86-64 x86-64-v3 native aarch64-dotprod armv7a riscv64gcv-128"
[ -n "${AZ_LONG:-}" ] && some=$target_names

# idx_npy FILE SHAPE FIRST: an idx file of bytes as .npy; its data begin at byte FIRST.
idx_npy() {
	local header
	header=$(printf "{'descr': '|u1', 'fortran_order': False, 'shape': (%s), }" "$2")
	printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "$header"
	zcat "$1" | tail -c "+$3"
}
idx_npy $data/mnist/t10k-images-idx3-ubyte.gz "10000, 1, 28, 28" 17 >"$work/images.npy"
idx_npy $data/mnist/t10k-labels-idx1-ubyte.gz "10000," 9 >"$work/labels.npy"

# weights NETWORK BITS...: elements and width of each packed layer, as "elements:bits"; sections hold 3 % more at most.
weights() {
	local network=$1 layer sizes size n=0 wanted
	shift
	sizes=$(readelf -SW "$work/$network.o" | awk '$0 ~ /\.rodata\.[^ ]*\.weights/ {
		for (i = 1; i < NF; i++) if ($i == "PROGBITS") { print $(i + 3); exit } }')
	size=$((16#${sizes:-0}))
	for layer in "$@"; do
		n=$((n + (${layer%:*} * ${layer#*:} + 7) / 8))
	done
	wanted=$((n * 103 / 100 + 64 * $#))
	[ "$size" -ge $n ] && [ "$size" -le $wanted ] ||
		fail "$network: $size bytes of weights where $n are enough"
}

# bits NETWORK: everything gives the interpreter's bits.
bits() {
	local model=$data/models/$1/model.onnx input=$data/models/$1/test_data_set_0/input_0.pb name
	try_run "$1 in the interpreter" "$ADZE" run $model $input --interpret -o "$work/wanted.npy" || return
	try_run "$1 in the JIT" "$ADZE" run $model $input -o "$work/got.npy" &&
		same "$1 in the JIT" "$work/got.npy" "$work/wanted.npy"
	for name in $some; do
		pick "$name" || continue
		rm -f "$work/got.npy"
		# shellcheck disable=SC2086
		try_run "$1 for $name" "$ADZE" compile --integer-only $model $target_options -o "$work/net" || continue
		# shellcheck disable=SC2086
		try_run "$1 on $name" timeout 600 $runner "$work/net" $input -o "$work/got.npy" &&
			same "$1 on $name" "$work/got.npy" "$work/wanted.npy"
	done
}

# accuracy NETWORK RIGHT: of an executable over all test images.
accuracy() {
	local model=$data/models/$1/model.onnx right
	try_run "$1" "$ADZE" compile --integer-only $model -o "$work/$1" || return
	try_run "$1 on MNIST" "$work/$1" "$work/images.npy" --input-scale=0.00392156862745098 -o "$work/out.npy" || return
	right=$(npy_right "$work/out.npy" 10 "$work/labels.npy")
	[ $((right - $2)) -le 5 ] && [ $(($2 - right)) -le 5 ] || fail "$1: $right of 10000 right, $2 stated"
	echo "$1: $right of 10000"
}

accuracy tfc_w1a2_qonnx 9474
accuracy tfc_w2a2_qonnx 9660
for network in tfc_w1a2_qonnx tfc_w2a2_qonnx kwsmlp_w3a3_qonnx; do
	bits $network
	try_run "$network" "$ADZE" compile --integer-only --emit=obj $data/models/$network/model.onnx -o "$work/$network.o"
done
weights tfc_w1a2_qonnx 50176:1 4096:1 4096:1 640:1
weights tfc_w2a2_qonnx 50176:2 4096:2 4096:2 640:2
weights kwsmlp_w3a3_qonnx 125440:3 65536:3 65536:3 3072:3
finish
