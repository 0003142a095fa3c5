#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What adze fit refuses, and how it says so: fit.text has the exit status and the messages of every case, with N
# for bytes and numbers of two digits and more, which depend on the compiler.
set -u
ADZE=$(realpath "$ADZE")
cd "$(dirname "$0")" || exit 1
example=../../examples/digits
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

npy() { # npy FILE SHAPE TYPE BYTES: an array of zeros
	local header="{'descr': '$3', 'fortran_order': False, 'shape': $2, }"
	printf '\223NUMPY\001\000\166\000%-117s\n' "$header" >"$1"
	head -c "$4" /dev/zero >>"$1"
}
npy "$made/shape.npy" "(4, 3, 10, 10)" "<f4" 4800
npy "$made/few.npy" "(3,)" "|u1" 3
npy "$made/many.npy" "(200,)" "|u1" 200

refuse() {
	echo "fit $*"
	"$ADZE" fit $example/digits.onnx --cpu=x86-64-v3 --target=x86_64-linux -o "$made/net.adz" "$@" 2>&1 >/dev/null |
		sed -E "s|$made/||g; s|$example/||g; s/[0-9]{2,}/N/g; s/ [0-9] of / N of /g"
	echo "exit ${PIPESTATUS[0]}"
	[ ! -e "$made/net.adz" ] || echo "a network was written"
	rm -f "$made/net.adz.journal"
}
data=--calib=$example/calibration.npy
{
	refuse "$data"
	refuse --flash=50%
	refuse "$data" --flash=0
	refuse "$data" --flash=-5K
	refuse "$data" --flash=nan
	refuse "$data" --flash=5Q
	refuse "$data" --flash=0%
	refuse "$data" --flash=150%
	refuse "$data" --flash=10M
	refuse "$data" --ram=1G
	refuse "$data" --macs=1e30
	refuse "$data" --bitops=-1
	refuse --calib="$made/shape.npy" --flash=50%
	refuse "$data" --flash=50% --calib-labels="$made/few.npy"
	refuse "$data" --flash=50% --calib-labels="$made/many.npy" --label-offset=10
	refuse "$data" --flash=50% --label-offset=1
	refuse "$data" --flash=50% --policy=luck
	refuse "$data" --flash=50% --importance=luck
	refuse "$data" --flash=50% --least=5 --most=4
	refuse "$data" --sizes=0.5,none
	refuse "$data" --flash=900
} | sed "s|$made/||g; s|$example/||g" >"$made/said"
diff "$made/said" fit.text || { echo "FAILED fit: the messages are not those of fit.text"; exit 1; }
echo "$(grep -c ^exit fit.text) refusals"
