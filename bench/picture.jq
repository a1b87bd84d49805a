# SPDX-License-Identifier: GPL-2.0
# What bench.gp draws: the workloads of base pages that callers make most of.

["get-all", "get-all-categories", "criu", "wasmtime", "get-none",
 "get-alternate", "take-all", "take-none", "take-alternate", "clear-all",
 "fault-anon"] as $main |
def cell: if . == null then "-" else . end;

.counted[] | select(.workload as $name | $main | index([$name])) |
	[.workload, (.ours | cell), (.mainline | cell),
	 (.older["soft-dirty"] | cell), (.limit | cell)] | @tsv
