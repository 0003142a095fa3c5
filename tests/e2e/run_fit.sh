#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# adze fit on the network of the example: every policy, a journal for several budgets, sizes of other widths, going
# on after an interruption, the page. (Budgets: run_fit_budget.sh; refusals: tests/errors/run_fit.sh.)
# Takes long: begins with the first.
. tests/e2e/lib.sh
model=$example/digits.onnx
data=(--calib=$example/calibration.npy)

key() { # key FILE NAME: the first number of that key in JSON
	sed -n "s/^ *\"$2\":\([-0-9.e+]*\).*/\1/p" "$1" | head -n 1
}

# Every policy, and what its network reads back as. (Sizes: run_fit_budget.sh.)
least=--least=7 # fewer objects
[ -z "${AZ_LONG:-}" ] || least=--least=2
for policy in uniform sensitivity hessian orthogonality; do
	out=$work/$policy
	try_run "$policy" "$ADZE" fit $model "${data[@]}" --flash=45% --policy=$policy --round=nearest $least \
		--journal="$work/kept.journal" -o "$out.adz" --json || continue
	mv "$work/said" "$out.json"
	grep -q '"chosen":true' "$out.json" || fail "$policy: nothing chosen"
	[ "$(key "$out.json" flash_bytes)" -gt 0 ] || fail "$policy: no budget in the report"
	try_run "$policy reads back" "$ADZE" opt "$out.adz" -o "$work/back.adz"
done
[ "$(grep -c '"search"' "$work/kept.journal")" = 1 ] || fail "the journal was begun more than once"
measured=$(grep -c '"loss":"sensitivity"' "$work/kept.journal")
try_run "another budget" "$ADZE" fit $model "${data[@]}" --flash=40% --round=nearest $least --journal="$work/kept.journal" -o "$work/again.adz"
[ "$(grep -c '"loss":"sensitivity"' "$work/kept.journal")" = "$measured" ] || fail "another budget measured losses again"
rm -f "$work/again.adz"

# Networks are compared on every fourth sample, and on no other: with labels for the rest alone there is no accuracy.
labels() { # labels FILE OTHERS FOURTH: one byte for each of 200 samples
	printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '|i1', 'fortran_order': False, 'shape': (200,), }" >"$1"
	for _ in {1..50}; do
		printf '%b%b%b%b' "$2" "$2" "$2" "$3"
	done >>"$1"
}
labels "$work/fourth.npy" '\377' '\003'
labels "$work/others.npy" '\003' '\377'
for labelled in fourth others; do
	try_run "labels, $labelled" "$ADZE" fit $model "${data[@]}" --flash=100% --calib-labels="$work/$labelled.npy" -o "$work/labelled.adz" --json &&
		mv "$work/said" "$work/$labelled.json"
done
[ "$(key "$work/fourth.json" compared_samples)" = 50 ] || fail "labels: not every fourth sample is compared"
grep -q '"top1_percent":[0-9]' "$work/fourth.json" || fail "labels: those of the samples kept apart are not counted"
! grep -q '"top1_percent":[0-9]' "$work/others.json" || fail "labels: those of samples that make the network are counted"

# Widening leaves the float network as it is; the sizes of all numbers of bits are told.
try_run "sizes" "$ADZE" fit $model "${data[@]}" --sizes=1.4,2 --json && mv "$work/said" "$work/sizes.json"
[ "$(grep -c '"bits":' "$work/sizes.json")" = 16 ] || fail "sizes: not 8 numbers of bits at two widths"
awk -F'[:,]' '/"float_difference"/ { n++; if (!($2 >= 0 && $2 <= 1e-5)) bad = 1 }
	/"weight_bytes"/ { w[++m] = $2 }
	END { for (i = 2; i <= 8; i++) if (w[i] <= w[i - 1] || w[i + 8] <= w[i] || w[i + 8] <= w[i + 7]) bad = 1
	      exit bad || n != 2 || m != 16 }' "$work/sizes.json" || fail "sizes: $(tr -d '\n ' <"$work/sizes.json")"

# Killed, it goes on where it was and comes to the same network.
data+=(--policy=orthogonality)
try_run "whole" "$ADZE" fit $model "${data[@]}" --flash=50% -o "$work/whole.adz"
timeout -s KILL 1 "$ADZE" fit $model "${data[@]}" --flash=50% -o "$work/again.adz" >"$work/said" 2>&1
for _ in 1 2 3; do
	[ ! -e "$work/again.adz" ] || break
	timeout -s KILL 2 "$ADZE" fit $model "${data[@]}" --flash=50% -o "$work/again.adz" >"$work/said" 2>&1
done
try_run "after interruptions" "$ADZE" fit $model "${data[@]}" --flash=50% -o "$work/again.adz"
same "after interruptions" "$work/again.adz" "$work/whole.adz"

# The page: whole, reads nothing from elsewhere, its numbers are those of --json, whatever things are called.
page_of() { # page_of CODE FILE MODEL OPTIONS...: FILE.html beside FILE.json
	local code=$1 out=$2 got
	shift 2
	"$ADZE" fit "$@" "${data[@]}" --round=nearest -o "$out.adz" --json --report="$out.html" \
		>"$out.json" 2>"$work/said"
	got=$?
	[ $got = "$code" ] || fail "page of fit $*: exit $got, wanted $code: $(cat "$work/said")"
	sed -n '/<script type="application\/json"/,/<\/script>/p' "$out.html" |
		sed 's/^.*id="numbers">//; s/<\/script>$//; s/\\u003c/</g' >"$work/numbers.json"
	same "page of fit $*" "$work/numbers.json" "$out.json"
	[ "$(tail -n 1 "$out.html")" = "</html>" ] || fail "page of fit $*: cut off"
	[ "$(grep -o '</script' "$out.html" | wc -l)" = 2 ] || fail "page of fit $*: not two scripts"
	! grep -nE '(src|href)=|url\(|@import|fetch\(|XMLHttpRequest|innerHTML|@NUMBERS@' "$out.html" ||
		fail "page of fit $*: would read or run something else"
	grep -q "default-src 'none'" "$out.html" || fail "page of fit $*: does not forbid to fetch"
}

drawn() { # drawn FILE DRAWINGS: what a browser makes of FILE.html, where there is one
	local dom
	command -v chromium >/dev/null || return 0
	dom=$(timeout 120 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$work/browser" \
		--enable-logging=stderr --v=0 --window-size=400,2000 --dump-dom "file://$1.html" 2>"$work/said")
	[ -n "$dom" ] || { echo "skipped drawings: chromium does not run here"; return 0; }
	! grep -i "CONSOLE" "$work/said" || fail "$(basename "$1").html: the browser complains"
	[ "$(grep -o '<desc' <<<"$dom" | wc -l)" = "$2" ] || fail "$(basename "$1").html: not $2 drawings"
}
odd="$work/a<!--<script>&lt;b.onnx"
cp $model "$odd"
page_of 0 "$work/page" "$odd" --flash=60%
grep -q '<!--<script' "$work/page.html" && fail "page: a name opens a script"
drawn "$work/page" 5
page_of 3 "$work/refused" $model --flash=900
drawn "$work/refused" 4
rm -f "$work/refused".*
"$ADZE" fit $model "${data[@]}" --flash=900 --report="$work/nowhere/page.html" -o "$work/refused.adz" >"$work/said" 2>&1
[ $? = 1 ] && grep -q "nowhere/page.html" "$work/said" || fail "a page that cannot be written: $(cat "$work/said")"
finish
