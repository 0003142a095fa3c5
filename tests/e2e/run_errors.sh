#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Wrong usage, wrong files, full disks: a message that says what and where, the exit code of the contract
# (0 done, 1 the input was refused, 2 wrong usage), no partial output, no half-written file left behind.
. tests/e2e/lib.sh
ADZE=$(realpath "$ADZE")
example=$(realpath $example)
model=$example/digits.onnx
sample=$example/samples/3.pgm
"$CC" -std=c11 tests/e2e/make_onnx.c -o "$work/make_onnx" || { fail "cannot build make_onnx"; finish; }
cd "$work" || exit 1
checks=0

# wants CODE PATTERN ARGUMENTS...: `adze ARGUMENTS` ends with CODE and says PATTERN on stderr; nothing made.
wants() {
	local code=$1 pattern=$2 got
	shift 2
	checks=$((checks + 1))
	"$ADZE" "$@" >said.out 2>said.err
	got=$?
	[ $got -eq "$code" ] || fail "adze $*: exit code $got, wanted $code: $(head -n 3 said.err)"
	grep -qE -e "$pattern" said.err || fail "adze $*: no '$pattern' in: $(head -n 3 said.err)"
	[ ! -e out ] || fail "adze $*: left a file"
	rm -rf out .adze-* out.*
}

left_over() { # nothing beside what the test itself has put there
	local extra
	extra=$(find . -name '.adze-*' -o -name '*.tmp' | head -n 3)
	[ -z "$extra" ] || fail "$1: left $extra"
}

# --- Usage --------------------------------------------------------------------------------------------

wants 2 'usage: adze VERB'
wants 2 "unknown verb 'compyle'; did you mean 'compile'" compyle $model
wants 2 "unknown option '--taget'; did you mean '--target'" compile $model --taget=x86_64-linux -o out
wants 2 'no model given' compile
wants 2 'more files' compile $model $model -o out
wants 2 "wants a number, found 'many'" run $model $sample --bench many
wants 2 'wants --data' eval $model
wants 2 'exclude each other' opt $model --road -p dead-code
wants 2 "wants exe, obj, asm, llvm, so or adz, found 'elf'" compile $model --emit=elf -o out
wants 1 "arm32-linux" compile $model --target=arm32-linux -o out
wants 1 "arch64-linux.*aarch64-linux" compile $model --target=arch64-linux -o out
wants 1 "znver99" compile $model --cpu=znver99 -o out
wants 1 "avx513" compile $model --attr=+avx513 -o out
wants 1 "dead-cod.*dead-code" opt $model -p dead-cod
wants 1 "aling" opt $model -p 'plan-memory{aling=64}'
wants 1 'exclude each other' compile $model --float --calib=$example/calibration.npy -o out
wants 1 "wants NAME=N" compile $model --dim batch -o out
wants 1 "wants NAME=N" compile $model --dim batch=-1 -o out
wants 1 "wants K or K\+I" eval $model --data=$example/test_images.npy --every=0
wants 1 "wants WIDTHxHEIGHT, found '8'" run $model $sample --resize=8
wants 1 "wants nchw or nhwc, found 'chwn'" run $model $sample --input-layout=chwn
wants 1 "wants positive numbers, found 0" run $model $sample --input-std=0
wants 2 'for native code' run $model $sample --interpret --profile
for verb in compile opt run verify eval info targets ops passes; do
	"$ADZE" $verb --help >help 2>&1 || fail "adze $verb --help: exit code $?"
	grep -q '^example: adze' help || fail "adze $verb --help shows no example"
done

# --- Files that are missing or are something else ------------------------------------------------------------

wants 1 'nowhere.onnx' compile nowhere.onnx -o out
wants 1 '.' compile . -o out
wants 1 'nowhere.npy' run $model nowhere.npy
wants 1 'nowhere.npy' compile $model --calib=nowhere.npy -o out
wants 1 'nowhere' verify $model nowhere
wants 1 'nowhere' eval $model --data=nowhere.npy
wants 1 'nowhere' compile $model --float -o nowhere/out
: >empty
wants 1 'empty' compile empty -o out
wants 1 'empty' run $model empty
echo 'This is no network.' >text.onnx
wants 1 'text.onnx' compile text.onnx -o out
wants 1 '.' run $model text.onnx
wants 1 '.' run $model # an input is missing
wants 1 '.' run $model $sample $sample
wants 1 '.' run $model label=$sample
"$ADZE" compile $model --calib=$example/calibration.npy --emit=adz -o quantized.adz >/dev/null 2>&1 || fail "--emit=adz"
wants 1 'quantized; --float is for float networks' compile quantized.adz --float -o out
rm -rf quantized.adz*

# Arrays of the wrong shape and type, written by hand: npy NAME DESCR SHAPE BYTES.
npy() {
	local header="{'descr': '$2', 'fortran_order': False, 'shape': $3, }"
	printf '\223NUMPY\1\0\166\0%-117s\n' "$header" >"$1"
	head -c "$4" /dev/zero >>"$1"
}
npy good.npy '<f4' '(1, 1, 8, 8)' 256
"$ADZE" run $model good.npy >/dev/null || fail "an array written by hand is not read"
npy few.npy '|u1' '(10,)' 10
wants 1 'few.npy.*10.*360' eval $model --data=$example/test_images.npy --labels=few.npy
wants 1 'good.npy.*integer' eval $model --data=$example/test_images.npy --labels=good.npy
npy wide.npy '<f4' '(1, 1, 8, 9)' 288
wants 1 'wide.npy|8, ?9' run $model wide.npy
npy flat.npy '<f4' '(3,)' 12
wants 1 'flat.npy|\[3\]' run $model flat.npy
npy short.npy '<f4' '(1, 1, 8, 8)' 255
wants 1 'short.npy' run $model short.npy
npy huge.npy '<f4' '(99999999999, 99999999999, 8, 8)' 256
wants 1 'huge.npy' run $model huge.npy
npy complex.npy '<c8' '(1, 1, 8, 8)' 512
wants 1 "complex.npy.*type" run $model complex.npy
npy object.npy '|O' '(1, 1, 8, 8)' 512
wants 1 'object.npy' run $model object.npy
printf 'P5\n99999 99999\n255\nabc' >huge.pgm
wants 1 'huge.pgm' run $model huge.pgm
printf '\211PNG\r\n\32\n' >broken.png
wants 1 'broken.png' run $model broken.png

# --- ONNX files ----------------------------------------------------------------------------------------------

onnx() { # onnx CODE PATTERN KIND [ARGUMENT]
	./make_onnx "$3" "${4:-}" >made.onnx || fail "make_onnx $3"
	wants "$1" "$2" compile made.onnx --float -o out
}
./make_onnx good >made.onnx
"$ADZE" compile made.onnx --float -o fine >/dev/null 2>&1 || fail "the valid network is refused"
onnx 1 'the node.*Convv.*opset 13.*nearest.*Conv' operator Convv
onnx 1 'domain "com.acme"' domain com.acme
onnx 1 '"nowhere"' input nowhere
onnx 1 'output "z"' output z
onnx 1 'twice' twice
onnx 1 'opset' opset 0
onnx 1 'IR version' ir-version 0
onnx 1 'tensor "w".*8 bytes, wanted 12' weight-size 3
onnx 1 'tensor "w".*dimension' weight-size -1
onnx 1 'tensor "w"' weight-size 4000000000000
onnx 1 'tensor "w".*7 bytes' weight-bytes 7
onnx 1 'tensor "w".*string' weight-type 8
onnx 1 'tensor "w".*77' weight-type 77
onnx 1 'the node.*broadcast' input-size 3
onnx 1 'input "x"' input-size 5000000000
printf 12345678 >weights.bin
onnx 1 '"../weights.bin" leaves' location ../weights.bin
onnx 1 'leaves' location sub/../../weights.bin
onnx 1 '"/etc/passwd" leaves' location /etc/passwd
onnx 1 'missing.bin' location missing.bin
ln -sf /etc/passwd link.bin
onnx 1 'link.bin' location link.bin
onnx 1 'wanted 8' offset 4
onnx 1 'offset "-4"' offset -4
for depth in 100 5000 100000; do
	onnx 1 'made.onnx' nested $depth
done

# Truncated anywhere, and with bits flipped: refused or compiled, never anything else.
size=$(stat -c %s $model)
parts=24
[ -z "${AZ_LONG:-}" ] || parts=1000
step=$((size / parts))
for ((n = 1; n < size; n += step)); do
	head -c $n $model >cut.onnx
	checks=$((checks + 1))
	"$ADZE" opt cut.onnx >said.out 2>said.err
	code=$?
	[ $code -eq 1 ] && grep -q 'error: ' said.err && [ ! -s said.out ] ||
		fail "cut after $n bytes: exit code $code, $(head -n 1 said.err)"
done
step=$((size / parts / 2))
for ((n = 3; n < size; n += step)); do
	cp $model flipped.onnx
	byte=$(od -An -tu1 -j $n -N 1 flipped.onnx)
	# shellcheck disable=SC2059
	printf "$(printf '\\%03o' $((byte ^ (1 << n % 8))))" | dd of=flipped.onnx bs=1 seek=$n conv=notrunc status=none
	checks=$((checks + 1))
	"$ADZE" opt flipped.onnx -p infer-shapes,fold-constants,canonicalize >said.out 2>said.err
	code=$?
	[ $code -eq 0 ] || { [ $code -eq 1 ] && grep -q 'error: ' said.err; } ||
		fail "bit flipped in byte $n: exit code $code, $(head -n 1 said.err)"
done

# IR text: the constants' folder is checked by content.
"$ADZE" compile $model --float --emit=adz -o net.adz >/dev/null 2>&1 || fail "--emit=adz"
blob=$(find net.adz.blobs -type f | sort | head -n 1)
printf X | dd of="$blob" bs=1 seek=5 conv=notrunc status=none
wants 1 'blob|content|sha|SHA' compile net.adz -o out
rm "$blob"
wants 1 "$(basename "$blob" | head -c 8)" compile net.adz -o out
rm -rf net.adz net.adz.blobs

# --- Full disks ----------------------------------------------------------------------------------------------

if [ -c /dev/full ]; then
	for form in exe obj asm llvm; do
		"$ADZE" compile $model --float --emit=$form -o /dev/full >/dev/null 2>said.err
		[ $? -eq 1 ] && grep -q full said.err || fail "--emit=$form to /dev/full: $(cat said.err)"
	done
	for verb in targets ops passes "info $model" "opt $model" "run $model $sample" "run $model $sample --json"; do
		# shellcheck disable=SC2086
		"$ADZE" $verb >/dev/full 2>said.err
		[ $? -eq 1 ] || fail "adze $verb to a full disk: exit code is not 1"
	done
	"$ADZE" run $model $sample -o /dev/full 2>said.err >/dev/null
	[ $? -eq 1 ] || fail "run -o /dev/full: exit code is not 1"
	[ -c /dev/full ] || fail "/dev/full is no device any more"
fi
mkdir small
if mount -t tmpfs -o size=16k none small 2>/dev/null; then
	trap 'umount "$work/small"; rm -rf "$work"' EXIT
	for form in exe obj adz; do
		"$ADZE" compile $model --float --emit=$form -o small/net >/dev/null 2>said.err
		[ $? -eq 1 ] || fail "--emit=$form to a full file system: exit code is not 1"
		[ "$form" = adz ] || [ -z "$(ls -A small)" ] || fail "--emit=$form to a full file system left $(ls -A small)"
		[ ! -e small/net ] || fail "--emit=$form to a full file system left half a file"
		rm -rf small/* small/.[!.]*
	done
else
	echo "skipped the small file system: no right to mount one"
fi
left_over "the whole test"
echo "$checks checks"
finish
