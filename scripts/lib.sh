# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the scripts share. Sourced, not run.

set -euo pipefail
shopt -s inherit_errexit

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$TOP/build
LOGS=$BUILD/log
# Overridden to build another tree than the assembled one.
TREE=${TREE:-$BUILD/linux}
JOBS=${JOBS:-$(nproc)}
# Overridden to try the scripts on something else than the series itself.
PATCHES=$(realpath -m "${PATCHES:-$TOP/patches}")
OVERLAY=$(realpath -m "${OVERLAY:-$TOP/linux}")
export JOBS

# Messages are read here and lists sorted; only what is shown to the user is
# shown in his language.
# shellcheck disable=SC2034 # for those who source this
USER_LANG=${LC_ALL:-${LC_CTYPE:-${LANG:-}}}
export LC_ALL=C

# A make that is run from here must not hear what the one above was told.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL

# mkfs, mkswap and the like are not in a user's PATH on Debian.
PATH=$PATH:/usr/sbin:/sbin

say()
{
	printf '%s\n' "$*"
}

warn()
{
	printf 'warning: %s\n' "$*" >&2
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

duration()
{
	printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

# unit COUNT: what the lines stand for that the regular expression COUNT finds.
unit()
{
	case $1 in
	*ok* | *$'\t'*) echo results ;;
	*) echo files ;;
	esac
}

# watch_log LOG WHAT START COUNT TOTAL: say once a second on a terminal, twice
# a minute elsewhere, how far the command writing LOG is. COUNT is a regular
# expression for the lines that count, TOTAL about how many there will be.
watch_log()
{
	local log=$1 what=$2 start=$3 count=$4 total=$5 pause=30 never n text

	[ ! -t 1 ] || pause=1
	# A read that has nothing to read, as sleep would be a child to leave behind.
	exec {never}<> <(:)
	while ! read -r -t "$pause" -u "$never"; do
		text="$what: $(duration $((SECONDS - start)))"
		if [ -n "$count" ]; then
			n=$(grep -c "$count" "$log" || true)
			text+=", $n${total:+ of about $total} $(unit "$count")"
		fi
		if [ -t 1 ]; then
			printf '\r\033[K%s' "$text"
		else
			say "$text"
		fi
	done
}

# step [-c COUNT] [-n TOTAL] LOG WHAT COMMAND...: run a long command with its
# output in build/log/LOG.log; say what it is, how far it is, how long it took.
# On failure show the end of the log and where the rest is.
step()
{
	local count='' total='' opt OPTIND=1 log what start=$SECONDS watcher rc=0

	while getopts c:n: opt; do
		case $opt in
		c) count=$OPTARG ;;
		n) total=$OPTARG ;;
		*) die "step: bad option" ;;
		esac
	done
	shift $((OPTIND - 1))
	log=$LOGS/$1.log
	what=$2
	shift 2

	mkdir -p "$LOGS"
	: >"$log"
	[ -t 1 ] || say "$what ..."
	watch_log "$log" "$what" "$start" "$count" "$total" &
	watcher=$!
	"$@" >"$log" 2>&1 || rc=$?
	# If it is gone its number may be another's by now.
	if jobs -pr | grep -qx "$watcher"; then
		kill "$watcher"
	fi
	wait "$watcher" 2>/dev/null || true
	[ ! -t 1 ] || printf '\r\033[K'

	if [ "$rc" -ne 0 ]; then
		say "$what: failed after $(duration $((SECONDS - start)))"
		say "--- the end of ${log#"$TOP"/}:"
		tail -n 30 "$log"
		say "--- all of it: less ${log#"$TOP"/}"
		return "$rc"
	fi
	say "$what: done in $(duration $((SECONDS - start)))${count:+, $(grep -c "$count" "$log" || true) $(unit "$count")}"
}

# git as it comes, whatever the user has in ~/.gitconfig: what is made here
# must come out the same everywhere.
plain_git()
{
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git \
		-c core.quotePath=false -c core.autocrlf=false -c gc.auto=0 "$@"
}

tree_git()
{
	plain_git -C "$TREE" "$@"
}

# lock -s|-x FD FILE WHAT: hold FILE for sharing or alone until this script ends.
lock()
{
	mkdir -p "$(dirname "$3")"
	eval "exec $2>>\"\$3\""
	flock -n "$1" "$2" || {
		say "waiting for another script that uses $4" >&2
		flock "$1" "$2"
	}
}

# tree_lock -s|-x: hold build/linux for reading, as builds do, or for changing
# it, until this script ends. It must not change under a build.
tree_lock()
{
	lock "$1" 9 "$BUILD/.tree.lock" build/linux
}

# What is in build/linux and in no commit. Debian's .gitignore ignores
# everything, so it is not asked about new files.
tree_changes()
{
	tree_git status --porcelain -uno
	tree_strays | sed 's/^/?? /'
}

tree_strays()
{
	tree_git ls-files --others --directory --no-empty-directory \
		-x '*~' -x '.*.sw?' -x '*.rej' -x '*.orig'
}

# Results of tests are lines of four fields, tab-separated, in a file: pass,
# fail or skip; of what; name; why. A script of tests adds them to $RESULTS if
# that is set, as scripts/test does, else it sums them up itself.
#
# results_begin NAME: sets $results.
results_begin()
{
	mkdir -p "$LOGS"
	results=${RESULTS:-$LOGS/$1.results}
	[ -n "${RESULTS:-}" ] || : >"$results"
}

# result KIND SUITE NAME [WHY]
result()
{
	printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4:-}" >>"$results"
}

# tap_results SUITE PROGRAM STATUS LOG: those of one program's TAP.
tap_results()
{
	{
		echo "# program $2"
		cat "$4"
		echo "# status $2 $3"
	} | "$TOP/scripts/tap" "$1" "$2" >>"$results"
}

# chosen PROGRAM: does one of the patterns in TESTS, if there are any, fit it?
chosen()
{
	local pattern patterns

	read -ra patterns <<<"${TESTS:-*}"
	for pattern in "${patterns[@]}"; do
		# shellcheck disable=SC2053 # it is a pattern
		[[ $1 != $pattern ]] || return 0
	done
	return 1
}

# In RESULTS the failures wait for the summary of them all.
results_end()
{
	[ -n "${RESULTS:-}" ] || "$TOP/scripts/summary" "$results"
}
