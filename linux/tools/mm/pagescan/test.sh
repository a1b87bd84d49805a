#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# test.sh DIRECTORY [SECONDS]: does pagescan see what is written, and does what
# it watches not notice?
#
# The directory has pagescan, victim and victim32. Each victim is attached to
# again and again for SECONDS, or until that was done three times. TAP on stdout; exits with 0 if
# all is well, 1 if not, 4 if the kernel lacks the feature. For any POSIX sh,
# busybox's too.
set -eu

[ $# -ge 1 ] || { echo "usage: $0 DIRECTORY [SECONDS]" >&2; exit 2; }
pagescan=$1/pagescan victim=$1/victim victim32=$1/victim32 seconds=${2:-2}
work=$(mktemp -d)
pid=
group=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true; leave_group; rm -rf "$work"' EXIT

number=0
failed=0

# result STATUS NAME [FILE...]: 0 is ok; else the files tell why.
result()
{
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number $2"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $number $2"
	shift 2
	[ $# -eq 0 ] || sed 's/^/# /' "$@"
}

skip()
{
	number=$((number + 1))
	echo "ok $number $1 # SKIP $2"
}

# start PROGRAM MODE SECONDS: sets $pid; waits until it is ready.
start()
{
	: >"$work/victim"
	"$@" >"$work/victim" 2>&1 &
	pid=$!
	while ! grep -q ready "$work/victim"; do
		kill -0 "$pid" 2>/dev/null || return 1
		sleep 0.1
	done
}

# finish: ends the victim; 0 if it found all fine.
finish()
{
	got=0
	kill "$pid" 2>/dev/null || true
	wait "$pid" || got=$?
	pid=
	[ "$got" -eq 0 ] && grep -q '^fine$' "$work/victim"
}

once()
{
	"$pagescan" record -q -i 0.002 -d 0.005 -o "$work/rec" "$pid" >"$work/out" 2>&1
}

running()
{
	kill -0 "$pid" 2>/dev/null && ! grep -qE '^(fine|wrong)' "$work/victim"
}

# Attach again and again; counts in $attached. A victim that cannot be attached to
# must not hold up the test.
attach_on()
{
	attached=0
	failures=0
	end=$(($(date +%s) + seconds))
	while running && [ "$failures" -lt 20 ]; do
		[ "$attached" -lt 3 ] || [ "$(date +%s)" -lt "$end" ] || break
		if once && ! grep -q 'cannot track' "$work/out"; then
			attached=$((attached + 1))
		else
			failures=$((failures + 1))
		fi
	done
}

# untracked NAME: no memory of the victim is registered.
untracked()
{
	rc=0
	"$pagescan" scan --required wpallowed --json "$pid" >"$work/out" 2>&1 || rc=1
	! grep -q '"start"' "$work/out" || rc=1
	result "$rc" "$1" "$work/out"
}

# unnoticed PROGRAM MODE NAME
unnoticed()
{
	rc=0
	start "$1" "$2" 1000 || { skip "$3" "it does not run here"; return; }
	attach_on
	finish || rc=1
	[ "$attached" -gt 0 ] || rc=1
	result "$rc" "$3 (attached $attached times)" "$work/victim" "$work/out"
}

# What is refused: MODE, the reason to be found, NAME.
refused()
{
	rc=0
	start "$victim" "$1" 1000 || { skip "$3" "it does not run here"; return; }
	"$pagescan" record -q -d 0.1 -o "$work/rec" "$pid" >"$work/out" 2>&1 || true
	grep -q "$2" "$work/out" || rc=1
	finish || rc=1
	result "$rc" "$3" "$work/victim" "$work/out"
}

# enter_group VERSION: the victim is in a control group that can be frozen, by
# freeze 1, and thawed, by freeze 0.
enter_group()
{
	version=$1
	mkdir "$work/cgroup"
	case $version in
	1) mount -t cgroup -o freezer none "$work/cgroup" 2>"$work/out" ;;
	2) mount -t cgroup2 none "$work/cgroup" 2>"$work/out" ;;
	esac || { rmdir "$work/cgroup"; return 1; }
	group=$work/cgroup/pagescan-test.$$
	mkdir "$group" "$group.frozen" && echo "$pid" >"$group/cgroup.procs"
	# The kernel changes its code when the first group is frozen, and back after
	# the last; QEMU's emulation of two processors has been seen to take that for
	# a breakpoint for ever. So one is frozen all the time.
	[ "$version" = 2 ] || echo FROZEN >"$group.frozen/freezer.state"
}

freeze()
{
	case $version$1 in
	10) echo THAWED >"$group/freezer.state" ;;
	11) echo FROZEN >"$group/freezer.state" ;;
	2*) echo "$1" >"$group/cgroup.freeze" ;;
	esac
}

leave_group()
{
	[ -n "$group" ] || return 0
	freeze 0 || true
	[ -z "$pid" ] || echo "$pid" >"$work/cgroup/cgroup.procs" || true
	[ "$version" = 2 ] || echo THAWED >"$group.frozen/freezer.state"
	rmdir "$group" "$group.frozen" || true
	umount "$work/cgroup" && rmdir "$work/cgroup"
	group=
}

# A frozen process is left alone, at whatever moment it is frozen.
frozen()
{
	version=$1
	start "$victim" spin 1000
	if ! enter_group "$version"; then
		skip "a process that is frozen, version $version" "no such control group"
		skip "one frozen at any moment, version $version" "no such control group"
		finish || true
		return
	fi
	rc=0
	freeze 1
	timeout 60 "$pagescan" record -q -d 0.1 -o "$work/rec" "$pid" >"$work/out" 2>&1 || true
	grep -q 'control group is frozen' "$work/out" || rc=1
	result "$rc" "a process that is frozen, version $version" "$work/out"
	freeze 0
	(
		while freeze 1 2>/dev/null && sleep 0.01 && freeze 0; do
			sleep 0.03
		done
	) &
	freezer=$!
	tries=0
	attached=0
	while running && [ "$tries" -lt 30 ]; do
		got=0
		timeout 60 "$pagescan" record -q -i 0.002 -d 0.005 -o "$work/rec" "$pid" \
			>"$work/out" 2>&1 || got=$?
		[ "$got" -ne 124 ] || break
		[ "$got" -ne 0 ] || attached=$((attached + 1))
		tries=$((tries + 1))
	done
	kill "$freezer"
	wait "$freezer" 2>/dev/null || true
	leave_group
	rc=0
	finish || rc=1
	[ "$tries" -eq 30 ] && [ "$attached" -gt 0 ] || rc=1
	result "$rc" "one frozen at any moment, version $version (attached $attached times)" \
		"$work/victim" "$work/out"
}

# The kernel: on one that lacks it all, say so.
start "$victim" exact 1000 || { echo "1..0 # SKIP the victim does not run here"; exit 4; }
rc=0
"$pagescan" record -q -d 0.1 -o "$work/rec" "$pid" >"$work/out" 2>&1 || rc=$?
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
pid=
if grep -qE 'the kernel has no (PAGEMAP_SCAN|userfaultfd)' "$work/out"; then
	echo "1..0 # SKIP $(head -n 1 "$work/out")"
	exit 4
fi
result "$rc" "a process is recorded" "$work/out"

# Exactly what was written, and that it is as it was afterwards.
start "$victim" exact 1000
base=$(sed -n 's/^ready //p' "$work/victim")
"$pagescan" record -q -i 0.05 -d 0.6 -o "$work/rec" "$pid" >"$work/out" 2>&1 || true
"$pagescan" report -f csv "$work/rec" >"$work/csv" 2>>"$work/out" || true
awk -F, -v base="$base" '
	function hex(s,  i, n) {
		for (i = 1; i <= length(s); i++)
			n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
		return n
	}
	BEGIN { base = hex(base) }
	NR > 1 {
		page = (hex(substr($2, 3)) - base) / 4096
		if (page < 0 || page >= 4096)
			next
		seen[page "+" $4]++
	}
	END {
		for (what in seen)
			print what
	}' "$work/csv" | sort >"$work/pages"
printf '100+1\n3+2\n' >"$work/expected"
rc=0
cmp -s "$work/pages" "$work/expected" || rc=1
result "$rc" "the pages that were written, and no others" "$work/pages" "$work/out"
untracked "nothing is tracked afterwards"
rc=0
finish || rc=1
result "$rc" "the process ends well" "$work/victim"

start "$victim" exact 1000
"$pagescan" top --plain -n 2 -i 0.2 "$pid" >"$work/out" 2>&1
rc=0
grep -q "$base\|in 60s" "$work/out" || rc=1
result "$rc" "top shows a table" "$work/out"

# kill -9 of the tool: the kernel undoes it all.
rm -f "$work/rec"
"$pagescan" record -q -i 0.01 -o "$work/rec" "$pid" 2>"$work/out" &
tool=$!
until [ -s "$work/rec" ] || ! kill -0 "$tool" 2>/dev/null; do
	sleep 0.1
done
sleep 0.2
kill -9 "$tool"
wait "$tool" 2>/dev/null || true
untracked "nothing is tracked after the tool was killed"
rc=0
"$pagescan" report "$work/rec" >"$work/out" 2>&1 || rc=1
grep -q 'no end' "$work/out" || rc=1
result "$rc" "what it recorded can be read" "$work/out"

# A stopped process stays stopped, and one that is killed ends the recording.
kill -STOP "$pid"
rc=0
once || rc=1
sleep 0.1
grep -q '^State:.*T (stopped)' "/proc/$pid/status" || rc=1
kill -CONT "$pid"
result "$rc" "a stopped process is tracked, and stays stopped" "$work/out"
"$pagescan" record -o "$work/rec" "$pid" >"$work/out" 2>&1 &
tool=$!
sleep 0.5
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
pid=
rc=0
wait "$tool" || rc=1
grep -q 'the process ended' "$work/out" || rc=1
result "$rc" "a process that is killed ends the recording" "$work/out"

# The status of a command is that of the recording.
for status in 0 7; do
	rc=0
	"$pagescan" record -q -o "$work/rec" -- sh -c "sleep 0.2; exit $status" \
		>"$work/out" 2>&1 || rc=$?
	[ "$rc" -eq "$status" ] && rc=0 || rc=1
	result "$rc" "a command that exits with $status" "$work/out"
done
rc=0
"$pagescan" record -q -o "$work/rec" -- "$work/none" >"$work/out" 2>&1 || rc=$?
[ "$rc" -eq 127 ] && rc=0 || rc=1
result "$rc" "a command that there is not" "$work/out"

# It is held until it is looked at, so that none is too quick.
rc=0
tries=0
while [ "$tries" -lt 10 ]; do
	tries=$((tries + 1))
	"$pagescan" record -o "$work/rec" -- true >"$work/out" 2>&1 || rc=1
	grep -q ': 1 looks' "$work/out" || rc=1
done
result "$rc" "a command that ends at once is recorded" "$work/out"
"$pagescan" record -o "$work/rec" -d 0.1 -- "$victim" exact 60 >"$work/out" 2>&1 &
tool=$!
tries=0
until grep -q 'waiting for' "$work/out" || [ "$tries" -gt 300 ]; do
	tries=$((tries + 1))
	sleep 0.1
done
left=$(sed -n 's/.*waiting for process \([0-9]*\) .*/\1/p' "$work/out")
kill -TERM "$tool"
rc=0
wait "$tool" || rc=$?
[ "$rc" -eq 143 ] && kill "$left" && rc=0 || rc=1
result "$rc" "the waiting for a command can be left" "$work/out"

refused seccomp 'filtered (seccomp)' "a process that filters system calls is left alone"
refused dispatch 'dispatched' "a process that dispatches system calls is left alone"
if [ "$(uname -m)" = x86_64 ]; then
	refused wow 'is no process of 32 bits' "code of 32 bits in a process of 64 is left alone"
fi
frozen 1
frozen 2
start "$victim" taken 1000
rc=0
"$pagescan" record -d 0.2 -o "$work/rec" "$pid" >"$work/out" 2>&1 || rc=1
grep -q 'another userfaultfd' "$work/out" || rc=1
finish || rc=1
result "$rc" "memory of another userfaultfd is left out, and said so" "$work/out"

# Nothing at all can be tracked: that is no new program at each look.
start "$victim" all_taken 1000
rc=0
"$pagescan" record -q -i 0.05 -d 0.3 -o "$work/rec" "$pid" >"$work/out" 2>&1 || rc=1
"$pagescan" report "$work/rec" >>"$work/out" 2>&1 || rc=1
! grep -q '^programs' "$work/out" || rc=1
finish || rc=1
result "$rc" "a process of which nothing can be tracked" "$work/victim" "$work/out"

# A child of vfork() has its parent's memory, until it has executed something.
start "$victim" vfork 1000
child=$(sed -n 's/^ready //p' "$work/victim")
rc=0
"$pagescan" record -q -d 0.1 -o "$work/rec" "$child" >"$work/out" 2>&1 && rc=1
grep -q vfork "$work/out" || rc=1
result "$rc" "a child of vfork() is not taken for its parent" "$work/out"
until [ "$(grep -c ready "$work/victim")" -gt 1 ]; do
	sleep 0.1
done
rc=0
"$pagescan" record -q -d 0.1 -o "$work/rec" "$child" >"$work/out" 2>&1 || rc=1
result "$rc" "it is recorded once it has its own" "$work/out"
finish || true

# What is executed: by another thread than the first, while somebody traces it,
# and what top shows of it.
start "$victim" thread_exec 60
rc=0
"$pagescan" record -q -i 0.005 -d "$seconds" -o "$work/rec" "$pid" >"$work/out" 2>&1 || rc=1
"$pagescan" report "$work/rec" >>"$work/out" 2>&1 || rc=1
grep -q '^programs.*executed' "$work/out" || rc=1
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
result "$rc" "another thread executes a program" "$work/out"
start "$victim" exec 60
"$pagescan" record -q -i 0.005 -d $((seconds + 2)) -o "$work/rec" "$pid" >"$work/out" 2>&1 &
tool=$!
sleep 0.5
rc=0
VICTIM_PID=$pid "$victim" trace 1 >/dev/null || rc=1
wait "$tool" || rc=1
grep -q 'for now it cannot be tracked: process [0-9]* traces it' "$work/out" || rc=1
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
result "$rc" "somebody traces a process that executes a program" "$work/out"
start "$victim" then_exec 60
"$pagescan" top --plain -i 0.2 -n 12 "$pid" >"$work/out" 2>&1 || true
rc=0
grep -q 'working set: [0-9.]* MiB in' "$work/out" || rc=1
grep 'working set' "$work/out" | tail -n 1 | grep -q '[0-9.]* KiB in 60 s' || rc=1
finish || rc=1
result "$rc" "top forgets what another program wrote" "$work/out"
start "$victim" name 1000
rc=0
"$pagescan" top --plain -i 0.1 -n 1 "$pid" >"$work/out" 2>&1 || rc=1
grep -qF 'a?[31mb' "$work/out" || rc=1
finish || rc=1
result "$rc" "a name does nothing to the terminal" "$work/out"

# 256 GiB with little in it: no page tables for the rest.
start "$victim" sparse 1000
"$pagescan" record -q -i 0.1 -o "$work/rec" "$pid" &
tool=$!
sleep 1
tables=$(sed -n 's/^VmPTE:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status")
rc=0
[ "$tables" -lt 8192 ] || rc=1
finish || rc=1
wait "$tool" || rc=1
result "$rc" "holes are not filled with page tables ($tables KiB)" "$work/victim"

for mode in spin epoll semop sigwait receive sleep signals suspend interrupt sigsys threads \
	fork rseq; do
	unnoticed "$victim" "$mode" "$mode does not notice"
done

# What another thread forks meanwhile has no share in it: how often that happens
# is chance, but often if it forks all the time.
start "$victim" fork_thread 1000
attached=0
tries=0
rc=0
while [ "$tries" -lt 20 ]; do
	tries=$((tries + 1))
	! once || attached=$((attached + 1))
	"$pagescan" scan --required wpallowed --json "$pid" >"$work/out" 2>&1 || rc=1
	! grep -q '"start"' "$work/out" || rc=1
done
finish || rc=1
result "$rc" "children of another thread keep nothing (attached $attached times)" \
	"$work/victim" "$work/out"

# One that runs another program all the time cannot be told to end.
rc=0
start "$victim" exec $((seconds * 3))
attach_on
wait "$pid" || rc=1
pid=
grep -q '^fine$' "$work/victim" && [ "$attached" -gt 0 ] || rc=1
result "$rc" "exec does not notice (attached $attached times)" "$work/victim" "$work/out"

for mode in spin epoll semop sigwait receive sleep signals suspend interrupt sigsys threads; do
	if [ -x "$victim32" ]; then
		unnoticed "$victim32" "$mode" "32 bits: $mode does not notice"
	else
		skip "32 bits: $mode does not notice" "there is no victim32"
	fi
done

# kill -9 of the tool at any moment, also while it attaches.
start "$victim" signals 1000
kills=0
end=$(($(date +%s) + seconds))
while running && { [ "$kills" -lt 10 ] || [ "$(date +%s)" -lt "$end" ]; }; do
	"$pagescan" record -q -i 0.001 -o "$work/rec" "$pid" >"$work/out" 2>&1 &
	tool=$!
	sleep "0.00$((kills % 10))"
	kill -9 "$tool" 2>/dev/null || true
	wait "$tool" 2>/dev/null || true
	kills=$((kills + 1))
done
rc=0
finish || rc=1
[ "$kills" -gt 0 ] || rc=1
result "$rc" "the tool is killed $kills times at any moment, and nobody notices" "$work/victim"

# kill -9 of the process at any moment: the tool comes to an end.
rc=0
kills=0
while [ "$kills" -lt 20 ]; do
	start "$victim" threads 60
	"$pagescan" record -q -i 0.001 -o "$work/rec" "$pid" >"$work/out" 2>&1 &
	tool=$!
	sleep "0.00$((kills % 10))"
	kill -9 "$pid"
	wait "$pid" 2>/dev/null || true
	pid=
	got=0
	wait "$tool" || got=$?
	[ "$got" -eq 0 ] || [ "$got" -eq 3 ] || { rc=1; cat "$work/out" >>"$work/bad"; }
	kills=$((kills + 1))
done
[ "$rc" -eq 0 ] || mv "$work/bad" "$work/out"
result "$rc" "the process is killed $kills times at any moment, and the tool ends" "$work/out"

# By soft-dirty bits, where the kernel has them.
start "$victim" exact 1000
rc=0
"$pagescan" record -q --soft-dirty -i 0.1 -d 0.4 -o "$work/rec" "$pid" >"$work/out" 2>&1 || rc=$?
if [ "$rc" -eq 4 ]; then
	skip "soft-dirty" "$(tail -n 1 "$work/out")"
else
	"$pagescan" report "$work/rec" >"$work/report" 2>&1 || rc=1
	grep -q 'by soft-dirty' "$work/report" || rc=1
	result "$rc" "soft-dirty" "$work/out" "$work/report"
fi
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
pid=

# Wrong use.
for arguments in "" "scan" "scan 0" "scan x" "nonsense" "report" "scan --required x 1" \
	"top -i 0 1" "record -d x 1"; do
	rc=0
	# shellcheck disable=SC2086 # they are words
	"$pagescan" $arguments >"$work/out" 2>&1 || rc=$?
	[ "$rc" -eq 2 ] && rc=0 || rc=1
	result "$rc" "wrong usage: '$arguments'" "$work/out"
done
rc=0
"$pagescan" scan 4194000 >"$work/out" 2>&1 || rc=$?
[ "$rc" -eq 3 ] && rc=0 || rc=1
result "$rc" "no such process" "$work/out"

echo "1..$number"
[ "$failed" -eq 0 ]
