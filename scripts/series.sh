# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# How patches/series is read. Sourced after lib.sh.
#
# An unindented line names a patch file. The indented lines after it name the
# files and directories of linux/ that this patch brings, whole. Blank lines
# and lines that begin with # do not count.

series_lines()
{
	[ ! -e "$PATCHES/series" ] || grep -v -e '^[[:space:]]*$' -e '^[[:space:]]*#' \
		"$PATCHES/series" || true
}

# The patch files, in order.
series_patches()
{
	series_lines | sed -n 's/^\([^[:space:]].*\)$/\1/p'
}

# series_entries PATCH: what the lines after PATCH name.
series_entries()
{
	series_lines | awk -v want="$1" '
		/^[^ \t]/ { on = $0 == want; next }
		on { sub(/^[ \t]+/, ""); sub(/\/$/, ""); print }'
}

# expand: the files of linux/ that the entries on stdin stand for.
expand()
{
	local entry

	while read -r entry; do
		[ -e "$OVERLAY/$entry" ] || die "series names $entry, which linux/ does not have"
		(cd "$OVERLAY" && find "$entry" -type f ! -name '*~' ! -name '.*.sw?')
	done | sort
}

# Every file of linux/.
overlay_files()
{
	[ ! -d "$OVERLAY" ] ||
		(cd "$OVERLAY" && find . -type f ! -name '*~' ! -name '.*.sw?' -printf '%P\n') | sort
}

# The kernel version that the patches were last refreshed on, if it says so.
series_base()
{
	[ ! -e "$PATCHES/series" ] || sed -n 's/^# Base: Linux //p' "$PATCHES/series"
}
