#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# adze fit on the network of the example: what it emits is within the budget and uses it well, it goes on after
# an interruption, and it refuses what cannot be.
. tests/e2e/lib.sh
model=$example/digits.onnx
data=(--calib=$example/calibration.npy)

key() { # key FILE NAME: the first number of that key in JSON
	sed -n "s/^ *\"$2\":\([-0-9.e+]*\).*/\1/p" "$1" | head -n 1
}

flash_of() { # flash_of OBJECT: bytes of its .text* and .rodata* sections, as the object has them
	local sum=0 name size
	while read -r name _ _ _ size _; do
		case $name in
		*_profile) ;; # stands apart, for linkers to drop
		.text* | .rodata*) sum=$((sum + 16#$size)) ;;
		esac
	done < <(readelf -SW "$1" | sed -n 's/^ *\[ *[0-9]*\] *\(\..*\)/\1/p')
	echo $sum
}

least=--least=7 # fewer objects
[ -z "${AZ_LONG:-}" ] || least=--least=2
for policy in uniform sensitivity hessian orthogonality; do
	for percent in ${AZ_LONG:+70} 45; do
		out=$work/$policy.$percent
		try_run "$policy $percent %" "$ADZE" fit $model "${data[@]}" --flash=$percent% --policy=$policy \
			--round=nearest $least --emit=obj -o "$out.adz" --json || continue
		mv "$work/said" "$out.json"
		budget=$(key "$out.json" flash_bytes)
		size=$(flash_of "$out.o")
		[ "${size:-0}" -gt 0 ] && [ "$size" -le "$budget" ] ||
			fail "$policy $percent %: the object has ${size:-no} bytes, the budget is $budget"
		grep -q '"chosen":true' "$out.json" || fail "$policy $percent %: nothing chosen"
		[ ! -e "$out.adz.journal" ] || fail "$policy $percent %: the journal stayed"
		try_run "$policy $percent % reads back" "$ADZE" opt "$out.adz" -o "$work/back.adz"
	done
done

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

refuses() { # refuses CODE TEXT OPTIONS...
	local code=$1 text=$2
	shift 2
	"$ADZE" fit "$@" -o "$work/refused.adz" >"$work/said" 2>&1
	local got=$?
	[ $got = "$code" ] || fail "fit $*: exit $got, wanted $code"
	grep -q -- "$text" "$work/said" || fail "fit $*: no \"$text\" in: $(cat "$work/said")"
	[ ! -e "$work/refused.adz" ] || fail "fit $*: wrote a network"
}
refuses 2 "fit wants a budget" $model "${data[@]}"
refuses 2 "wants --calib" $model --flash=10K
refuses 1 "is no budget" $model "${data[@]}" --flash=0
refuses 1 "is no budget" $model "${data[@]}" --flash=-5K
refuses 1 "wants a size" $model "${data[@]}" --flash=much
refuses 1 "there is no policy" $model --calib=$example/calibration.npy --flash=60% --policy=luck
refuses 2 "wants --calib-labels" $model "${data[@]}" --flash=60% --label-offset=1
refuses 3 "the smallest found takes" $model "${data[@]}" --flash=900
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
refuses 1 "nowhere/page.html" $model "${data[@]}" --flash=900 --report=$work/nowhere/page.html
finish
