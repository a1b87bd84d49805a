// SPDX-License-Identifier: GPL-2.0
/* Sets of pages; see pages.h */
#include <stdlib.h>

#include "pages.h"
#include "util.h"

static uint64_t overlap(const struct extent *e, uint64_t start, uint64_t end)
{
	const uint64_t from = e->start > start ? e->start : start;
	const uint64_t to = e->end < end ? e->end : end;

	return to > from ? to - from : 0;
}

void extents_add(struct extents *set, uint64_t start, uint64_t end)
{
	struct extent *last = set->nr ? &set->v[set->nr - 1] : NULL;

	if (start >= end)
		return;
	if (last && start <= last->end) {
		if (end > last->end)
			last->end = end;
		return;
	}
	GROW(set->v, set->nr, set->room);
	set->v[set->nr++] = (struct extent) { start, end };
}

void extents_union(struct extents *set, const struct extents *more)
{
	struct extents sum = { };
	size_t i = 0, j = 0;
	const struct extent *next;

	if (!more->nr)
		return;
	while (i < set->nr || j < more->nr) {
		if (j == more->nr || (i < set->nr && set->v[i].start <= more->v[j].start))
			next = &set->v[i++];
		else
			next = &more->v[j++];
		extents_add(&sum, next->start, next->end);
	}
	extents_free(set);
	*set = sum;
}

void extents_clear(struct extents *set)
{
	set->nr = 0;
}

void extents_free(struct extents *set)
{
	free(set->v);
	*set = (struct extents) { };
}

uint64_t extents_pages(const struct extents *set)
{
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < set->nr; i++)
		pages += set->v[i].end - set->v[i].start;
	return pages;
}

size_t extents_after(const struct extents *set, uint64_t page)
{
	size_t low = 0, high = set->nr, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (set->v[middle].end > page)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

uint64_t extents_within(const struct extents *set, uint64_t start, uint64_t end)
{
	uint64_t pages = 0;
	size_t i;

	for (i = extents_after(set, start); i < set->nr && set->v[i].start < end; i++)
		pages += overlap(&set->v[i], start, end);
	return pages;
}

static void dated_add(struct recent *map, uint64_t start, uint64_t end, uint64_t when)
{
	struct dated *last = map->nr ? &map->v[map->nr - 1] : NULL;

	if (start >= end)
		return;
	if (last && last->pages.end == start && last->when == when) {
		last->pages.end = end;
		return;
	}
	GROW(map->v, map->nr, map->room);
	map->v[map->nr++] = (struct dated) { { start, end }, when };
}

/* What of the map the set does not cover. */
static void recent_rest(struct recent *rest, const struct recent *map,
			const struct extents *set)
{
	size_t i, j = 0, k;
	uint64_t at;

	for (i = 0; i < map->nr; i++) {
		const struct dated *old = &map->v[i];

		while (j < set->nr && set->v[j].end <= old->pages.start)
			j++;
		at = old->pages.start;
		for (k = j; k < set->nr && set->v[k].start < old->pages.end; k++) {
			dated_add(rest, at, set->v[k].start, old->when);
			at = set->v[k].end;
		}
		dated_add(rest, at, old->pages.end, old->when);
	}
}

void recent_note(struct recent *map, const struct extents *set, uint64_t when)
{
	struct recent rest = { }, new = { };
	size_t i = 0, j = 0;

	if (!set->nr)
		return;
	recent_rest(&rest, map, set);
	while (i < rest.nr || j < set->nr) {
		if (j == set->nr || (i < rest.nr &&
				     rest.v[i].pages.start < set->v[j].start)) {
			dated_add(&new, rest.v[i].pages.start,
				  rest.v[i].pages.end, rest.v[i].when);
			i++;
			continue;
		}
		dated_add(&new, set->v[j].start, set->v[j].end, when);
		j++;
	}
	recent_free(&rest);
	recent_free(map);
	*map = new;
}

void recent_forget(struct recent *map, uint64_t before)
{
	size_t i, kept = 0;

	for (i = 0; i < map->nr; i++)
		if (map->v[i].when >= before)
			map->v[kept++] = map->v[i];
	map->nr = kept;
}

/* The first that ends above a page. */
static size_t recent_after(const struct recent *map, uint64_t page)
{
	size_t low = 0, high = map->nr, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (map->v[middle].pages.end > page)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

uint64_t recent_pages(const struct recent *map, uint64_t start, uint64_t end,
		      uint64_t since)
{
	uint64_t pages = 0;
	size_t i;

	for (i = recent_after(map, start);
	     i < map->nr && map->v[i].pages.start < end; i++)
		if (map->v[i].when >= since)
			pages += overlap(&map->v[i].pages, start, end);
	return pages;
}

void recent_free(struct recent *map)
{
	free(map->v);
	*map = (struct recent) { };
}
