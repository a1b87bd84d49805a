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

/* The last region, if a page at start with these categories belongs to it. */
static inline struct page_region *
pagemap_region_to_extend(const struct pagemap_regions *regions, __u64 start,
			 __u64 categories)
{
	struct page_region *last;

	if (!regions->nr)
		return NULL;
	last = &regions->vec[regions->nr - 1];
	if (last->end != start || last->categories != categories)
		return NULL;
	return last;
}

/**
 * pagemap_regions_fit - how many of some pages may be recorded?
 * @regions: the regions so far
 * @start: address of the first page; behind all that was recorded
 * @nr: how many pages in a row
 * @categories: what is to be reported of each
 *
 * Return: how many of the pages, from the first, there is room for: 0 to @nr.
 */
static inline __u64
pagemap_regions_fit(const struct pagemap_regions *regions, __u64 start,
		    __u64 nr, __u64 categories)
{
	if (regions->vec && regions->nr == regions->cap &&
	    !pagemap_region_to_extend(regions, start, categories))
		return 0;
	return nr < regions->pages_left ? nr : regions->pages_left;
}

/**
 * pagemap_regions_record - record pages
 * @regions: the regions so far
 * @start: address of the first page; behind all that was recorded
 * @nr: how many pages in a row, no more than pagemap_regions_fit() said
 * @categories: what is to be reported of each
 */
static inline void
pagemap_regions_record(struct pagemap_regions *regions, __u64 start, __u64 nr,
		       __u64 categories)
{
	struct page_region *region;

	if (!nr)
		return;
	regions->pages_left -= nr;
	if (!regions->vec)
		return;

	region = pagemap_region_to_extend(regions, start, categories);
	if (!region) {
		region = &regions->vec[regions->nr++];
		region->start = start;
		region->categories = categories;
	}
	region->end = start + nr * regions->page_size;
}

/**
 * pagemap_regions_next - where to put regions that are no part of the last one
 * @regions: the regions so far, with &pagemap_regions.vec
 *
 * The short way, where short runs follow one another: who knows that there are
 * other pages before each of them, and that no limit is in reach, may put them
 * there himself, up to pagemap_regions_full(), and then say so.
 *
 * Return: the place of the next region.
 */
static inline struct page_region *
pagemap_regions_next(const struct pagemap_regions *regions)
{
	return regions->vec + regions->nr;
}

/**
 * pagemap_regions_full - where the room for regions ends
 * @regions: the regions so far, with &pagemap_regions.vec
 *
 * Return: behind the last place.
 */
static inline struct page_region *
pagemap_regions_full(const struct pagemap_regions *regions)
{
	return regions->vec + regions->cap;
}

/**
 * pagemap_regions_appended - regions were put at pagemap_regions_next()
 * @regions: the regions before
 * @next: behind the last that was put there
 * @nr: how many pages they have, no more than &pagemap_regions.pages_left
 */
static inline void
pagemap_regions_appended(struct pagemap_regions *regions,
			 const struct page_region *next, __u64 nr)
{
	regions->nr = next - regions->vec;
	regions->pages_left -= nr;
}

#endif /* _MM_PAGEMAP_SCAN_REGION_H */
