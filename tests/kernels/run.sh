#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Weights and activations of every width in convolutions, depthwise convolutions and products
# (tests/unit/widths.h): executables of all targets give the bits of the interpreter, one for each target and
# operation (some with compact kernels as well), and their packed weights are as small as they must be. Short:
# the sample; AZ_LONG: all cases. Then inputs and outputs of fewer than 8 bits, and the operator tests of ONNX with
# such elements, compiled.
#
#   CASE=123 TARGETS="armv7a native" tests/kernels/run.sh     one case, some targets
# Takes long: begins with the first.
. tests/e2e/lib.sh
list=sample
[ -z "${AZ_LONG:-}" ] || list=all

# prepare CASES: the network, its input and what the interpreter makes of it.
prepare() {
	mkdir "$work/$1"
	try_run "making $1" "$BUILD/kernels_net" make "$work/$1" "$1" || return
	cp "$work/said" "$work/$1/allowed"
	try_run "interpreting $1" "$ADZE" run "$work/$1/net.adz" "$work/$1/x.npy" --interpret -o "$work/$1/wanted.npy"
}

# agree CASES NAME EXECUTABLE: it runs on the target and gives what the interpreter gave.
agree() {
	local start=$SECONDS number
	pick "$2" || return
	# shellcheck disable=SC2086
	try_run "$1 on $2" timeout 1200 $runner "$3" "$folder/x.npy" -o "$work/got.npy" || return
	if cmp -s "$work/got.npy" "$folder/wanted.npy"; then
		echo "agree $2 $count ($1, $((SECONDS - start)) s)"
		return
	fi
	"$BUILD/kernels_net" differ "$1" "$work/got.npy" "$folder/wanted.npy" >"$work/said" 2>&1
	fail "$1 on $2: $(cat "$work/said")"
	number=$(sed -n 3p "$work/said")
	echo "again: CASE=$number TARGETS=$2 ADZE=$ADZE BUILD=$BUILD bash tests/kernels/run.sh"
}

# proof CASES NAMES [OPTIONS]: the executable for targets that have the same options, on each of them.
proof() {
	local folder=$work/$1 start=$SECONDS count name
	count=$(wc -l <"$folder/allowed")
	work=$(mktemp -d -p "$folder")
	pick "${2%% *}" || return
	# shellcheck disable=SC2086
	try_run "$1 for $2" "$ADZE" compile "$folder/net.adz" $target_options ${3:-} --json -o "$work/net" || return
	echo "compiled $1 for $2${3:+ $3}, $((SECONDS - start)) s"
	# Case, bytes allowed, bytes of its layer; equal weights are stored once. Layers may have been put in another
	# order: their names are numbers in the order of the cases.
	awk -F'[",:]+' '$2 == "name" { name = $3 } $2 == "op" { ours = $3 == "conv" || $3 == "matmul" }
		$2 == "weight_bytes" && ours { print name, $3; ours = 0 }' "$work/said" | sort -n | cut -d' ' -f2 |
		paste -d' ' "$folder/allowed" - >"$work/packed"
	awk 'NF != 3 || $3 > $2 { print "case " $1 " takes " $3 " bytes, " $2 " are allowed"; bad = 1 }
		{ sum += $3 } END { exit bad || !sum }' "$work/packed" >"$work/over" ||
		fail "packed weights of $1 for $2${3:+ $3}: $(head -n 3 "$work/over")"
	for name in $2; do
		agree "$1" "$name" "$work/net"
	done
	rm -rf "$work"
}

# Targets that can run here, a line for all that have the same options.
families() {
	local name
	for name in ${TARGETS:-$target_names}; do
		pick "$name" >&2 && echo "$target_options|$name"
	done | awk -F'|' '{ gsub(/ +/, " ", $1); if (!($1 in of)) order[++n] = $1; of[$1] = of[$1] " " $2 }
		END { for (i = 1; i <= n; i++) print substr(of[order[i]], 2) }'
}

# Each operation for each target, as many at a time as there are processors.
proofs() {
	local cases names options number=0 at_once
	at_once=$(nproc)
	families >"$work/families"
	for names in native aarch64 armv7a riscv64gcv-128; do
		grep -qw -- "$names" "$work/families" && echo "$names|--size" >>"$work/families"
	done
	for cases in "$@"; do
		prepare "$cases" || continue
		while IFS='|' read -r names options; do
			while [ "$(jobs -rp | wc -l)" -ge "$at_once" ]; do wait -n; done
			number=$((number + 1))
			proof "$cases" "$names" "$options" </dev/null 2>&1 | tee "$work/log.$number" &
		done <"$work/families"
	done
	wait
	failures=$((failures + $(cat "$work"/log.* | grep -c '^FAIL')))
	cat "$work"/log.* | awk '$1 == "agree" { n[$2] += $3 } END { for (t in n) print t ": " n[t] " cases agree" }' | sort
}

# packed IN OUT: a network whose input and output have elements of fewer than 8 bits, from and to files.
packed() {
	printf '%s\n' 'adze 1 module "packed" stage canonical' 'const @s : f32[1] = [0.5]' \
		"func @main(%x: $1[8192]) -> (\"y\": $2[8192]) {" '  %1 = dequantize %x, @s : f32[8192]' \
		"  %2 = quantize %1, @s : $2[8192]" '  return %2' '}' >"$work/packed.adz"
	try_run "$1 to $2 interpreted" "$ADZE" run "$work/packed.adz" "$work/$list:product/x.npy" --interpret -o "$work/wanted.npy" || return
	for name in native armv7a riscv64gcv-128; do
		pick "$name" || continue
		rm -f "$work/got.npy"
		# shellcheck disable=SC2086
		try_run "$1 to $2 for $name" "$ADZE" compile "$work/packed.adz" $target_options -o "$work/net" || continue
		# shellcheck disable=SC2086
		try_run "$1 to $2 on $name" $runner "$work/net" "$work/$list:product/x.npy" -o "$work/got.npy" || continue
		same "$1 to $2 on $name" "$work/got.npy" "$work/wanted.npy"
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

if [ -n "${CASE:-}" ]; then
	proofs "$CASE"
	finish
fi
proofs $list:convolution $list:depthwise $list:product

packed u4 i4
packed i3 bipolar
packed bipolar u7
packed u1 i5

archive=../shared/data/onnx-node-tests/onnx-node-tests.tar.gz
if [ -f $archive ]; then
	mkdir "$work/set" && tar xzf $archive -C "$work/set"
	for model in "$work"/set/node/test_*[Ii][Nn][Tt][24]*/model.onnx "$work"/set/node/test_*quantizelinear*/model.onnx; do
		[ -f "$model" ] && node "$(dirname "$model")"
	done
fi
finish
