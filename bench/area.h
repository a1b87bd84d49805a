/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory to measure on: of a kind, tracked or not, with some pages written.
 */
#ifndef _BENCH_AREA_H
#define _BENCH_AREA_H

#include "bench.h"

enum order {
	ORDER_SEQUENTIAL,	/* the first of the area */
	ORDER_RANDOM,		/* anywhere, the same each time */
	ORDER_ALTERNATE,	/* every other one; percent does not count */
};

/* Which units are written after all were armed. */
struct pattern {
	enum order order;
	unsigned int percent;
};

#define PATTERN_NONE		((struct pattern) { .percent = 0 })
#define PATTERN_ALL		((struct pattern) { .percent = 100 })
#define PATTERN_ALTERNATE	((struct pattern) { .order = ORDER_ALTERNATE })

struct area {
	struct memory mem;
	int uffd;		/* or -1: not tracked */
	size_t *units;		/* those to write, in the order to write them */
	size_t nr_units;
};

/* Returns NULL, or why this machine has no such memory. */
const char *area_make(struct area *area, const struct memory_kind *kind,
		      size_t units, enum memory_state state);
void area_track(struct area *area);
void area_untrack(struct area *area);
/* Which units area_write() writes from now on. */
void area_pattern(struct area *area, struct pattern pattern);
void area_arm(struct area *area);
long area_write(const struct area *area);
void area_free(struct area *area);

/* How much memory there is to measure on, in bytes: what fits, or less. */
extern size_t area_limit;
size_t largest_area(void);

/*
 * Memory for what no kind of memory is, always at the same address, so only one
 * at a time; or NULL.
 */
void *map_alone(size_t size, int prot, int flags);

/*
 * A scan from start to end in as many calls as it takes, or in one; returns the
 * number of regions, or -errno.
 */
long scan_range(int pagemap, const struct pm_scan_arg *query, bool once);
/* A vec of as many regions, touched. */
struct page_region *vec_of(size_t len);
#define VEC_MAX		32768

#endif
