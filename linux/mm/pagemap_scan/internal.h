/* SPDX-License-Identifier: GPL-2.0 */
/*
 * PAGEMAP_SCAN: what its files share.
 *
 * A scan has a request, which does not change, and a cursor, which does. The
 * ioctl calls the walk for one batch after the other; the walk stops at an
 * entry, says why, and goes on from there when it is called again. For each
 * run of pages that match, it
 *
 *	- reserves: asks how many of them there is room for,
 *	- splits: a huge page of which not all is to be armed,
 *	- arms: write-protects them, if that is asked for,
 *	- records them,
 *
 * in this order, so that nothing is ever taken back from the cursor.
 *
 * What is held where, from the outside in:
 *
 *	mm_users		the whole ioctl
 *	mmap_lock, for reading	pagemap_scan_walk(); given up between entries
 *				when somebody waits for it
 *	hugetlb vma lock, r	scan of a hugetlb VMA: keeps shared page tables
 *	mmu notifier		from before the first entry of a page table is
 *				armed until its lock is dropped
 *	page-table lock		one page table, or one huge entry
 */
#ifndef _MM_PAGEMAP_SCAN_INTERNAL_H
#define _MM_PAGEMAP_SCAN_INTERNAL_H

#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/signal.h>
#include <linux/uffd_wp_async.h>
#include <asm/tlb.h>

#include "category.h"
#include "filter.h"
#include "region.h"

/*
 * How many regions are collected before they are copied out: 12 KiB, enough for
 * the cost of a batch not to show.
 */
#define PAGEMAP_SCAN_BATCH	512

/* What a callback returns to end the walk; the cursor knows the reason. */
#define PAGEMAP_WALK_STOP	(-ECANCELED)
/* What the scan of one page table, or one hugetlb page, can ask for instead */
#define PAGEMAP_TABLE_NOTIFY	1	/* announce the rest of it, then go on */
#define PAGEMAP_TABLE_CHANGED	2	/* look what it is now */
#define PAGEMAP_TABLE_MISSING	3	/* there is none to put markers in */

/**
 * struct pagemap_scan_request - what is asked for
 * @mm: the mm to scan; its mm_users is held
 * @start: first address, page-aligned
 * @end: address behind the last, page-aligned, above @start
 * @vec: where the regions go, or NULL
 * @vec_len: how many there may be
 * @max_pages: how many pages may be reported
 * @filter: which pages
 * @wants: the categories that make a difference
 * @arm: write-protect what is reported, where writes are tracked
 * @check: fail where they are not tracked
 */
struct pagemap_scan_request {
	struct mm_struct *mm;
	unsigned long start;
	unsigned long end;
	struct page_region __user *vec;
	u64 vec_len;
	u64 max_pages;
	struct pagemap_filter filter;
	u64 wants;
	bool arm;
	bool check;
};

/**
 * enum pagemap_scan_stop - why the walk came back
 * @PAGEMAP_STOP_DONE: it is at the end
 * @PAGEMAP_STOP_YIELD: somebody else shall have the mmap_lock, or the CPU
 * @PAGEMAP_STOP_DRAIN: uffd_wp_async_drain() may let more pages be armed
 * @PAGEMAP_STOP_FULL: there is no room for another region
 * @PAGEMAP_STOP_LIMIT: there are as many pages as were asked for
 * @PAGEMAP_STOP_HUGETLB: a hugetlb page has more pages than may be reported
 * @PAGEMAP_STOP_ERROR: it failed, see &pagemap_scan_cursor.error
 */
enum pagemap_scan_stop {
	PAGEMAP_STOP_DONE,
	PAGEMAP_STOP_YIELD,
	PAGEMAP_STOP_DRAIN,
	PAGEMAP_STOP_FULL,
	PAGEMAP_STOP_LIMIT,
	PAGEMAP_STOP_HUGETLB,
	PAGEMAP_STOP_ERROR,
};

/**
 * struct pagemap_match - entries that match
 * @alike: which
 * @report: what of their categories is reported
 * @arms: they are to be armed
 * @plain: they are present
 */
struct pagemap_match {
	struct pagemap_alike alike;
	u64 report;
	bool arms;
	bool plain;
};

/**
 * struct pagemap_lesson - what a scan has learned of the entries of a VMA
 * @present: entries that are present and do not match
 * @absent: entries that are not present and do not match
 * @match: entries that match, of two kinds, as such may alternate
 * @last: which of the two the last one was
 */
struct pagemap_lesson {
	struct pagemap_alike present;
	struct pagemap_alike absent;
	struct pagemap_match match[2];
	unsigned int last;
};

/* Nothing yet */
#define PAGEMAP_LESSON_NONE						\
	((struct pagemap_lesson) {					\
		.present = PAGEMAP_ALIKE_NONE,				\
		.absent = PAGEMAP_ALIKE_NONE,				\
		.match[0].alike = PAGEMAP_ALIKE_NONE,			\
		.match[1].alike = PAGEMAP_ALIKE_NONE,			\
	})

/**
 * struct pagemap_scan_cursor - how far the scan is
 * @req: what is asked for
 * @addr: all before this address is done; where a walk goes on
 * @locked_at: @addr when the mmap_lock was taken: until the walk is past it,
 *	it does not yield, so that it gets somewhere
 * @drained: uffd_wp_async_drain() was called for this scan; once is enough
 * @stop: why the walk came back
 * @error: with PAGEMAP_STOP_ERROR: a negative errno
 * @regions: what was found and not copied out yet
 * @class: of the VMA at @addr
 * @lesson: of VMAs of that class
 * @tlb: entries that were armed and not flushed yet, while @gathering
 * @gathering: there may be such; not outside of the mmap_lock
 * @notifier: the range that was announced, while @notified
 * @notified: there is such; not outside of a page table
 */
struct pagemap_scan_cursor {
	const struct pagemap_scan_request *req;
	unsigned long addr;
	unsigned long locked_at;
	bool drained;
	enum pagemap_scan_stop stop;
	int error;
	struct pagemap_regions regions;
	struct pagemap_class class;
	struct pagemap_lesson lesson;
	struct mmu_gather tlb;
	bool gathering;
	struct mmu_notifier_range notifier;
	bool notified;
};

/* walk.c */
void pagemap_scan_walk(struct pagemap_scan_cursor *cursor);
int pagemap_scan_stop(struct pagemap_scan_cursor *cursor,
		      enum pagemap_scan_stop stop);
int pagemap_scan_fail(struct pagemap_scan_cursor *cursor, int error);
bool pagemap_scan_should_yield(const struct pagemap_scan_cursor *cursor);
void pagemap_scan_gather(struct pagemap_scan_cursor *cursor);
void pagemap_scan_flush(struct pagemap_scan_cursor *cursor);
void pagemap_scan_notify(struct pagemap_scan_cursor *cursor, unsigned long end);
void pagemap_scan_end_notify(struct pagemap_scan_cursor *cursor);
int pagemap_scan_arm_range(struct pagemap_scan_cursor *cursor, unsigned long nr);

/**
 * pagemap_scan_reserve - how many of the pages at the cursor are to be taken?
 * @cursor: the cursor, at the first of pages that match
 * @nr: how many match in a row, at least 1
 * @categories: their categories
 *
 * Return: 0 to @nr.
 */
static inline unsigned long
pagemap_scan_reserve(const struct pagemap_scan_cursor *cursor, unsigned long nr,
		     u64 categories)
{
	return pagemap_regions_fit(&cursor->regions, cursor->addr, nr,
				   categories & cursor->req->filter.ret);
}

/**
 * pagemap_scan_full - end the walk, as there is no room for the next page
 * @cursor: the cursor, at that page
 *
 * Return: what a callback has to return.
 */
static inline int pagemap_scan_full(struct pagemap_scan_cursor *cursor)
{
	return pagemap_scan_stop(cursor, cursor->regions.pages_left ?
				 PAGEMAP_STOP_FULL : PAGEMAP_STOP_LIMIT);
}

/**
 * pagemap_scan_record - report the pages at the cursor, and go behind them
 * @cursor: the cursor
 * @nr: how many match in a row
 * @fit: how many of them pagemap_scan_reserve() has room for
 * @categories: their categories
 *
 * Return: 0, or PAGEMAP_WALK_STOP if there was not room for all.
 */
static inline int
pagemap_scan_record(struct pagemap_scan_cursor *cursor, unsigned long nr,
		    unsigned long fit, u64 categories)
{
	pagemap_regions_record(&cursor->regions, cursor->addr, fit,
			       categories & cursor->req->filter.ret);
	cursor->addr += fit << PAGE_SHIFT;
	return fit < nr ? pagemap_scan_full(cursor) : 0;
}

/* Does this page, which matches, have to be armed? */
static inline bool pagemap_scan_arms(const struct pagemap_scan_cursor *cursor,
				     u64 categories)
{
	return cursor->req->arm && (categories & PAGE_IS_WRITTEN);
}

/* Must somebody be told before an entry is armed, who is not told yet? */
static inline bool
pagemap_scan_must_notify(const struct pagemap_scan_cursor *cursor)
{
	return !cursor->notified && mm_has_notifiers(cursor->req->mm);
}

/* Is it worth to wait for all CPUs before the page is armed? */
static inline bool
pagemap_scan_must_drain(const struct pagemap_scan_cursor *cursor,
			struct page *page)
{
	return !cursor->drained &&
	       uffd_wp_async_wants_drain(cursor->class.vma, page);
}

/* ptes.c */
int pagemap_scan_ptes(struct pagemap_scan_cursor *cursor, pmd_t *pmd,
		      unsigned long end);

/* hugetlb.c */
#ifdef CONFIG_HUGETLB_PAGE
int pagemap_scan_hugetlb(struct pagemap_scan_cursor *cursor, unsigned long end);
#else
static inline int pagemap_scan_hugetlb(struct pagemap_scan_cursor *cursor,
				       unsigned long end)
{
	return 0;
}
#endif

#endif /* _MM_PAGEMAP_SCAN_INTERNAL_H */
