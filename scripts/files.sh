# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The files of the repository, and what is said of them. Sourced after lib.sh.

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

# excuse CHECK: of the lines on stdin, FILE:LINE: and what is wrong there, those
# that scripts/exceptions does not excuse.
excuse()
{
	local line check words pattern excused

	while read -r line; do
		excused=
		while IFS=$'\t' read -r check words pattern _; do
			# shellcheck disable=SC2053 # it is a pattern
			if [[ $check == "$1" && $line == *"$words"* && ${line%%:*} == $pattern ]]; then
				excused=1
			fi
		done < <(grep -v '^#' "$TOP/scripts/exceptions")
		[ -n "$excused" ] || say "$line"
	done
}
