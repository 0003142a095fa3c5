#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Text is the interface: every stage reads back to its own bytes, and compiling goes on from any of them to
# the object that the ONNX file gives. Two compilations give the same bytes in every form.
# Takes long: begins with the first.
. tests/e2e/lib.sh

# stages NAME MODEL OPTIONS...: all of this for one network.
stages() {
	local name=$1 model=$2 folder=$work/$1.stages count=0
	shift 2
	try_run "$name: compile" "$ADZE" compile "$model" "$@" --emit=obj --name=net -o "$work/whole.o" --verify-each \
		--print-after=all --print-folder="$folder" || return
	try_run "$name: compile again" "$ADZE" compile "$model" "$@" --emit=obj --name=net -o "$work/again.o"
	same "$name: two compilations" "$work/whole.o" "$work/again.o"
	same "$name: two headers" "$work/whole.h" "$work/again.h"
	for stage in "$folder"/*.adz; do # the constants are in one folder, shared
		count=$((count + 1))
		"$ADZE" opt "$stage" --blobs="$folder/blobs" >"$work/back.adz" 2>"$work/said" ||
			{ fail "$name: reading $(basename "$stage"): $(tail -n 3 "$work/said")"; continue; }
		same "$name: round trip" "$stage" "$work/back.adz"
		try_run "$name: compile from $(basename "$stage")" "$ADZE" compile "$stage" --blobs="$folder/blobs" "$@" \
			--emit=obj --name=net -o "$work/from.o" || continue
		same "$name: $(basename "$stage")" "$work/whole.o" "$work/from.o"
	done
	[ $count -ge 5 ] || fail "$name: $count stages only"
	rm -rf "$folder"
}

calib=$example/calibration.npy
stages float $example/digits.onnx --float
stages int8 $example/digits.onnx --calib=$calib
stages cross $example/digits.onnx --calib=$calib --target=riscv64-linux --attr=+v

# The interpreter finds the same before and after every pass.
try_run "--check-each, float" "$ADZE" compile $example/digits.onnx --float --check-each -o "$work/checked"
try_run "--check-each, 8 bits" "$ADZE" compile $example/digits.onnx --calib=$calib --check-each -o "$work/checked"

for form in exe obj asm llvm so adz; do
	try_run "emit $form" "$ADZE" compile $example/digits.onnx --calib=$calib --emit=$form --name=net -o "$work/one" &&
		try_run "emit $form" "$ADZE" compile $example/digits.onnx --calib=$calib --emit=$form --name=net -o "$work/two" &&
		same "--emit=$form twice" "$work/one" "$work/two"
done

# The real networks, when they are there.
models=../shared/data/models
if [ -d $models ]; then
	networks="resnet8_cifar10_f32 dscnn_kws_f32 ultraface_rfb_320_f32"
	[ -z "${AZ_LONG:-}" ] || networks=$(cd $models && ls -d ./*_f32 ./light_* |
		grep -vE 'bilstm|lstm|transformer')
	for network in $networks; do
		model=$(echo $models/$network/model.onnx*)
		stages "$(basename $network)" "$model" --float
	done
	stages resnet8_int8 $models/resnet8_cifar10_f32/model.onnx --calib-limit=20 --input-layout=nhwc \
		--calib=../shared/data/cifar10/train2000_images.npy.xz
	if [ -n "${AZ_LONG:-}" ]; then
		stages mobilenet_int8 $models/mobilenetv1_025_128_f32/model.onnx* --calib-limit=5 --resize=128x128 \
			--calib=../shared/data/imagenet/images.tar --input-scale=0.007843137255 --input-mean=1
		for network in resnet8_cifar10_qdq dscnn_kws_qdq autoencoder_ad_qdq mobilenetv1_vww_qdq; do
			stages $network $models/$network/model.onnx*
		done
	fi
else
	echo "skipped the networks of the data pack: no ../shared/data"
fi
finish
