#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Weights and activations of every width in convolutions, depthwise convolutions and products
# (tests/unit/widths.h): executables of all targets give the bits of the interpreter. Short: 51 cases, every
# element of activations with every kind once; long: all 816. Then the operator tests of ONNX with elements of
# fewer than 8 bits, compiled.
. tests/e2e/lib.sh

# widths FIRST COUNT: one executable per target.
widths() {
	try_run "making cases from $1 on" "$BUILD/kernels_net" "$work" "$1" "$2" || return
	try_run "the interpreter from $1 on" "$ADZE" run "$work/net.adz" "$work/x.npy" --interpret -o "$work/wanted.npy" || return
	for name in $target_names; do
		pick "$name" || continue
		rm -f "$work/got.npy"
		# shellcheck disable=SC2086
		try_run "cases from $1 on for $name" "$ADZE" compile "$work/net.adz" $target_options -o "$work/net" || continue
		# shellcheck disable=SC2086
		try_run "cases from $1 on on $name" timeout 600 $runner "$work/net" "$work/x.npy" -o "$work/got.npy" || continue
		same "cases from $1 on on $name" "$work/got.npy" "$work/wanted.npy"
	done
}

# One folder of an operator test: the code against the interpreter, which tests/operators compares.
node() {
	local inputs=()
	for input in "$1"/test_data_set_0/input_*.pb; do
		[ -f "$input" ] && inputs+=("$input")
	done
	try_run "$(basename "$1") interpreted" "$ADZE" run "$1/model.onnx" "${inputs[@]}" --interpret -o "$work/wanted.npy" || return
	try_run "$(basename "$1") compiled" "$ADZE" run "$1/model.onnx" "${inputs[@]}" -o "$work/got.npy" || return
	same "$(basename "$1")" "$work/got.npy" "$work/wanted.npy"
}

if [ -n "${AZ_LONG:-}" ]; then
	for first in 0 5102 153 204 255 306 357 408 459 510 561 612 663 714 765; do
		widths $first 51
	done
else
	widths 0 51
fi

archive=../shared/data/onnx-node-tests/onnx-node-tests.tar.gz
if [ -f $archive ]; then
	mkdir "$work/set" && tar xzf $archive -C "$work/set"
	for model in "$work"/set/node/test_*[Ii][Nn][Tt][24]*/model.onnx "$work"/set/node/test_*quantizelinear*/model.onnx; do
		[ -f "$model" ] && node "$(dirname "$model")"
	done
fi
finish
