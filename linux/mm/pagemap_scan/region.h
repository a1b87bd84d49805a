/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From pages to regions: pages in a row that are alike make one region, and
 * there is a limit to the regions and to the pages.
 *
 * It is asked first what fits, and recorded after: what was recorded is never
 * taken back. Nothing here knows of page tables or of locks, so that it is
 * compiled and tested in userspace as it is.
 */
#ifndef _MM_PAGEMAP_SCAN_REGION_H
#define _MM_PAGEMAP_SCAN_REGION_H

#include <linux/types.h>
#include <linux/pagemap_scan.h>

/**
 * struct pagemap_regions - where the regions go, and how many more may
 * @vec: room for @cap regions, or NULL: then only the pages are counted
 * @nr: how many there are in @vec
 * @cap: how many there can be
 * @page_size: bytes in a page
 * @pages_left: how many pages more may be recorded
 */
struct pagemap_regions {
	struct page_region *vec;
	unsigned int nr;
	unsigned int cap;
	unsigned int page_size;
	__u64 pages_left;
};

__u64 pagemap_regions_fit(const struct pagemap_regions *regions, __u64 start,
			  __u64 nr, __u64 categories);
void pagemap_regions_record(struct pagemap_regions *regions, __u64 start,
			    __u64 nr, __u64 categories);

#endif /* _MM_PAGEMAP_SCAN_REGION_H */
