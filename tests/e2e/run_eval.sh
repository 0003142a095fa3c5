#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What eval counts: with and without labels, against another network, layer by layer, and what it refuses.
. tests/e2e/lib.sh
model=$example/digits.onnx
data=$example/test_images.npy
labels=$example/test_labels.npy
calib=(--calib=$example/calibration.npy)

# has WHAT PATTERN: a line of the last command's JSON.
has() {
	grep -qE "\"$2" "$work/json" || fail "$1: no $2 in: $(head -n 14 "$work/json")"
}

evaluate() {
	"$ADZE" eval "$@" --json >"$work/json" 2>"$work/said" || fail "eval $*: $(head -n 2 "$work/said")"
}

evaluate $model "${calib[@]}" --data=$data --labels=$labels --against=$model --layers=3
has "all" 'samples":360'
has "all" 'labelled":360'
has "all" 'top1_percent":9[0-9]\.'
has "all" 'top5_percent":(9[0-9]\.|100)'
has "all" 'against_top1_percent":9[0-9]'
has "all" 'against_top5_percent":(9[0-9]|100)'
has "all" 'agreement_percent":(9[0-9]|100)'
has "all" 'mean_squared_difference":[0-9]'
has "all" 'max_difference":[0-9]'
has "all" 'sqnr_db":[0-9]'
has "all" 'mean_squared_error":null'
has "layers" 'layers":'
has "layers" 'name":"probabilities"'

# Without labels: only what needs none.
evaluate $model "${calib[@]}" --data=$data --against=$model
has "no labels" 'labelled":0'
has "no labels" 'top1_percent":null'
has "no labels" 'top5_percent":null'
has "no labels" 'agreement_percent":'
has "no labels" 'sqnr_db":[0-9]'

# Without a second network: only what needs none. The interpreter counts the same.
evaluate $model --float --data=$data --labels=$labels --limit=40
cp "$work/json" "$work/native"
has "labels only" 'agreement_percent":null'
has "labels only" 'sqnr_db":null'
evaluate $model --float --data=$data --labels=$labels --limit=40 --interpret
same "interpreter" "$work/native" "$work/json"

# A network against itself: no difference at all, and no number that JSON does not have.
evaluate $model --float --data=$data --against=$model --limit=5
has "itself" 'agreement_percent":100'
has "itself" 'mean_squared_difference":0'
has "itself" 'max_difference":0'
has "itself" 'sqnr_db":null'

# Output like the input.
cat >"$work/same.adz" <<'ADZ'
adze 1 module "same" stage canonical

const @k : f32[] = [2]

func @main(%x: f32[1,1,8,8]) -> ("y": f32[1,1,8,8]) {
  %1 = mul %x, @k : f32[1,1,8,8]
  return %1
}
ADZ
sed -e 's/f32\[1,1,8,8\]/f32[1,4]/g' "$work/same.adz" >"$work/four.adz"
evaluate "$work/same.adz" --float --data=$data --limit=2
has "reconstruction" 'mean_squared_error":[1-9]'
has "reconstruction" 'max_error":255'

# refuses CODE PATTERN ARGUMENTS...
refuses() {
	local code=$1 pattern=$2 got
	shift 2
	"$ADZE" eval "$@" >"$work/out" 2>"$work/said"
	got=$?
	[ $got -eq "$code" ] || fail "eval $*: exit code $got, wanted $code"
	grep -qE -e "$pattern" "$work/said" || fail "eval $*: no '$pattern' in: $(head -n 2 "$work/said")"
	[ ! -s "$work/out" ] || fail "eval $*: refused, and printed: $(head -n 2 "$work/out")"
}

refuses 1 'nothing to count.*--labels.*--against' $model --float --data=$data
refuses 1 'sample 0 is of class [0-9]+ .*has 10' $model --float --data=$data --labels=$labels --label-offset=9
refuses 1 'class -[0-9]+ .*has 10' $model --float --data=$data --labels=$labels --label-offset=-10
refuses 1 'holds u8\[360\].*f32\[1,1,8,8\]' $model --float --data=$labels --labels=$labels
refuses 1 'input "image" is f32\[1,1,8,8\], that of --against is f32\[1,4\]' $model --float --data=$data \
	--against="$work/four.adz"
refuses 1 'output .* that of --against is' $model --float --data=$data --against="$work/same.adz"
refuses 2 'label-offset wants --labels' $model --float --data=$data --label-offset=1
refuses 2 'invert .* wants it' $model --float --data=$data --labels=$labels --invert
refuses 2 'layers compares' $model --float --data=$data --labels=$labels --layers=3
refuses 2 'layers wants a positive' $model --float --data=$data --against=$model --layers=0
refuses 2 'limit wants a positive' $model --float --data=$data --labels=$labels --limit=0
refuses 1 'no samples|K or K\+I' $model --float --data=$data --labels=$labels --every=0
finish
