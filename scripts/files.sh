# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced after lib.sh.

# The files of this repository, new ones included, from its top.
our_files()
{
	if git -C "$TOP" rev-parse -q --verify HEAD >/dev/null 2>&1; then
		git -C "$TOP" -c core.quotePath=false ls-files -co --exclude-standard
	else
		(cd "$TOP" && find . -name build -prune -o -type f -printf '%P\n')
	fi | sort -u | while read -r file; do
		[ ! -f "$TOP/$file" ] || say "$file"
	done
}
