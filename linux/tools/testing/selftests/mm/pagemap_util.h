/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of PAGEMAP_SCAN and of UFFD_FEATURE_WP_ASYNC share.
 *
 * The tests speak of pages as sets, written as strings: "" is no page, "2,5-7"
 * is four, counted from the start of the memory under test in its own units
 * (base pages, or hugetlb pages).  A set that could not be made, or a kernel
 * that broke a promise while it was made, gives a string that says so and that
 * is equal to no set.  The strings live in a ring of buffers: use them at once.
 */
#ifndef _SELFTESTS_MM_PAGEMAP_UTIL_H
#define _SELFTESTS_MM_PAGEMAP_UTIL_H

#include <linux/fs.h>
#include <linux/types.h>
#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

/* The numbers of the ABI, for headers older than the feature. */
#include "../../../include/tools/pagemap_scan.h"

#define ALL_CATEGORIES	((PAGE_IS_SOFT_DIRTY << 1) - 1)

/* Bits of an entry of /proc/PID/pagemap. */
#define PAGEMAP_UFFD_WP		57
#define PAGEMAP_SWAPPED		62
#define PAGEMAP_PRESENT		63

/* A stretch of memory whose pages a test talks about. */
struct range {
	char *addr;
	size_t unit;	/* bytes that are written, armed and reported as one */
	size_t nr;	/* how many units */
	int pagemap;	/* /proc/PID/pagemap of the process that has it */
};

/* A struct pm_scan_arg over all of a range; more initialisers may follow. */
#define SCAN_OF(range, ...)						\
	((struct pm_scan_arg) {						\
		.size = sizeof(struct pm_scan_arg),			\
		.start = addr_of(range, 0),				\
		.end = addr_of(range, (range)->nr),			\
		__VA_ARGS__						\
	})

static inline __u64 to_u64(const void *pointer)
{
	return (uintptr_t)pointer;
}

static inline __u64 addr_of(const struct range *range, size_t index)
{
	return to_u64(range->addr) + (__u64)index * range->unit;
}

size_t base_page(void);
size_t pmd_size(void);

/* Why the kernel cannot run the tests at all, or NULL. */
const char *missing_scan(void);
const char *missing_wp_async(void);

/*
 * True on a kernel with mainline's own implementation, where a test that
 * asserts what this series does on purpose otherwise has to say so.
 */
bool mainline_kernel(void);

/* These return what the system call returns, or -errno. */
int pagemap_open(pid_t pid);
int pagemap_scan(int pagemap, struct pm_scan_arg *arg);
int uffd_open(int flags, __u64 features);
int uffd_register(int uffd, const struct range *range, __u64 mode);
int uffd_unregister(int uffd, const struct range *range);
int uffd_writeprotect(int uffd, const struct range *range, bool protect);

/* A uffd as most tests want it: WP_ASYNC, one range registered. */
int uffd_track(const struct range *range, int flags, __u64 features);

/* The pages that a query matches, whatever number of calls that takes. */
const char *pages_matching(const struct range *range,
			   const struct pm_scan_arg *query);
/* The pages that have all of the categories. */
const char *pages_with(const struct range *range, __u64 categories);
const char *pages_written(const struct range *range);
/* The same, and arms them: what the next call reports was written since. */
const char *pages_take(const struct range *range);
/*
 * Takes what was written, in as many calls as it takes, and says each region to
 * somebody, in units from the start of the range.  Returns 0 or -errno.
 */
int pages_take_each(const struct range *range,
		    void (*somebody)(void *data, size_t first, size_t nr),
		    void *data);
/* The pages whose entries in /proc/PID/pagemap have the bit. */
const char *pages_bit(const struct range *range, int bit);
const char *pages_armed(const struct range *range);

/* What to expect: one page, all of them, those that are not in a set. */
const char *pages_one(size_t index);
const char *pages_all(const struct range *range);
const char *pages_not(const struct range *range, const char *set);
bool pages_have(const char *set, size_t index);

/* KiB of this process's page tables, or -1. */
long page_tables(void);

/* A store that no compiler drops. */
void poke(void *addr, char value);
/* A store, away from the first word of the unit; and a load. */
void store(const struct range *range, size_t index);
void load(const struct range *range, size_t index);
void load_all(const struct range *range);

#endif
