#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Proves that every C file stands as clang-format lays it out (.clang-format). Tables that are aligned
# by hand stand between /* clang-format off */ and /* clang-format on */.
. "$(dirname "$0")/lib.sh"
files=$(find base ir data grammar frontend passes backend runtime driver tests bench examples \
	-type f -name '*.[ch]' 2>/dev/null | sort)
clang-format-19 --dry-run -Werror $files || exit 1
echo "format: $(wc -w <<<"$files") files"
