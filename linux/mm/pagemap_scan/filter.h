/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which pages a scan is about, by their categories: pure arithmetic.
 *
 * A page matches when, of its categories with those of "inverted" flipped, it
 * has all of "mask", and any of "anyof" unless that is empty. What older
 * versions of the interface called excluded is a category that is both in
 * "inverted" and in "mask".
 */
#ifndef _MM_PAGEMAP_SCAN_FILTER_H
#define _MM_PAGEMAP_SCAN_FILTER_H

#include <linux/types.h>
#include <linux/pagemap_scan.h>

/* All categories that there are */
#define PAGEMAP_SCAN_CATEGORIES	((__u64)(PAGE_IS_SOFT_DIRTY << 1) - 1)

/**
 * struct pagemap_filter - the masks of a request
 * @inverted: categories to flip before they are compared
 * @mask: categories that a page must have, all of them
 * @anyof: categories of which it must have one; 0: it need not
 * @ret: categories to report
 */
struct pagemap_filter {
	__u64 inverted;
	__u64 mask;
	__u64 anyof;
	__u64 ret;
};

/**
 * pagemap_filter_valid - does the filter name only categories that there are?
 * @filter: the filter
 *
 * Return: true if so.
 */
static inline bool pagemap_filter_valid(const struct pagemap_filter *filter)
{
	const __u64 all = filter->inverted | filter->mask | filter->anyof |
			  filter->ret;

	return !(all & ~PAGEMAP_SCAN_CATEGORIES);
}

/**
 * pagemap_filter_match - is the scan about pages of these categories?
 * @filter: the filter
 * @categories: PAGE_IS_*
 *
 * Return: true if so.
 */
static inline bool pagemap_filter_match(const struct pagemap_filter *filter,
					__u64 categories)
{
	const __u64 have = categories ^ filter->inverted;

	if ((have & filter->mask) != filter->mask)
		return false;
	return !filter->anyof || (have & filter->anyof);
}

/**
 * pagemap_filter_may_match - can a page match, of which only some is known?
 * @filter: the filter
 * @known: the categories of which it is known whether the page has them
 * @categories: those of them that it has
 *
 * Return: false if no page like this matches.
 */
static inline bool pagemap_filter_may_match(const struct pagemap_filter *filter,
					    __u64 known, __u64 categories)
{
	const __u64 missing = ~(categories ^ filter->inverted) & known;

	if (missing & filter->mask)
		return false;
	return !filter->anyof || (filter->anyof & ~missing);
}

/**
 * pagemap_filter_wants - which categories make a difference to the result?
 * @filter: the filter
 *
 * Return: PAGE_IS_*
 */
static inline __u64 pagemap_filter_wants(const struct pagemap_filter *filter)
{
	return filter->mask | filter->anyof | filter->ret;
}

#endif /* _MM_PAGEMAP_SCAN_FILTER_H */
