// SPDX-License-Identifier: GPL-2.0
/*
 * The scan on memory that is not anonymous base pages.
 */
#include <sys/mman.h>

#include "scan.h"
#include "swap_area.h"

#define SWAP_PAGES	8192
#define SWAP_SIZE	(SWAP_PAGES * 4096 * 2UL)

struct kind_case {
	const char *name;
	const struct memory_kind *kind;
	enum memory_state state;
	size_t units;
	const char *unit;
	size_t per_unit;	/* entries of the kind in one unit */
	bool tracked;
	struct pattern pattern;
	struct query query;
};

#define PRIVATE_FILE(_name, _state, ...)				\
	{ _name, &memory_file_private, _state, 8192, "page", 1, __VA_ARGS__ }
#define SHARED_FILE(_name, ...)						\
	{ _name, &memory_file_shared, MEMORY_READ, 8192, "page", 1, __VA_ARGS__ }
/* 256 MiB, as huge pages: a transparent one has 512 units. */
#define THP(_name, ...)							\
	{ _name, &memory_anon_thp, MEMORY_WRITTEN, 128 * 512, "huge", 512, \
	  __VA_ARGS__ }
#define HUGETLB(_name, ...)						\
	{ _name, &memory_hugetlb_private, MEMORY_WRITTEN, 128, "huge", 1, \
	  __VA_ARGS__ }

static const struct kind_case kind_cases[] = {
	PRIVATE_FILE("file-private-criu", MEMORY_READ, false, PATTERN_NONE,
		     QUERY_CRIU),
	PRIVATE_FILE("file-private-copied-criu", MEMORY_WRITTEN, false,
		     PATTERN_NONE, QUERY_CRIU),
	PRIVATE_FILE("file-private-half-copied-criu", MEMORY_READ, false,
		     PATTERN_ALTERNATE, QUERY_CRIU),
	SHARED_FILE("file-shared-criu", false, PATTERN_NONE, QUERY_CRIU),
	SHARED_FILE("file-shared-take-all", true, PATTERN_ALL, QUERY_TAKE),
	SHARED_FILE("file-shared-get-none", true, PATTERN_NONE, QUERY_WRITTEN),
	{ "shmem-take-all", &memory_memfd_shared, MEMORY_WRITTEN, 8192, "page",
	  1, true, PATTERN_ALL, QUERY_TAKE },
	THP("thp-get-all", true, PATTERN_ALL, QUERY_WRITTEN),
	THP("thp-get-none", true, PATTERN_NONE, QUERY_WRITTEN),
	THP("thp-criu", false, PATTERN_ALL, QUERY_CRIU),
	THP("thp-wasmtime", false, PATTERN_ALL, QUERY_WASMTIME),
	HUGETLB("hugetlb-get-all", true, PATTERN_ALL, QUERY_WRITTEN),
	HUGETLB("hugetlb-get-none", true, PATTERN_NONE, QUERY_WRITTEN),
	HUGETLB("hugetlb-take-all", true, PATTERN_ALL, QUERY_TAKE),
	HUGETLB("hugetlb-take-none", true, PATTERN_NONE, QUERY_TAKE),
	HUGETLB("hugetlb-criu", false, PATTERN_ALL, QUERY_CRIU),
};

/* Huge pages that stay huge: no write after arming, which would split them. */
static bool keep_huge(const struct kind_case *kind)
{
	return kind->kind->thp;
}

struct kind_trial {
	struct area *area;
	struct pm_scan_arg arg;
	bool unarm;
	bool rewrite;
};

static void prepare_kind(void *data)
{
	const struct kind_trial *trial = data;
	struct area *area = trial->area;

	if (trial->unarm)
		must(!uffd_writeprotect(area->uffd, &area->mem.range, false),
		     "UFFDIO_WRITEPROTECT");
	if (!trial->rewrite)
		return;
	area_arm(area);
	area_write(area);
}

static long run_kind(void *data)
{
	const struct kind_trial *trial = data;

	return scan_range(trial->area->mem.range.pagemap, &trial->arg, false);
}

static void measure_kind(const struct kind_case *kind)
{
	struct area area;
	struct kind_trial data = { .area = &area };
	const struct trial trial = {
		.prepare = prepare_kind,
		.run = run_kind,
		.data = &data,
		.units = kind->units / kind->per_unit,
	};
	const bool takes = kind->query.flags & PM_SCAN_WP_MATCHING;
	const char *reason;

	if (!wanted(kind->name))
		return;
	reason = area_make(&area, kind->kind, kind->units, kind->state);
	if (reason) {
		unmeasured(kind->name, WAY_SCAN, reason);
		return;
	}
	area_pattern(&area, kind->pattern);
	if (kind->tracked) {
		area_track(&area);
		if (!keep_huge(kind) || !area.nr_units)
			area_arm(&area);
	}
	if (!keep_huge(kind))
		area_write(&area);
	data.arg = query_arg(&kind->query, &area.mem.range);
	data.rewrite = takes && !keep_huge(kind);
	measure(kind->name, WAY_SCAN, kind->unit, &trial);
	area_free(&area);
}

/* Arming huge pages as they are: what was armed is made written, not written to. */
static void measure_thp_take(void)
{
	struct area area;
	struct kind_trial data = { .area = &area, .unarm = true };
	const struct query take = QUERY_TAKE;
	const struct trial trial = {
		.prepare = prepare_kind,
		.run = run_kind,
		.data = &data,
		.units = 128,
	};
	const char *reason;

	if (!wanted("thp-take-all"))
		return;
	reason = area_make(&area, &memory_anon_thp, 128 * 512, MEMORY_WRITTEN);
	if (reason) {
		unmeasured("thp-take-all", WAY_SCAN, reason);
		return;
	}
	area_track(&area);
	data.arg = query_arg(&take, &area.mem.range);
	measure("thp-take-all", WAY_SCAN, "huge", &trial);
	area_arm(&area);
	data.unarm = false;
	measure("thp-take-none", WAY_SCAN, "huge", &trial);
	area_free(&area);
}

static const char *swap_out(struct area *area)
{
	const struct query swapped = {
		.mask = PAGE_IS_SWAPPED, .ret = PAGE_IS_SWAPPED, .vec_len = 2,
	};
	const struct range *range = &area->mem.range;
	const size_t size = range->nr * range->unit;
	const struct page_region *vec = vec_of(2);
	struct pm_scan_arg arg = query_arg(&swapped, range);
	int i;

	/* What was written a moment ago may be on a list that is not looked at. */
	for (i = 0; i < 10; i++) {
		madvise(range->addr, size, MADV_PAGEOUT);
		if (pagemap_scan(range->pagemap, &arg) == 1 &&
		    vec[0].start == arg.start && vec[0].end == arg.end)
			return NULL;
	}
	return "the kernel does not swap it all out";
}

static void measure_swap(void)
{
	struct query all = { .mask = PAGE_IS_SWAPPED, .ret = PAGE_IS_SWAPPED,
			     .vec_len = VEC_MAX };
	struct swap_area swap;
	struct area area;
	const char *reason;

	reason = swap_area_on(&swap, SWAP_SIZE);
	if (reason) {
		unmeasured("swap-*", WAY_SCAN, reason);
		return;
	}
	reason = area_make(&area, &memory_anon, SWAP_PAGES, MEMORY_WRITTEN);
	must(!reason, reason);
	reason = swap_out(&area);
	if (reason) {
		unmeasured("swap-*", WAY_SCAN, reason);
		goto out;
	}
	measure_query("swap-get", "page", &area, &all);
	measure_query("swap-criu", "page", &area, &QUERY_CRIU);
	area_track(&area);
	measure_query("swap-get-written", "page", &area, &QUERY_WRITTEN);
	area_arm(&area);
	measure_query("swap-get-none", "page", &area, &QUERY_WRITTEN);
out:
	area_free(&area);
	swap_area_off(&swap);
}

void bench_kinds(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kind_cases); i++)
		measure_kind(&kind_cases[i]);
	measure_thp_take();
	measure_swap();
}
