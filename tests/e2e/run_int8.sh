#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Networks people use, in 8 bits: the interpreter, the JIT and every target give the same bits, softmax tails
# included. Long: more networks.
. tests/e2e/lib.sh
data=../shared/data
[ -d $data/models ] || { echo "skipped: no ../shared/data"; exit 77; }

# bits NETWORK OPTIONS...: calibration and preprocessing are in the options.
bits() {
	local network=$1 model input
	shift
	model=$(echo $data/models/$network/model.onnx*)
	input=$data/models/$network/test_data_set_0/input_0.pb
	# Calibrated once; what is compared is the code.
	rm -rf "$work"/net.adz*
	try_run "$network: quantize" "$ADZE" opt "$model" --road --stop-after=fold-quantizers "$@" -o "$work/net.adz" || return
	try_run "$network in the interpreter" "$ADZE" run "$work/net.adz" $input --interpret -o "$work/wanted.npy" || return
	try_run "$network in the JIT" "$ADZE" run "$work/net.adz" $input -o "$work/jit.npy" &&
		same "$network in the JIT" "$work/jit.npy" "$work/wanted.npy"
	for name in $target_names; do
		pick "$name" || continue
		rm -f "$work/got.npy"
		# shellcheck disable=SC2086
		try_run "$network for $name" "$ADZE" compile "$work/net.adz" $target_options -o "$work/net" || continue
		# shellcheck disable=SC2086
		try_run "$network on $name" timeout 600 $runner "$work/net" $input -o "$work/got.npy" || continue
		same "$network on $name" "$work/got.npy" "$work/wanted.npy"
	done
}

cifar=(--calib=$data/cifar10/train2000_images.npy.xz --calib-limit=50 --input-layout=nhwc)
normal=(--input-scale=0.003921568627 --input-mean=0.485,0.456,0.406 --input-std=0.229,0.224,0.225)
pictures=(--calib=$data/imagenet/images.tar --calib-limit=5 --input-scale=0.007843137255 --input-mean=1)
bits dscnn_kws_f32 --calib=$data/kws01/features.npy --calib-every=5 --input-scale=0.5847029 --input-mean=48.5303407
bits resnet8_cifar10_f32 "${cifar[@]}"
bits mobilenetv1_025_128_f32 "${pictures[@]}" --resize=128x128 --fine=4 --exact
if [ -n "${AZ_LONG:-}" ]; then
	bits resnet20_cifar10_f32 "${cifar[@]}" "${normal[@]}"
	bits mobilenetv1_100_224_f32 "${pictures[@]}"
	bits mobilenetv1_vww_f32 "${pictures[@]}" --resize=96x96
fi
finish
