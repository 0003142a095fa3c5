#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Random quantized networks (tests/unit/test_graphs_jit.c) as executables of every target, with the bits of the
# interpreter. Short: a few; AZ_LONG: more.
#
#   CASES="12 80" TARGETS=armv7a tests/kernels/run_graphs.sh     some of them
. tests/e2e/lib.sh
[ -x "$BUILD/unit_tests" ] || { echo "skipped: no unit tests in $BUILD"; exit 77; }
cases="1000 1001 1002 1003 1004 1005"
[ -z "${AZ_LONG:-}" ] || cases=$(seq 1000 1049)

# graph NUMBER
graph() {
	local results=() name i=0
	rm -rf "$work"/net.adz* "$work"/*.npy
	try_run "graph $1" env AZ_CASE="$1" AZ_WRITE="$work" "$BUILD/unit_tests" "graphs compiled" || return
	for name in "$work"/wanted*.npy; do
		results+=(-o "$work/got$i.npy")
		i=$((i + 1))
	done
	for name in ${TARGETS:-$target_names}; do
		pick "$name" || continue
		rm -f "$work"/got*.npy
		[ $(($1 % 2)) = 0 ] || target_options+=" --packed"
		# shellcheck disable=SC2086
		try_run "graph $1 for $name" "$ADZE" compile "$work/net.adz" $target_options -o "$work/net" || continue
		# shellcheck disable=SC2086
		try_run "graph $1 on $name" timeout 600 $runner "$work/net" "$work/x.npy" "${results[@]}" || continue
		for ((k = 0; k < i; k++)); do
			cmp -s "$work/got$k.npy" "$work/wanted$k.npy" || fail "graph $1 on $name, result $k differs;
again: CASES=$1 TARGETS=$name ADZE=$ADZE BUILD=$BUILD bash tests/kernels/run_graphs.sh"
		done
	done
	echo "graph $1 done"
}

for number in ${CASES:-$cases}; do
	graph "$number"
done
finish
