#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Float networks people use reproduce their stored outputs (5e-4 of the largest, same top-1): on this machine
# as plain x86-64, as x86-64-v3 and native; three of different kinds (residual, depthwise with odd kernels and
# strides, fully connected) on every emulated target. Structure-only networks, whose repeated weights test
# little, are compared with the interpreter too. Long: all of them everywhere.
. tests/e2e/lib.sh
models=../shared/data/models
[ -d $models ] || { echo "skipped: no ../shared/data/models"; exit 77; }
networks="resnet8_cifar10_f32 resnet20_cifar10_f32 resnet56_cifar10_f32 dscnn_kws_f32 autoencoder_ad_f32
	mobilenetv1_025_128_f32 mobilenetv1_100_224_f32 mobilenetv1_vww_f32 mobilenetv2_035_128_f32
	ultraface_rfb_320_f32 superres_x3_224_f32 yamnet256_64x96_f32"
emulated="resnet8_cifar10_f32 dscnn_kws_f32 autoencoder_ad_f32"
light=light_squeezenet
if [ -n "${AZ_LONG:-}" ]; then
	emulated=$networks
	light="light_squeezenet light_bvlc_alexnet light_inception_v1 light_densenet121 light_resnet50 light_vgg19"
fi

model_of() {
	echo $models/$1/model.onnx*
}

for network in $networks $light; do
	for cpu in x86-64 x86-64-v3 native; do
		case $cpu in
		native) ;;
		x86-64-v3) pick x86-64-v3 >"$work/why" || { cat "$work/why"; continue; } ;;
		*) [ "$(uname -m)" = x86_64 ] || continue ;;
		esac
		try_run "$network on $cpu" "$ADZE" verify "$(model_of $network)" --float --cpu=$cpu || continue
		grep -E '^(pass|FAIL)' "$work/said" | grep -qv 'top-1 same' && fail "$network on $cpu: $(cat "$work/said")"
	done
done
for network in light_squeezenet yamnet256_64x96_f32 dscnn_kws_f32; do
	try_run "$network against the interpreter" "$ADZE" verify "$(model_of $network)" --float --both
done

# Executables of other processors: their outputs against those of the JIT, which were checked above.
for network in $emulated; do
	model=$(model_of $network)
	inputs=$(ls $models/$network/test_data_set_0/input_*.pb)
	outputs=$(ls $models/$network/test_data_set_0/output_*.pb | wc -l)
	wanted=() got=()
	for ((i = 0; i < outputs; i++)); do
		wanted+=(-o "$work/wanted$i.npy")
		got+=(-o "$work/got$i.npy")
	done
	# shellcheck disable=SC2086
	try_run "$network in the JIT" "$ADZE" run "$model" --float $inputs "${wanted[@]}" || continue
	for name in x86-64 x86-64-v3 aarch64 armv7a riscv64gc riscv64gcv-128; do
		pick $name || continue
		# shellcheck disable=SC2086
		try_run "$network for $name" "$ADZE" compile "$model" --float $target_options -o "$work/net" || continue
		# shellcheck disable=SC2086
		try_run "$network on $name" timeout 600 $runner "$work/net" $inputs "${got[@]}" || continue
		for ((i = 0; i < outputs; i++)); do
			npy_close "$network on $name, output $i" "$work/got$i.npy" "$work/wanted$i.npy"
		done
	done
done
finish
