# SPDX-License-Identifier: Apache-2.0
#
# What the end-to-end tests share: a folder that goes away, reading .npy files with od and awk, and the
# targets with the way to run each of them here. Sourced with the source folder as the current one.
# shellcheck shell=bash disable=SC2034
set -u
example=examples/digits
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
# Addresses of the host's libraries must not come to an emulated processor.
unset LD_PRELOAD LD_LIBRARY_PATH

fail() {
	echo "FAIL: $*"
	failures=$((failures + 1))
}

finish() {
	[ $failures -eq 0 ] || echo "$failures failures"
	[ $failures -eq 0 ]
	exit
}

# try_run WHAT COMMAND...: runs it quietly; what it said is shown when it fails.
try_run() {
	local what=$1
	shift
	"$@" >"$work/said" 2>&1 && return 0
	fail "$what (exit $?): $*"
	tail -n 5 "$work/said"
	return 1
}

same() { # same WHAT FILE FILE: equal bytes
	cmp -s "$2" "$3" || fail "$1: $(basename "$2") and $(basename "$3") differ"
}

npy_offset() { # where the data of a .npy of version 1 begin
	echo $((10 + $(od -An -tu2 -j8 -N2 "$1")))
}

npy_numbers() { # npy_numbers FILE TYPE(f4 or u1): one number a line
	local kind=fF width=4
	[ "$2" = u1 ] && kind=u1 width=1
	od -An -v -t $kind -w$width -j "$(npy_offset "$1")" "$1"
}

# npy_close WHAT GOT WANTED: |got - wanted| <= 5e-4 of the largest wanted, for each of f32 numbers.
npy_close() {
	paste <(npy_numbers "$2" f4) <(npy_numbers "$3" f4) | awk '
		NF != 2 || $1 != $1 + 0 { exit bad = 1 }
		{ d = $1 > $2 ? $1 - $2 : $2 - $1; a = $2 < 0 ? -$2 : $2
		  if (d > worst) worst = d; if (a > largest) largest = a }
		END { exit bad || !NR || worst > 5e-4 * largest }' || fail "$1: not within 5e-4"
}

# npy_right FILE CLASSES LABELS: how many rows of f32 numbers have their largest at the label.
npy_right() {
	npy_numbers "$1" f4 | awk -v n="$2" '
		{ k = (NR - 1) % n; if (!k || $1 > best) { best = $1; at = k } if (k == n - 1) print at }' |
		paste - <(npy_numbers "$3" u1) | awk '$1 == $2 { right++ } END { print right + 0 }'
}

# NAME | options of adze | CPU flags needed (of /proc/cpuinfo) | emulator: how a target is made and run.
targets='
x86-64          | --target=x86_64-linux --cpu=x86-64                             |                        |
x86-64-v3       | --target=x86_64-linux --cpu=x86-64-v3                          | avx2 fma               |
x86-64-avxvnni  | --target=x86_64-linux --cpu=x86-64-v3 --attr=+avxvnni          | avx_vnni               |
x86-64-v4       | --target=x86_64-linux --cpu=x86-64-v4                          | avx512bw avx512vl      |
x86-64-vnni     | --target=x86_64-linux --cpu=x86-64-v4 --attr=+avx512vnni       | avx512_vnni avx512vl   |
native          | --cpu=native                                                   |                        |
aarch64         | --target=aarch64-linux                                         | | qemu-aarch64 -cpu max
aarch64-dotprod | --target=aarch64-linux --attr=+dotprod                         | | qemu-aarch64 -cpu max
aarch64-i8mm    | --target=aarch64-linux --attr=+dotprod,+i8mm                   | | qemu-aarch64 -cpu max
armv7a          | --target=armv7a-linux-gnueabihf                                | | qemu-arm -cpu max
riscv64gc       | --target=riscv64-linux                                         | | qemu-riscv64 -cpu rv64
riscv64gcv-128  | --target=riscv64-linux --attr=+v                               | | qemu-riscv64 -cpu rv64,v=true,vlen=128
riscv64gcv-256  | --target=riscv64-linux --attr=+v                               | | qemu-riscv64 -cpu rv64,v=true,vlen=256
'
target_names=$(echo "$targets" | awk '{ print $1 }')

# pick NAME: sets target_options, runner; false (and says why) when it cannot run here.
pick() {
	local line flags flag
	line=$(echo "$targets" | awk -v name="$1" '$1 == name')
	target_options=$(echo "$line" | cut -d'|' -f2)
	flags=$(echo "$line" | cut -d'|' -f3)
	runner=$(echo "$line" | cut -d'|' -f4)
	if [ -z "${runner// /}" ]; then
		case $1 in x86*) [ "$(uname -m)" = x86_64 ] || { echo "skipped $1: not an x86-64 machine"; return 1; } ;; esac
		for flag in $flags; do
			grep -qw "$flag" /proc/cpuinfo || { echo "skipped $1: this processor has no $flag"; return 1; }
		done
	elif ! command -v "$(echo $runner | cut -d' ' -f1)" >/dev/null; then
		echo "skipped $1: no $(echo $runner | cut -d' ' -f1)"
		return 1
	fi
}

# --- What adze fit chose ---

chosen() { # chosen JSON KEY: of the network that was chosen
	sed -n '/^  "chosen":{/,$s/^    "'"$2"'":\([-0-9.e+truefals]*\),*$/\1/p' "$1" | head -n 1
}

chosen_bits() { # chosen_bits JSON bits|activation_bits: a line "name bits" for each
	sed -n '/^  "chosen":{/,$p' "$1" | sed -n '/^    "'"$2"'":{/,/^    }/s/^      "\(.*\)":\([0-9]*\),*$/\1 \2/p'
}

# narrow MODEL RATIO OUT: as fit does it; ${data[@]} are the options of its samples
narrow() {
	local road=infer-shapes,fold-constants,canonicalize,decompose,fold-batchnorm,fuse-activation,sink-transposes
	"$ADZE" opt "$1" "${data[@]}" -o "$3" --passes="$road,rescale-widths{ratio=$2,multiple=8,importance=activation}" 2>"$work/said"
}

wider_than() { # wider_than RATIO: steps of channels up to all of them
	awk -v r="$1" 'BEGIN { for (i = 1; i <= 64 && r + i / 64 < 1; i++) print r + i / 64; print "1.0" }'
}

# pack_budgets flash|ram PERCENT...: used_well, which the test defines, for networks of the data pack; of so few samples
# fit keeps none apart, and what it makes can be made again
pack_budgets() {
	local what=$1 pack=${AZ_DATA:-../shared/data} percents=("${@:2}") cifar
	cifar=$pack/cifar10/train2000_images.npy.xz
	budgets_of resnet8_cifar10_f32 --calib="$cifar" --calib-limit=7 --input-layout=nhwc
	budgets_of resnet20_cifar10_f32 --calib="$cifar" --calib-limit=7 --input-layout=nhwc --input-scale=0.003921568627 \
		--input-mean=0.485,0.456,0.406 --input-std=0.229,0.224,0.225
	budgets_of dscnn_kws_f32 --calib="$pack/kws01/features.npy" --calib-every=10 --calib-limit=7 --input-scale=0.5847029 --input-mean=48.5303407
	budgets_of mobilenetv1_025_128_f32 --calib="$pack/imagenet/images.tar" --calib-every=7 --calib-limit=7 --input-scale=0.007843137255 \
		--input-mean=1 --resize=128x128
	budgets_of autoencoder_ad_f32 --calib=build/bench/ad01.npy --calib-limit=7 # bench/prepare.py makes it
}

budgets_of() { # budgets_of FOLDER OPTIONS...: one of them
	local model=$pack/models/$1/model.onnx percent
	[ -e "$model" ] || model=$model.xz
	data=("${@:2}")
	if [ ! -e "$model" ] || [ ! -e "${2#--calib=}" ]; then
		echo "skipped $1: no $model or no ${2#--calib=}"
		return
	fi
	for percent in "${percents[@]}"; do
		used_well "$1 $percent %" "$model" "--$what=$percent%"
	done
}
