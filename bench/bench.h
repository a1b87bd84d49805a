/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The benchmark: what its files share.
 *
 * A workload has a name; what does it, the scan or one of the older ways, is
 * its way. Each result is a line of six fields, tab-separated:
 *
 *	workload  way  unit  value  units  found
 *
 * value is the time for one unit, in whatever the clock counts (nanoseconds, or
 * instructions under "vm/run -i"), of units that were measured. found is what
 * the workload came upon (regions, pages, faults): kernels that differ in it
 * did not do the same work. A line "# skip workload way reason" says what could
 * not be measured.
 *
 * A time is the least of several tries, each prepared anew, less what the
 * measuring takes by itself. All memory that is not measured stays mapped and
 * touched.
 */
#ifndef _BENCH_H
#define _BENCH_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "memory_kind.h"
#include "pagemap_util.h"

#define KIB	1024UL
#define MIB	(1024 * KIB)
#define GIB	(1024 * MIB)
#define TIB	(1024 * GIB)

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* Ways that more than one file measures. */
#define WAY_SCAN		"scan"
#define WAY_SOFT_DIRTY		"soft-dirty"

/**
 * struct trial - something to measure
 * @prepare: makes what @run needs; not measured; or NULL
 * @run: what is measured; returns what it found, or -errno
 * @data: for both
 * @units: how many of the unit @run does
 * @again: to do it again, not prepared, is what is not to be measured: the
 *	loop around the faults
 */
struct trial {
	void (*prepare)(void *data);
	long (*run)(void *data);
	void *data;
	size_t units;
	bool again;
};

/* main.c */
/* Is it asked for? */
bool wanted(const char *workload);
void unmeasured(const char *workload, const char *way, const char *reason);
/* For what cannot fail unless the program or the kernel is wrong. */
void must(bool good, const char *what);

/* measure.c */
extern unsigned int tries;
__u64 now(void);
void report(const char *workload, const char *way, const char *unit,
	    double value, size_t units, long found);
void measure(const char *workload, const char *way, const char *unit,
	     const struct trial *trial);
int compare_u64(const void *a, const void *b);

/* What each file measures. */
void bench_scan(void);
void bench_shape(void);
void bench_kinds(void);
void bench_growth(void);
void bench_faults(void);
void bench_older(void);
void bench_callers(void);
void bench_wine(void);
void bench_precopy(void);
void bench_lock(void);
void bench_counts(void);

#endif
