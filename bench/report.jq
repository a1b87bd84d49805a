# SPDX-License-Identifier: GPL-2.0
# Put together the lines of the benchmark (see bench.h), of ours and mainline's,
# each as counted and as clocked, and what is known of versions.

# Two runs differ by some instructions, which hardly shows in these digits.
def digits: if . == 0 then 0 else
	(fabs | log10 | floor) as $size |
	if $size < 2 then pow(10; 2 - $size) as $scale | (. * $scale | round) / $scale
	else pow(10; $size - 2) as $step | (. / $step | round) * $step end end;

def lines($text): $text | split("\n") | map(split("\t"));

def results($text): lines($text) |
	map(select(length == 6) | {workload: .[0], way: .[1], unit: .[2],
		value: (.[3] | tonumber | digits), units: (.[4] | tonumber),
		found: (.[5] | tonumber)});

def skips($text): lines($text) |
	map(select(.[0] == "# skip") | {workload: .[1], way: .[2], reason: .[3]});

def kernel($text): first(lines($text)[] | select(.[0] == "# kernel") | .[1]) // null;

def first_of($list; $workload): first($list[] | select(.workload == $workload)) // null;

def ratio: if .ours and .mainline and .ours.value > 0
	then .mainline.value / .ours.value | digits else null end;

# In the order they were measured, each workload once.
def workloads: reduce .[].workload as $name ([];
	if index([$name]) then . else . + [$name] end);

def merge($ours; $mainline):
	results($ours) as $all | results($mainline) as $theirs |
	($all | map(select(.way == "scan"))) as $scans |
	($theirs | map(select(.way == "scan"))) as $theirscans |
	first_of($all + $theirs; "limit") as $limit |
	[($all + $theirs | workloads)[] | select(. != "limit") | . as $name |
		(first_of($all + $theirs; $name)) as $any |
		{workload: $name, unit: $any.unit, units: $any.units,
		 ours: first_of($scans; $name),
		 mainline: first_of($theirscans; $name)} |
		. + {ratio: ratio,
		     limit: (if .unit == "page" and ($limit | type) == "object"
			then $limit.value else null end),
		     same_found: (if .ours and .mainline
			then .ours.found == .mainline.found else null end),
		     older: ([(if $all == [] then $theirs else $all end)[] |
			select(.workload == $name and .way != "scan") |
			{(.way): .value}] | add // {})} |
		.found = (.ours // .mainline).found |
		.ours = .ours.value | .mainline = .mainline.value];

. + {
	kernels: {ours: kernel($ours), mainline: kernel($mainline)},
	unit: $unit,
	counted: merge($ours; $mainline),
	clocked: merge($ours_clock; $mainline_clock),
	skipped: {ours: (skips($ours) + skips($ours_clock)),
		mainline: (skips($mainline) + skips($mainline_clock))}
}
