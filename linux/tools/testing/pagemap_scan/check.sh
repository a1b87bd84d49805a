#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Run the programs that make has built in a directory, as one stream of TAP.
# Arguments: DIRECTORY SEED RUNS [fuzzer]

set -euo pipefail

dir=$(cd "$1" && pwd)
seed=$2
runs=$3
fuzzer=${4:-}
count=0
failed=0

# result "ok" or "not ok", NAME
result() {
	count=$((count + 1))
	echo "$1 $count $2"
	[ "$1" = ok ] || failed=$((failed + 1))
}

# run NAME COMMAND...: a program may have results of its own; one that has none
# is a result, and so is one that fails without saying what.
run() {
	local name=$1 results=0 bad=0 status=0 output line
	shift
	echo "# $*"
	output=$("$@" 2>&1) || status=$?
	while IFS= read -r line; do
		case $line in
		"ok "*) result ok "${line#ok }" ;;
		"not ok "*) result "not ok" "${line#not ok }"; bad=1 ;;
		*) [ "$status" -eq 0 ] || echo "# ${line#\# }"; continue ;;
		esac
		results=1
	done <<<"$output"

	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		result "not ok" "$name: status $status"
	elif [ "$results" -eq 0 ]; then
		result ok "$name: $runs runs, seed $seed"
	fi
}

echo "TAP version 13"
run kunit "$dir/kunit"
for target in region filter; do
	run "$target, random" "$dir/${target}_random" "$seed" "$runs"
	if [ -n "$fuzzer" ]; then
		run "$target, libFuzzer" "$dir/${target}_fuzz" -seed="$seed" \
			-runs="$runs" -verbosity=0 -artifact_prefix="$dir/"
	else
		result ok "$target, libFuzzer # SKIP the compiler has no libFuzzer"
	fi
done
echo "1..$count"
[ "$failed" -eq 0 ]
