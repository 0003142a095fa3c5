#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# --io=quantized and --io-layout=nhwc: the same numbers, without what stood between them and the caller.
. tests/e2e/lib.sh
[ "$(uname -m)" = x86_64 ] || { echo "runs executables for x86-64"; exit 77; }
cat >"$work/net.adz" <<'ADZ'
adze 1 module "net" stage folded

const @sx : f32[] = [2]
const @zx : u8[] = [7]
const @sy : f32[] = [0.5]
const @zy : u8[] = [3]
const @w : i8[2,1,1,3] = [1, -2, 3, 2, 1, -1]
const @b : i32[2] = [5, 40]
const @s : f32[] = [0.5]

func @main(%x: f32[1,3,6,5]) -> ("y": f32[1,2,6,5]) {
  %1 = quantize %x, @sx, @zx : u8[1,3,6,5] {2:7}
  %2 = transpose %1, perm = [0, 2, 3, 1] : u8[1,6,5,3] {2:7}
  %3 = conv %2, @w, @b, zero = [7, 0] : i32[1,6,5,2]
  %4 = requantize %3, @s, zero = 3 : u8[1,6,5,2] {0.5:3}
  %5 = dequantize %4, @sy, @zy : f32[1,6,5,2]
  %y = transpose %5, perm = [0, 3, 1, 2] : f32[1,2,6,5]
  return %y
}
ADZ
{
	printf 'P6\n5 6\n255\n'
	for i in $(seq 0 89); do
		printf "\\$(printf %o $((i * 37 % 200)))"
	done
} >"$work/x.ppm"
try_run "plain" "$ADZE" compile "$work/net.adz" -o "$work/plain" || finish
try_run "plain runs" "$work/plain" "$work/x.ppm" -o "$work/plain.npy" || finish

# real = 0.5 (stored - 3), [2,6,5] to [6,5,2]
npy_numbers "$work/plain.npy" f4 | awk '{ v[NR - 1] = $1 * 2 + 3 }
	END { for (p = 0; p < 30; p++) for (c = 0; c < 2; c++) print v[c * 30 + p] }' >"$work/wanted"
[ "$(sort -u "$work/wanted" | wc -l)" -gt 5 ] || fail "the test's network says too little"

try_run "exposed" "$ADZE" compile "$work/net.adz" --io=quantized --io-layout=nhwc -o "$work/bare" || finish
try_run "exposed runs" "$work/bare" "$work/x.ppm" -o "$work/bare.npy" || finish
npy_numbers "$work/bare.npy" u1 | tr -d ' ' >"$work/got"
same "stored, channels last" "$work/got" "$work/wanted"
"$work/bare" --info >"$work/info"
grep -q 'u8\[1,6,5,3\]' "$work/info" || fail "--info of the executable: $(head -n 5 "$work/info")"

try_run "object" "$ADZE" compile "$work/net.adz" --io=quantized --emit=obj --name=net -o "$work/net.o"
grep -q '"x"  u8\[1,3,6,5\] (uint8_t), 90 bytes, real = 2 \* (stored - 7)' "$work/net.h" || fail "input in the header"
grep -q '"y"  u8\[1,2,6,5\] (uint8_t), 60 bytes, real = 0.5 \* (stored - 3)' "$work/net.h" || fail "output in the header"

# One at a time; integers are stored numbers as they stand.
try_run "layout" "$ADZE" compile "$work/net.adz" --io-layout=nhwc -o "$work/last" || finish
try_run "layout runs" "$work/last" "$work/x.ppm" -o "$work/last.npy" || finish
npy_numbers "$work/last.npy" f4 | awk '{ print $1 * 2 + 3 }' >"$work/got"
same "channels last" "$work/got" "$work/wanted"
sed -e '/dequantize\|%y = /d' -e 's/-> ("y": f32\[1,2,6,5\])/-> ("y": u8[1,6,5,2])/' \
	-e 's/return %y/return %4/' "$work/net.adz" >"$work/half.adz"
try_run "half" "$ADZE" compile "$work/half.adz" --io=quantized --io-layout=nhwc -o "$work/half" || finish
try_run "half runs" "$work/half" "$work/x.ppm" -o "$work/half.npy" || finish
same "integer result" "$work/half.npy" "$work/bare.npy"

# Refusals.
refuses() {
	local pattern=$1
	shift
	"$ADZE" "$@" >/dev/null 2>"$work/said" && fail "adze $*: not refused"
	grep -q -e "$pattern" "$work/said" || fail "adze $*: $(head -n 2 "$work/said")"
}
refuses "wants real or quantized, found 'float'" compile "$work/net.adz" --io=float -o "$work/out"
refuses "wants nhwc, found 'nchw'" compile "$work/net.adz" --io-layout=nchw -o "$work/out"
refuses "this one is float" compile $example/digits.onnx --float --io=quantized -o "$work/out"
try_run "placed" "$ADZE" compile "$work/net.adz" --emit=adz -o "$work/placed.adz"
refuses "kernels are not chosen yet; this one is placed" compile "$work/placed.adz" --io=quantized -o "$work/out"
"$ADZE" compile $example/digits.onnx --calib=$example/calibration.npy --io=quantized -o "$work/out" >/dev/null 2>"$work/said"
grep -q 'note: output "probabilities" stays f32' "$work/said" || fail "no note about the output: $(cat "$work/said")"
finish
