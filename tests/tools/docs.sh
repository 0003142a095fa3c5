#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Proves that the documentation keeps up with the tables: every option stands in docs/cli.md, every pass in
# docs/passes.md, every decision in docs/adr/README.md. Links between the pages, and files of the source that they
# name, exist.
. "$(dirname "$0")/lib.sh"

# every TABLE EXPRESSION PAGE: what the expression (with one group) finds in the table stands in the page.
every() {
	local word found=0
	while read -r word; do
		found=$((found + 1))
		grep -qE -- "(^|[^a-z0-9-])$word($|[^a-z0-9-])" "$3" || complain "$3 does not say anything of $word ($1)"
	done < <(sed -nE "s/$2.*/\1/p" "$1" | sort -u)
	[ $found -gt 0 ] || complain "$1: nothing found by $2"
}

every driver/options.def '^OPT\([^"]*"(--[a-z0-9-]+)"' docs/cli.md
every passes/passes.def '^[A-Z_]*PASS\([^"]*"([a-z0-9-]+)"' docs/passes.md
for file in docs/adr/0*.md; do
	grep -qF "(${file##*/})" docs/adr/README.md || complain "docs/adr/README.md does not list $file"
done

pages=$(git ls-files '*.md' 2>/dev/null || find . -name '*.md' -not -path './build/*')
for page in $pages; do
	while read -r link; do
		[ -e "$(dirname "$page")/$link" ] || complain "$page: the link $link leads nowhere"
	done < <(grep -oE '\]\([^)# ]+' "$page" | sed 's/^](//' | grep -vE '^[a-z]+:')
	while read -r file; do
		[ -e "$file" ] || complain "$page: there is no $file"
	done < <(grep -oE '`(base|ir|grammar|frontend|passes|backend|runtime|data|driver|tests|bench|examples|cmake)/[a-z0-9_./-]+\.(c|h|def|sh|py|txt|y|l|adz|md)`' "$page" | tr -d '`')
done

[ $failed = 0 ] && echo "docs: $(wc -w <<<"$pages") pages keep up"
exit $failed
