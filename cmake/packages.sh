#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# packages.sh KIND...: installs the Debian packages that packages.txt lists for these kinds and that
# are missing. Says what it installs; does nothing, without asking for rights, when nothing is missing.
set -eu
list=$(dirname "$0")/../packages.txt

if ! command -v dpkg-query >/dev/null; then
	echo "Not a Debian system: please install the counterparts of the packages in packages.txt yourself."
	exit 0
fi
missing=()
for kind in "$@"; do
	for package in $(awk -v kind="$kind" '$1 == kind { print $2 }' "$list"); do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
			missing+=("$package")
	done
done
[ ${#missing[@]} -gt 0 ] || exit 0

echo "Installing missing Debian packages: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || {
		echo "Neither root nor sudo: please run  apt-get install ${missing[*]}"
		exit 1
	}
	as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
