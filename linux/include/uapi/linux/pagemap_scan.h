/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * PAGEMAP_SCAN: find the pages of a process by what they are, and take note of
 * which of them were written, in one step.
 *
 * The ioctl of /proc/PID/pagemap reports the pages of a range of addresses as
 * regions of pages that are alike. It can, at the same time, write-protect the
 * pages that it reports in memory that is registered with a userfaultfd with
 * UFFD_FEATURE_WP_ASYNC, so that the next scan tells which were written since.
 *
 * See Documentation/admin-guide/mm/pagemap_scan.rst.
 */
#ifndef _UAPI_LINUX_PAGEMAP_SCAN_H
#define _UAPI_LINUX_PAGEMAP_SCAN_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* What a page can be. A page is any number of these at a time. */

/* In memory where writes are tracked: WP_ASYNC is registered */
#define PAGE_IS_WPALLOWED	(1 << 0)
/* Written since it was write-protected, or never write-protected */
#define PAGE_IS_WRITTEN		(1 << 1)
/* Not anonymous: a page of a file, or of shared memory */
#define PAGE_IS_FILE		(1 << 2)
/* In memory */
#define PAGE_IS_PRESENT		(1 << 3)
/* In swap, or on its way between two places in memory */
#define PAGE_IS_SWAPPED		(1 << 4)
/* The zero page, small or huge */
#define PAGE_IS_PFNZERO		(1 << 5)
/* Mapped by one entry with others: a transparent huge page, or hugetlb */
#define PAGE_IS_HUGE		(1 << 6)
/* Soft-dirty, where the kernel has that */
#define PAGE_IS_SOFT_DIRTY	(1 << 7)

/* Write-protect the pages that match, where writes are tracked */
#define PM_SCAN_WP_MATCHING	(1 << 0)
/* Fail with EPERM if writes are not tracked in all of the range */
#define PM_SCAN_CHECK_WPASYNC	(1 << 1)

/**
 * struct page_region - pages in a row that have the same categories
 * @start: address of the first page
 * @end: address behind the last page
 * @categories: PAGE_IS_*, those of them that return_mask selects
 */
struct page_region {
	__u64 start;
	__u64 end;
	__u64 categories;
};

/**
 * struct pm_scan_arg - argument of PAGEMAP_SCAN
 * @size: in: size of this struct in bytes, at least 96
 * @flags: in: PM_SCAN_*
 * @start: in: first address, page-aligned
 * @end: in: address behind the last; is rounded up to a page
 * @walk_end: out: where the scan ended: @end, or the first page that matches
 *	and is not in @vec for lack of room; the next call starts there
 * @vec: in: address of an array of struct page_region for the result, or 0
 * @vec_len: in: number of elements of @vec; with 0, @vec is not looked at
 * @max_pages: in: how many pages to report at most; 0 for no limit
 * @category_inverted: in: PAGE_IS_* to invert before they are compared
 * @category_mask: in: PAGE_IS_* of which a page that matches has all
 * @category_anyof_mask: in: PAGE_IS_* of which it has one at least; 0 for any
 * @return_mask: in: PAGE_IS_* to report; pages in a row that do not differ in
 *	these make one region
 */
struct pm_scan_arg {
	__u64 size;
	__u64 flags;
	__u64 start;
	__u64 end;
	__u64 walk_end;
	__u64 vec;
	__u64 vec_len;
	__u64 max_pages;
	__u64 category_inverted;
	__u64 category_mask;
	__u64 category_anyof_mask;
	__u64 return_mask;
};

/*
 * Returns the number of elements of vec that were filled, or -1 and sets errno:
 * EINVAL, EFAULT, EPERM, ENOMEM, ESRCH, E2BIG.
 */
#define PAGEMAP_SCAN	_IOWR('f', 16, struct pm_scan_arg)

#endif /* _UAPI_LINUX_PAGEMAP_SCAN_H */
