// SPDX-License-Identifier: GPL-2.0
/*
 * Memory to measure on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "area.h"

size_t area_limit;

const char *area_make(struct area *area, const struct memory_kind *kind,
		      size_t units, enum memory_state state)
{
	struct memory_kind *sized = malloc(sizeof(*sized));
	const char *reason;

	must(sized, "malloc");
	*sized = *kind;
	sized->nr = units;
	area->uffd = -1;
	area->units = NULL;
	area->nr_units = 0;
	reason = memory_make(&area->mem, sized, state);
	if (reason)
		free(sized);
	return reason;
}

void area_track(struct area *area)
{
	area->uffd = uffd_track(&area->mem.range, 0, 0);
	must(area->uffd >= 0, "UFFDIO_REGISTER");
}

void area_untrack(struct area *area)
{
	if (area->uffd >= 0)
		close(area->uffd);
	area->uffd = -1;
}

void area_free(struct area *area)
{
	const struct memory_kind *sized = area->mem.kind;

	area_untrack(area);
	memory_free(&area->mem);
	free((void *)sized);
	free(area->units);
	area->units = NULL;
}

/* Far from all else: it shares no page table with anything. */
#define ALONE_AT		(16 * TIB)

/* xorshift: the same numbers everywhere, whatever the C library. */
static __u64 random_below(__u64 limit)
{
	static __u64 state = 0x2545f4914f6cdd1dULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % limit;
}

static void shuffle(size_t *units, size_t nr)
{
	size_t i, other, unit;

	for (i = nr; i > 1; i--) {
		other = random_below(i);
		unit = units[i - 1];
		units[i - 1] = units[other];
		units[other] = unit;
	}
}

void area_pattern(struct area *area, struct pattern pattern)
{
	const size_t nr = area->mem.range.nr;
	const size_t step = pattern.order == ORDER_ALTERNATE ? 2 : 1;
	size_t i;

	free(area->units);
	area->units = malloc(nr * sizeof(*area->units));
	must(area->units, "malloc");
	for (i = 0; i < nr / step; i++)
		area->units[i] = i * step;
	if (pattern.order == ORDER_RANDOM)
		shuffle(area->units, nr);
	area->nr_units = step > 1 ? nr / step : nr * pattern.percent / 100;
}

void area_arm(struct area *area)
{
	must(!uffd_writeprotect(area->uffd, &area->mem.range, true),
	     "UFFDIO_WRITEPROTECT");
}

long area_write(const struct area *area)
{
	const struct range *range = &area->mem.range;
	const size_t middle = range->unit / 2;
	size_t i;

	for (i = 0; i < area->nr_units; i++)
		poke(range->addr + area->units[i] * range->unit + middle, 0x5a);
	return area->nr_units;
}

void *map_alone(size_t size, int prot, int flags)
{
	void *addr = mmap((void *)ALONE_AT, size, prot,
			  flags | MAP_FIXED_NOREPLACE, -1, 0);

	return addr == MAP_FAILED ? NULL : addr;
}

struct page_region *vec_of(size_t len)
{
	static struct page_region *vec;

	must(len <= VEC_MAX, "vec too long");
	if (!vec) {
		vec = mmap(NULL, VEC_MAX * sizeof(*vec), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		must(vec != MAP_FAILED, "mmap of the vec");
	}
	return vec;
}

long scan_range(int pagemap, const struct pm_scan_arg *query, bool once)
{
	const struct page_region *vec = (void *)(unsigned long)query->vec;
	struct pm_scan_arg arg = *query;
	__u64 next;
	long found = 0;
	int ret;

	do {
		ret = pagemap_scan(pagemap, &arg);
		if (ret < 0)
			return ret;
		found += ret;
		/*
		 * A vec with room left was not full; walk_end does not tell
		 * that everywhere: mainline's can be a stale one.
		 */
		if (once || (__u64)ret < arg.vec_len || !arg.vec_len)
			break;
		next = vec[ret - 1].end;
		arg.start = arg.walk_end > next ? arg.walk_end : next;
	} while (arg.start < arg.end);
	return found;
}

size_t largest_area(void)
{
	unsigned long kib = 0;
	size_t fits;
	char line[128];
	FILE *file;

	file = fopen("/proc/meminfo", "r");
	must(file, "/proc/meminfo");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %lu", &kib) == 1)
			break;
	fclose(file);
	/* Page tables, and what the machine does meanwhile, need some, too. */
	fits = kib * KIB / 4 * 3;
	return area_limit && area_limit < fits ? area_limit : fits;
}
