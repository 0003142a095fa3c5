#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Writes backend/cost_table.def: the rates of this machine's kernels, for every kind of x86 dot product that
# it has. On an idle machine, some 30 seconds for each: bench/cost_table.sh [CPU...]
set -euo pipefail
cd "$(dirname "$0")/.."
adze=${ADZE:-build/release/adze}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
{
	cat <<'HEAD'
/* SPDX-License-Identifier: Apache-2.0
 *
 * Rates of kernels (backend/cost_table.h says what the columns are), written by bench/cost_table.sh. Kinds
 * of dot product that stand in no row have no times in reports. */
#ifndef COST
#define COST(dot, work, input_bits, weight_bits, rate)
#endif
/* clang-format off */
HEAD
	[ $# -gt 0 ] || set -- x86-64 x86-64-v3 x86-64-v4 native
	for cpu in "$@"; do
		taskset -c "${AZ_CORE:-1}" "$adze" targets --measure --cpu="$cpu" | sed 's/^# \(.*\)/\/* \1 *\//'
	done
	printf '/* clang-format on */\n#undef COST\n'
} >"$out"
cp "$out" backend/cost_table.def
