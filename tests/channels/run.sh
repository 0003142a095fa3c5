#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Channel groups: the networks of this folder, and the float networks of the data pack when it is there, are
# narrowed and widened at random; see channels.c. AZ_LONG adds those that take the interpreter minutes.
set -u
cd "$(dirname "$0")/../.."
adze=${ADZE:?the adze to test}
proof=${BUILD:?the build folder}/channels_proof
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
data=${AZ_DATA:-../shared/data}/models
canonical=infer-shapes,fold-constants,canonicalize,decompose,fold-batchnorm,fuse-activation,sink-transposes
failed=0

prove() { # prove NAME MODEL [seeds]
	local seed
	"$adze" opt -p "$canonical" "$2" -o "$work/net.adz" || { failed=1; return; }
	for seed in ${3:-1}; do
		if result=$("$proof" "$work/net.adz" "$seed" 2>&1); then
			echo "$1, seed $seed: $result"
		else
			echo "FAILED $1, seed $seed: $result"
			failed=1
		fi
	done
}

for net in tests/channels/*.adz; do
	prove "$net" "$net" "1 2 3 4 5 6 7 8"
done
if [ ! -d "$data" ]; then
	echo "skipped the networks of the data pack, which is not here"
	exit $failed
fi
for net in resnet8_cifar10_f32 resnet20_cifar10_f32 dscnn_kws_f32 autoencoder_ad_f32 \
	mobilenetv1_025_128_f32 mobilenetv2_035_128_f32 mobilenetv1_vww_f32 yamnet256_64x96_f32 \
	ultraface_rfb_320_f32 superres_x3_224_f32 kwt1_transformer_f32 mcunet_vww_qdq \
	resnet8_cifar10_qdq dscnn_kws_qdq light_squeezenet light_inception_v1 light_densenet121; do
	prove "$net" "$data/$net/model.onnx"
done
[ -n "${AZ_LONG:-}" ] || exit $failed
for net in resnet56_cifar10_f32 mobilenetv1_025_128_qdq light_resnet50 light_bvlc_alexnet; do
	prove "$net" "$data/$net/model.onnx"
done
exit $failed
