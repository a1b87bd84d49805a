/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Scans as callers make them, to be measured on memory of any kind.
 */
#ifndef _BENCH_SCAN_H
#define _BENCH_SCAN_H

#include "area.h"

/**
 * struct query - a scan, without its range
 * @flags, @inverted, @mask, @anyof, @ret: as in struct pm_scan_arg
 * @vec_len: 0 for no vec
 * @max_pages: 0 for no limit
 * @once: one call, whether it comes to the end or not
 */
struct query {
	__u64 flags;
	__u64 inverted;
	__u64 mask;
	__u64 anyof;
	__u64 ret;
	size_t vec_len;
	__u64 max_pages;
	bool once;
};

/* Which pages were written? */
#define QUERY_WRITTEN							\
	((struct query) { .mask = PAGE_IS_WRITTEN,			\
		.ret = PAGE_IS_WRITTEN, .vec_len = VEC_MAX })
/* The same, and from now on? */
#define QUERY_TAKE							\
	((struct query) { .flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC, \
		.mask = PAGE_IS_WRITTEN, .ret = PAGE_IS_WRITTEN,	\
		.vec_len = VEC_MAX })
/* Forget which were written. */
#define QUERY_CLEAR							\
	((struct query) { .flags = PM_SCAN_WP_MATCHING,			\
		.mask = PAGE_IS_WRITTEN, .ret = PAGE_IS_WRITTEN })
/* CRIU: what must be dumped? */
#define QUERY_CRIU							\
	((struct query) { .inverted = PAGE_IS_PFNZERO | PAGE_IS_FILE,	\
		.mask = PAGE_IS_PFNZERO | PAGE_IS_FILE,			\
		.anyof = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,		\
		.ret = PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_SOFT_DIRTY, \
		.vec_len = VEC_MAX })
/* wasmtime: what must be reset, at most so much of it? */
#define QUERY_WASMTIME							\
	((struct query) { .inverted = PAGE_IS_PFNZERO | PAGE_IS_FILE,	\
		.mask = PAGE_IS_WRITTEN | PAGE_IS_PRESENT |		\
			PAGE_IS_PFNZERO | PAGE_IS_FILE,			\
		.vec_len = 32, .max_pages = 1UL << 40 })
/* What is there? */
#define QUERY_PRESENT							\
	((struct query) { .mask = PAGE_IS_PRESENT,			\
		.ret = PAGE_IS_PRESENT, .vec_len = VEC_MAX })

struct pm_scan_arg query_arg(const struct query *query,
			     const struct range *range);
/* Measures it on an area; if it arms, the pattern is written before each try. */
void measure_query(const char *workload, const char *unit, struct area *area,
		   const struct query *query);

#endif
