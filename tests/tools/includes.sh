#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Proves that includes point one way:
#   1. a folder includes only itself and the folders that `allowed` lists for it;
#   2. a third-party header appears only in the folders that `fenced` lists for it;
#   3. no header includes itself through others;
#   4. every header compiles alone.
. "$(dirname "$0")/lib.sh"

# folder: project folders whose headers it may include; the longest folder name that fits a file counts.
# grammar and onnx among them are also the generated headers of grammar/ and frontend/.
declare -A allowed=(
	[base]="base"
	[ir]="base ir"
	[ir/eval]="base ir ir/eval"
	[data]="base ir frontend runtime data"
	[grammar]="base ir ir/eval grammar"
	[frontend]="base ir ir/eval frontend onnx"
	[passes]="base ir ir/eval grammar passes"
	[tune]="base ir ir/eval grammar passes tune"
	[backend]="base ir grammar passes backend runtime"
	[runtime]="runtime"
	[driver]="base ir ir/eval data grammar frontend passes tune backend driver"
)
# header prefix: folders that may include it.
declare -A fenced=(
	[llvm-c/]="backend"
	[protobuf-c/]="frontend"
	[onnx/]="frontend"
	[lapacke.h]="passes"
	[glpk.h]="passes tests/unit"
	[CUnit/]="tests/unit"
	[png.h]="data driver"
	[jpeglib.h]="data driver"
	[archive.h]="data"
	[archive_entry.h]="data"
	[json-c/]="driver"
	[sha256.h]="base"
)

has() { # has WORD LIST
	[[ " $2 " == *" $1 "* ]]
}

folder_of() { # the longest key of `allowed` that the path starts with, else its folder
	local folder=${1%/*}
	while [[ $folder == */* && ! -v allowed[$folder] && $folder != tests/* ]]; do
		folder=${folder%/*}
	done
	echo "$folder"
}

sources=$(find base ir data grammar frontend passes tune backend runtime driver tests -type f \
	\( -name '*.[chly]' -o -name '*.def' \) 2>/dev/null | sort)

while IFS=: read -r file include; do
	from=$(folder_of "$file")
	name=${include//[<>\"]/}
	for prefix in "${!fenced[@]}"; do
		if [[ $name == "$prefix"* ]] && ! has "$from" "${fenced[$prefix]}"; then
			complain "$file: includes $include, which only ${fenced[$prefix]} may"
		fi
	done
	[[ $include == \"* && -v allowed[$from] ]] || continue
	to=$(folder_of "$name")
	has "$to" "${allowed[$from]}" || complain "$file: $from may not include $include"
done < <(grep -oE '^[ \t]*#[ \t]*include[ \t]*(<[^>]*>|"[^"]*")' $sources |
	sed -E 's/:[ \t]*#[ \t]*include[ \t]*/:/')

cycles=$(grep -oE '^#include "[^"]*\.h"' $(grep '\.h$' <<<"$sources") |
	sed -E 's/^([^:]*):#include "(.*)"/\1 \2/' | tsort 2>&1 >/dev/null)
[ -z "$cycles" ] || complain "headers include each other in a circle:
$cycles"

flags=(-std=c11 -D_DEFAULT_SOURCE -DAZ_VERSION='""' -Wall -Wextra -Werror -fsyntax-only -x c -I.
	-isystem "$(llvm-config-19 --includedir)")
[ -z "${BUILD:-}" ] || flags+=(-isystem "$BUILD/gen")
for header in $(grep '\.h$' <<<"$sources"); do
	case $header in
	tests/unit/*) [ -n "${BUILD:-}" ] || continue ;; # needs the generated list of suites
	esac
	echo "#include \"$header\"" | gcc "${flags[@]}" - || complain "$header: does not compile alone"
done

[ $failed = 0 ] && echo "includes: $(wc -l <<<"$sources") files point one way"
exit $failed
