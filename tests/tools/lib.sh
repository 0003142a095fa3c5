# SPDX-License-Identifier: Apache-2.0
#
# What the checks of the source share: the root as the current folder, and complaints that fail the check.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
failed=0
complain() {
	echo "$1"
	failed=1
}
