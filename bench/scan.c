// SPDX-License-Identifier: GPL-2.0
/*
 * The scan on anonymous memory of base pages: each filter, with and without
 * clearing, and as much of it written as makes a difference.
 */
#include "scan.h"

#define AREA_PAGES	(128 * MIB / 4096)

struct scan_case {
	const char *name;
	struct pattern pattern;
	struct query query;
	bool untracked;
};

struct query_trial {
	struct area *area;
	struct pm_scan_arg arg;
	bool once;
};

struct pm_scan_arg query_arg(const struct query *query,
			     const struct range *range)
{
	return SCAN_OF(range,
		.flags = query->flags,
		.category_inverted = query->inverted,
		.category_mask = query->mask,
		.category_anyof_mask = query->anyof,
		.return_mask = query->ret,
		.vec = query->vec_len ? to_u64(vec_of(query->vec_len)) : 0,
		.vec_len = query->vec_len,
		.max_pages = query->max_pages);
}

static long run_query(void *data)
{
	const struct query_trial *trial = data;

	return scan_range(trial->area->mem.range.pagemap, &trial->arg,
			  trial->once);
}

static void write_pattern(void *data)
{
	const struct query_trial *trial = data;

	area_arm(trial->area);
	area_write(trial->area);
}

void measure_query(const char *workload, const char *unit, struct area *area,
		   const struct query *query)
{
	struct query_trial data = {
		.area = area,
		.arg = query_arg(query, &area->mem.range),
		.once = query->once,
	};
	const struct trial trial = {
		.prepare = query->flags & PM_SCAN_WP_MATCHING ?
			   write_pattern : NULL,
		.run = run_query,
		.data = &data,
		.units = area->mem.range.nr,
	};

	measure(workload, WAY_SCAN, unit, &trial);
}

static const struct scan_case scan_cases[] = {
	{ "get-all", PATTERN_ALL, QUERY_WRITTEN },
	{ "get-all-categories", PATTERN_ALL, {
		.mask = PAGE_IS_WRITTEN, .ret = ALL_CATEGORIES,
		.vec_len = VEC_MAX } },
	{ "criu", PATTERN_ALL, QUERY_CRIU },
	{ "wasmtime", PATTERN_ALL, QUERY_WASMTIME, .untracked = true },
	{ "get-none", PATTERN_NONE, QUERY_WRITTEN },
	{ "get-alternate", PATTERN_ALTERNATE, QUERY_WRITTEN },
	{ "take-all", PATTERN_ALL, QUERY_TAKE },
	{ "take-none", PATTERN_NONE, QUERY_TAKE },
	{ "take-alternate", PATTERN_ALTERNATE, QUERY_TAKE },
	{ "clear-all", PATTERN_ALL, QUERY_CLEAR },
	{ "clear-none", PATTERN_NONE, QUERY_CLEAR },
	{ "get-1%-sequential", { ORDER_SEQUENTIAL, 1 }, QUERY_WRITTEN },
	{ "get-1%-random", { ORDER_RANDOM, 1 }, QUERY_WRITTEN },
	{ "get-10%-sequential", { ORDER_SEQUENTIAL, 10 }, QUERY_WRITTEN },
	{ "get-10%-random", { ORDER_RANDOM, 10 }, QUERY_WRITTEN },
	{ "get-100%-random", { ORDER_RANDOM, 100 }, QUERY_WRITTEN },
	{ "take-1%-sequential", { ORDER_SEQUENTIAL, 1 }, QUERY_TAKE },
	{ "take-1%-random", { ORDER_RANDOM, 1 }, QUERY_TAKE },
	{ "take-10%-sequential", { ORDER_SEQUENTIAL, 10 }, QUERY_TAKE },
	{ "take-10%-random", { ORDER_RANDOM, 10 }, QUERY_TAKE },
	{ "take-100%-random", { ORDER_RANDOM, 100 }, QUERY_TAKE },
};

static void run_case(struct area *area, const struct scan_case *scan)
{
	if (!wanted(scan->name))
		return;
	if (!scan->untracked)
		area_track(area);
	area_pattern(area, scan->pattern);
	if (!scan->untracked)
		area_arm(area);
	area_write(area);
	measure_query(scan->name, "page", area, &scan->query);
	area_untrack(area);
}

void bench_scan(void)
{
	struct area area;
	const char *reason;
	size_t i;

	reason = area_make(&area, &memory_anon, AREA_PAGES, MEMORY_WRITTEN);
	if (reason) {
		unmeasured("scan", WAY_SCAN, reason);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(scan_cases); i++)
		run_case(&area, &scan_cases[i]);
	area_free(&area);
}
