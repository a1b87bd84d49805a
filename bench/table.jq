# SPDX-License-Identifier: GPL-2.0
# The table, tab-separated: workload, unit, ours, mainline, ratio, limit, the
# older ways. Before each part a line of one field that says what it is.

def cell: if . == null then "-" else tostring end;

def rows: .[] | [.workload + (if .same_found == false then "*" else "" end),
	.unit, (.ours | cell), (.mainline | cell), (.ratio | cell),
	(.limit | cell),
	([.older | to_entries[] | "\(.key) \(.value)"] | join(", "))] | @tsv;

def part($title): if length > 0 then $title,
	(["workload", "per", "ours", "mainline", "ratio", "limit", "older ways"] | @tsv),
	rows else empty end;

.unit as $unit |
(.counted | part("In \($unit):")),
(.clocked | part("By the clock, in nanoseconds, if the workload does not say otherwise:")),
(if [.counted[], .clocked[]] | any(.same_found == false)
	then "* the kernels did not find the same" else empty end),
(.skipped | to_entries[] | .key as $kernel | .value[] |
	"not measured, \($kernel): \(.workload), \(.way): \(.reason)")
