#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Packed weights are as small as they say: the section .rodata.NAME.weights has at most 1.03 times the bits of
# all weights and 64 bytes for each layer. ResNet-20 where the data are there, else a made network; every width
# on one target and every target at one width. Long: all pairs, for MobileNetV1 0.25 as well, and every width of
# MobileNetV1 1.0 on one target, in turns. NETWORKS="mobilenetv1_025 ..." chooses among them.
. tests/e2e/lib.sh
"$CC" -std=c11 tests/e2e/make_onnx.c -o "$work/make_onnx" || { fail "cannot build make_onnx"; finish; }
"$work/make_onnx" network even >"$work/made.onnx"
"$work/make_onnx" samples >"$work/made.npy"
read_elf=$(command -v readelf || command -v llvm-readelf-19 || command -v llvm-readelf)
[ -n "$read_elf" ] || { echo "skipped: no readelf"; exit 77; }
data=../shared/data
places=(x86-64 x86-64-v3 x86-64-v4 aarch64 armv7a riscv64gc riscv64gcv-128)
checks=0

# The most that the section may have: from the stored weights in the network's text.
limit() {
	awk -F '[][]' '/^const @[^ ]*w[^ ]*\.q : / {
		split($1, word, " "); bits = word[4]; gsub(/[^0-9]/, "", bits); if (word[4] == "bipolar") bits = 1
		count = split($2, dim, ","); n = 1; for (i = 1; i <= count; i++) n *= dim[i]
		sum += int((n * bits + 7) / 8); layers++ }
		END { printf "%d\n", sum * 1.03 + 64 * layers }' "$1"
}

# size NETWORK TARGET BITS: of the network in net.adz.
size() {
	local options got most
	checks=$((checks + 1))
	options=$(echo "$targets" | awk -v name="$2" '$1 == name' | cut -d'|' -f2)
	# shellcheck disable=SC2086
	try_run "$1, $3 bits for $2" "$ADZE" compile "$work/net.adz" $options --emit=obj --name=net -o "$work/net.o" || return
	got=$("$read_elf" -SW "$work/net.o" | sed 's/\[ */[/' | awk '$2 == ".rodata.net.weights" { print $6 }')
	most=$(limit "$work/net.adz")
	[ -n "$got" ] && [ $((16#$got)) -le "$most" ] ||
		fail "$1, $3 bits for $2: weights of $((16#${got:-0})) bytes, at most $most wanted"
}

# network NAME all|turns MODEL OPTIONS...: every width on all targets, or on one.
network() {
	local name=$1 which=$2 model=$3 bits i
	shift 3
	[ -f "$model" ] || model=$model.xz
	for bits in 1 2 3 4 5 6 7 8; do
		rm -rf "$work"/net.adz*
		try_run "$name, $bits bits" "$ADZE" opt "$model" --road --stop-after=fold-quantizers "$@" --weights=$bits --edges=0 \
			-o "$work/net.adz" || continue
		for ((i = 0; i < ${#places[@]}; i++)); do
			[ "$which" = turns ] && [ $i -ne $((bits % ${#places[@]})) ] && continue
			size "$name" "${places[i]}" $bits
		done
	done
}

which=turns
networks=resnet20
[ -z "${AZ_LONG:-}" ] || { which=all; networks="resnet20 mobilenetv1_025 mobilenetv1_100"; }
if [ ! -d $data/models ]; then
	network made $which "$work/made.onnx" --calib="$work/made.npy"
	echo "$checks sizes"
	finish
fi
for name in ${NETWORKS:-$networks}; do
	case $name in
	resnet20) network $name $which $data/models/resnet20_cifar10_f32/model.onnx \
		--calib=$data/cifar10/train2000_images.npy.xz --calib-limit=2 --input-layout=nhwc ;;
	mobilenetv1_025) network $name $which $data/models/mobilenetv1_025_128_f32/model.onnx \
		--calib=$data/imagenet/images.tar --calib-limit=2 --resize=128x128 ;;
	mobilenetv1_100) network $name turns $data/models/mobilenetv1_100_224_f32/model.onnx \
		--calib=$data/imagenet/images.tar --calib-limit=2 ;;
	*) fail "no network \"$name\"" ;;
	esac
done
echo "$checks sizes"
finish
