#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Proves what the library promises, as far as text can show it: it never prints, exits or aborts, and
# what reads data from outside does not assert. Also that every source states its licence, leaves no
# marks of unfinished work, and keeps to the sizes of CONTRIBUTING.md.
. "$(dirname "$0")/lib.sh"

FILE_MAX=600 # lines; tables (.def) are exempt
FUNCTION_MAX=70

library=$(find base ir data grammar frontend passes backend -name '*.[chly]' 2>/dev/null | sort)
everything=$(find base ir data grammar frontend passes backend runtime driver tests bench \
	-name '*.[chly]' -o -name '*.def' -path '*/*' 2>/dev/null | sort)

# Comments and strings do not count: gcc drops the former, sed empties the latter.
code_of() {
	gcc -fpreprocessed -dD -E -P -x c - <"$1" 2>/dev/null | sed -E 's/"([^"\\]|\\.)*"/""/g'
}

never='\b(printf|vprintf|fprintf|vfprintf|puts|fputs|putchar|putc|fputc|perror|exit|abort|raise|system'
never+='|sprintf|vsprintf|strcpy|strcat|gets|atoi|atol|atof|strtok|rand|alloca)[ \t]*\('
for file in $library; do
	found=$(code_of "$file" | grep -nE "$never|\b(stdout|stderr)\b")
	[ -z "$found" ] || complain "$file: not in a library:
$found"
	case $file in
	frontend/* | data/*)
		found=$(code_of "$file" | grep -E '\bassert[ \t]*\(')
		[ -z "$found" ] || complain "$file: asserts where data from outside is read:
$found"
		;;
	esac
done

for file in $everything; do
	head -1 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
		complain "$file: the first line does not state the licence"
	found=$(grep -nE '\b(TODO|FIXME|XXX|HACK)\b' "$file")
	[ -z "$found" ] || complain "$file: unfinished:
$found"
	lines=$(wc -l <"$file")
	[ "$lines" -le $FILE_MAX ] || [[ $file == *.def ]] ||
		complain "$file: $lines lines, more than $FILE_MAX"
	[[ $file == *.c ]] || continue
	found=$(awk -v max=$FUNCTION_MAX '
		/^[A-Za-z_].*[)(,]/ && !/;$/ { name = $0 }
		/^{/ { start = NR }
		/^}/ && start { if (NR - start - 1 > max) print NR - start - 1 " lines: " name; start = 0 }
		' "$file")
	[ -z "$found" ] || complain "$file: functions longer than $FUNCTION_MAX lines:
$found"
done

[ $failed = 0 ] && echo "forbidden: nothing in $(wc -w <<<"$everything") files"
exit $failed
