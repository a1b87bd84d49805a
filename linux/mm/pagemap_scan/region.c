// SPDX-License-Identifier: GPL-2.0
/*
 * From pages to regions: see region.h
 */
#include "region.h"

/* The last region, if a page at start with these categories belongs to it. */
static struct page_region *region_to_extend(const struct pagemap_regions *regions,
					    __u64 start, __u64 categories)
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
__u64 pagemap_regions_fit(const struct pagemap_regions *regions, __u64 start,
			  __u64 nr, __u64 categories)
{
	if (regions->vec && regions->nr == regions->cap &&
	    !region_to_extend(regions, start, categories))
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
void pagemap_regions_record(struct pagemap_regions *regions, __u64 start,
			    __u64 nr, __u64 categories)
{
	struct page_region *region;

	if (!nr)
		return;
	regions->pages_left -= nr;
	if (!regions->vec)
		return;

	region = region_to_extend(regions, start, categories);
	if (!region) {
		region = &regions->vec[regions->nr++];
		region->start = start;
		region->categories = categories;
	}
	region->end = start + nr * regions->page_size;
}
