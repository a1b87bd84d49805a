#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# test.sh: CRIU on this kernel, with processes whose memory is known: TAP. In
# the guest, as root; images are left in $TEST_EXT4. CRIU's own way without
# PAGEMAP_SCAN, by /proc/PID/pagemap, is had by CRIU_FAULT=135.

set -u
HEAP=$PWD/heap
WORK=${TEST_EXT4:-/tmp}/criu
TRACING=/sys/kernel/tracing
# Seconds that one thing may take, on a machine that emulates and is busy.
PATIENCE=600
KEYS=10000
count=0
failed=0

# check NAME COMMAND...: a result.
check()
{
	local name=$1 rc=0

	shift
	"$@" >check.log 2>&1 || rc=$?
	count=$((count + 1))
	if [ "$rc" -eq 0 ]; then
		echo "ok $count $name"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $count $name"
	echo "# $* has status $rc"
	tail -n 20 check.log | sed 's/^/# /'
	return 1
}

# until_true COMMAND...
until_true()
{
	local end=$((SECONDS + PATIENCE))

	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# scans: how often the function that is the ioctl was called.
scans()
{
	awk '$1 == "scan" { n = $2 } END { print n + 0 }' $TRACING/kprobe_profile
}

# criu_in DIR WORDS...: run criu with images in DIR; sets $scanned to how many
# scans it made.
criu_in()
{
	local dir=$1 before rc=0

	shift
	mkdir -p "$dir"
	before=$(scans)
	command time -o "$dir.time" -f '%e s, %M KiB' \
		criu "$@" -D "$dir" -o criu.log -v2 || rc=$?
	scanned=$(($(scans) - before))
	[ "$rc" -eq 0 ] || grep -hE 'Error|Warn' "$dir/criu.log"
	return "$rc"
}

# A dump that does use the ioctl, or, by way of the fault, does not.
scan_in()
{
	criu_in "$@" && [ "$scanned" -gt 0 ]
}

fallback_in()
{
	CRIU_FAULT=135 criu_in "$@" && [ "$scanned" -eq 0 ]
}

# restore_in DIR WORDS...
restore_in()
{
	local dir=$1

	shift
	taskset 1 criu restore -D "$dir" -o restore.log -v2 -d "$@" && return
	grep -hE 'Error|Warn' "$dir/restore.log"
	return 1
}

# background COMMAND...: sets $pid. On one CPU, also after a restore, as its number
# is in the memory of each process since there is rseq, and would not stand still.
# At the same addresses each time, so that iterations can be compared.
background()
{
	setarch -R taskset 1 setsid "$@" </dev/null >/dev/null 2>wrong &
	pid=$!
	disown
}

# start WORDS...: a heap; sets $pid.
start()
{
	rm -f status
	background "$HEAP" "$@"
	until_true test -e status
}

# ask SIGNAL STATUS: have the heap do something, see what comes of it. One that was
# dumped while it was stopped is stopped when it is restored.
ask()
{
	rm -f status
	kill "-$1" "$pid" && kill -CONT "$pid" && until_true test -e status &&
		grep -x "$2" status && return
	cat status
	head wrong
	return 1
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

finish()
{
	kill -9 "$pid"
	until_true gone "$pid"
	# It must be as long as it was for one that is restored to have it open.
	: >wrong
}

images()
{
	(cd "$1" && ls pages-*.img pagemap-*.img)
}

# same DIR DIR: the same pages, with the same contents, are in both.
same()
{
	local file n=0

	[ "$(images "$1")" = "$(images "$2")" ] || return 1
	for file in $(images "$1"); do
		cmp "$1/$file" "$2/$file" || return 1
		n=$((n + 1))
	done
	[ "$n" -gt 1 ]
}

# One process that stands still is dumped both ways and restored from each.
still()
{
	start 4096
	check "a process is dumped by PAGEMAP_SCAN" \
		scan_in scan dump -t "$pid" --leave-stopped
	check "it is dumped by CRIU's own fallback" \
		fallback_in fallback dump -t "$pid" --leave-stopped
	check "both dumps have the same pages with the same contents" \
		same scan fallback
	finish
	for dir in scan fallback; do
		check "it is restored from the images ($dir)" restore_in $dir
		check "every page is as it was ($dir)" ask USR2 '0 rounds: wrong pages 0'
		check "it goes on to write ($dir)" ask USR1 '1 rounds: wrote 1'
		check "every page is right after that ($dir)" \
			ask USR2 '1 rounds: wrong pages 0'
		finish
	done
	rm -rf scan fallback
}

# images_size DIR: of the pages that are in it.
images_size()
{
	cat "$1"/pages-*.img | wc -c
}

# iterative WAY NAME WORDS...: of a heap of WORDS pre-dumps with writes between
# them, then a dump, and a restore from all of them, which are NAME.1 to NAME.4.
iterative()
{
	local way=$1 name=$2 n

	shift 2
	start "$@"
	check "pre-dump 1 ($name)" "$way"_in "$name.1" pre-dump -t "$pid" --track-mem
	for n in 2 3; do
		ask USR1 "$((n - 1)) rounds: wrote $((n - 1))" >/dev/null
		check "pre-dump $n, after writes ($name)" "$way"_in "$name.$n" \
			pre-dump -t "$pid" --track-mem --prev-images-dir "../$name.$((n - 1))"
	done
	ask USR1 '3 rounds: wrote 3' >/dev/null
	check "dump after the pre-dumps ($name)" "$way"_in "$name.4" dump -t "$pid" \
		--track-mem --prev-images-dir "../$name.3"
	until_true gone "$pid"
	check "it is restored from all of them ($name)" restore_in "$name.4"
	check "every page is as it was written last ($name)" \
		ask USR2 '3 rounds: wrong pages 0'
	check "it goes on to write ($name)" ask USR1 '4 rounds: wrote 4'
	check "every page is right after that ($name)" ask USR2 '4 rounds: wrong pages 0'
	finish
}

# smaller NAME: the later ones have less than half of what the first has.
smaller()
{
	local first later n

	first=$(images_size "$1.1")
	for n in 2 3 4; do
		later=$(images_size "$1.$n")
		echo "$n: $later of $first"
		[ "$later" -gt 0 ] && [ $((later * 2)) -lt "$first" ] || return 1
	done
}

# same_iterations NAME NAME: the same pages were taken each time, and as often from
# the images before. Their contents are not those of one process.
same_iterations()
{
	local n

	for n in 1 2 3 4; do
		[ "$(images_size "$1.$n")" = "$(images_size "$2.$n")" ] || return 1
		cmp "$1.$n"/pagemap-[0-9]*.img "$2.$n"/pagemap-[0-9]*.img || return 1
	done
}

iterations()
{
	iterative scan scan 4096
	iterative fallback fallback 4096
	check "later ones have only what was written" smaller scan
	check "either way took the same pages each time" same_iterations scan fallback
	rm -rf scan.* fallback.*
	iterative scan tracked -t 1024
	rm -rf tracked.*
}

commands()
{
	awk -v n="$KEYS" -v what="$1" 'BEGIN {
		for (i = 1; i <= n; i++)
			print what " key:" i (what == "SET" ? " value:" i * 7919 : "")
	}'
}

acknowledged()
{
	[ "$(grep -cx OK acks)" -ge "$1" ]
}

all_keys()
{
	commands GET | redis-cli >values
	commands SET | awk '{ print $3 }' | cmp - values
}

start_redis()
{
	background redis-server --port 6379 --save '' --appendonly no
	until_true redis-cli ping >/dev/null 2>&1
	redis-benchmark -q -l -c 8 -t set,lpush,hset -r 20000 -d 200 >/dev/null 2>&1 &
	bench=$!
	: >acks
	commands SET | stdbuf -oL redis-cli >acks 2>&1 &
	writer=$!
}

# redis-server under load, checkpointed with its connections; those who wrote to
# it go on by the same connection when it is back.
redis()
{
	local tcp=(--tcp-established --network-lock nftables)

	start_redis
	until_true acknowledged $((KEYS / 10))
	check "pre-dump 1 of redis under load" \
		scan_in redis.1 pre-dump -t "$pid" --track-mem
	until_true acknowledged $((KEYS / 5))
	check "pre-dump 2 of redis" scan_in redis.2 pre-dump -t "$pid" --track-mem \
		--prev-images-dir ../redis.1
	until_true acknowledged $((KEYS / 3))
	check "dump of redis, connections and all" scan_in redis.3 dump -t "$pid" \
		--track-mem --prev-images-dir ../redis.2 "${tcp[@]}"
	until_true gone "$pid"
	echo "# measured: $(grep -cx OK acks) of $KEYS keys were acknowledged by then"
	check "not all keys were acknowledged by then" not acknowledged "$KEYS"
	check "restore of redis" restore_in redis.3 "${tcp[@]}"
	check "its clients go on: the rest is acknowledged" \
		until_true acknowledged "$KEYS"
	check "they had no other answer" not grep -vx OK acks
	check "the load goes on" kill "$bench"
	wait "$writer" "$bench"
	check "every key that was acknowledged is there" all_keys
	check "redis is dumped by PAGEMAP_SCAN and left to stand still" \
		scan_in redis.scan dump -t "$pid" --leave-stopped
	check "redis is dumped by CRIU's own fallback" \
		fallback_in redis.fallback dump -t "$pid" --leave-stopped
	check "both dumps of redis have the same pages with the same contents" \
		same redis.scan redis.fallback
	finish
	rm -rf redis.[123s]* redis.fallback
}

not()
{
	! "$@"
}

# nothing_of OPTION WHAT: what is not there has not to be dumped: not the huge zero
# page, which CRIU's own way takes for data, and not what is only marked as not
# written.
nothing_of()
{
	local kind=$1 what=$2 dir

	start "$kind" 1024
	check "$what: dumped by PAGEMAP_SCAN" \
		scan_in scan dump -t "$pid" --leave-stopped
	check "$what: dumped by CRIU's own fallback" \
		fallback_in fallback dump -t "$pid" --leave-stopped
	finish
	for dir in scan fallback; do
		echo "# measured: $what, $dir: $(images_size $dir) bytes of pages"
	done
	check "$what: less than by the fallback" \
		[ "$(images_size scan)" -lt "$(images_size fallback)" ]
	check "$what: restored" restore_in scan
	check "$what: every page is as it was" ask USR2 '0 rounds: wrong pages 0'
	finish
	rm -rf scan fallback
}

nothing()
{
	nothing_of -z "huge zero pages"
	nothing_of -t "tracked memory"
}

# 256 GiB with some pages in it, as a Go or Java heap may be.
large()
{
	local dir

	start -s $((256 * 1024))
	check "256 GiB, sparse, are dumped by PAGEMAP_SCAN" \
		scan_in scan dump -t "$pid" --leave-stopped
	check "256 GiB, sparse, are dumped by CRIU's own fallback" \
		fallback_in fallback dump -t "$pid" --leave-stopped
	check "both dumps of 256 GiB have the same pages with the same contents" \
		same scan fallback
	for dir in scan fallback; do
		echo "# measured: 256 GiB, $dir: $(cat $dir.time)"
	done
	finish
	check "256 GiB are restored" restore_in scan
	check "every page of 256 GiB is as it was" ask USR2 '0 rounds: wrong pages 0'
	finish
	rm -rf scan fallback
}

mkdir -p "$WORK"
cd "$WORK" || exit
echo 'p:scan pagemap_scan_ioctl' >$TRACING/kprobe_events &&
	echo 1 >$TRACING/events/kprobes/scan/enable
echo "# measured: $(criu --version | tr '\n' ' '), $(redis-server --version), Linux $(uname -r)"
check "criu check is content" criu check || exit 1
check "criu check --feature pagemap_scan: supported" criu check --feature pagemap_scan
[ $# -gt 0 ] || set -- still iterations redis nothing large
for part; do
	$part
done
echo "1..$count"
[ "$failed" -eq 0 ]
