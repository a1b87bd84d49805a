/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sets of pages as sorted, disjoint extents of page numbers, and when each page
 * was last seen written. Pure arithmetic: the unit tests cover it.
 */
#ifndef PAGESCAN_PAGES_H
#define PAGESCAN_PAGES_H

#include <stddef.h>
#include <stdint.h>

/* Pages from start to before end. */
struct extent {
	uint64_t start;
	uint64_t end;
};

struct extents {
	struct extent *v;
	size_t nr;
	size_t room;
};

/* Adds behind the others, and joins what touches; start is not below the last. */
void extents_add(struct extents *set, uint64_t start, uint64_t end);
/* Adds all of another set. */
void extents_union(struct extents *set, const struct extents *more);
void extents_clear(struct extents *set);
void extents_free(struct extents *set);
uint64_t extents_pages(const struct extents *set);
/* How many of its pages are within start to end. */
uint64_t extents_within(const struct extents *set, uint64_t start, uint64_t end);
/* The first extent that ends above a page; nr if none does. */
size_t extents_after(const struct extents *set, uint64_t page);

/* Extents with the time when their pages were last written. */
struct dated {
	struct extent pages;
	uint64_t when;
};

struct recent {
	struct dated *v;
	size_t nr;
	size_t room;
};

/* The pages of the set were written, at a time not before any other. */
void recent_note(struct recent *map, const struct extents *set, uint64_t when);
/* Forget what was last written before that time. */
void recent_forget(struct recent *map, uint64_t before);
/* How many pages within start to end were written at that time or later. */
uint64_t recent_pages(const struct recent *map, uint64_t start, uint64_t end,
		      uint64_t since);
void recent_free(struct recent *map);

#endif
