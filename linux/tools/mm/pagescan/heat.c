// SPDX-License-Identifier: GPL-2.0
/* A recording as a picture; see heat.h */
#include <math.h>
#include <stdlib.h>

#include "heat.h"
#include "util.h"

/* What is written with less than this between is one band, to begin with. */
#define FOLD_PAGES	16

static void clip(struct extents *set, const struct extent *within)
{
	struct extents clipped = { };
	size_t i;

	for (i = 0; i < set->nr; i++) {
		uint64_t start = set->v[i].start, end = set->v[i].end;

		if (start < within->start)
			start = within->start;
		if (end > within->end)
			end = within->end;
		extents_add(&clipped, start, end);
	}
	extents_free(set);
	*set = clipped;
}

static void make_bands(struct heat *heat, const struct extents *all, uint64_t fold)
{
	struct heat_band *last;
	size_t i;

	heat->nr_bands = 0;
	for (i = 0; i < all->nr; i++) {
		last = heat->nr_bands ? &heat->bands[heat->nr_bands - 1] : NULL;
		if (last && all->v[i].start - last->pages.end < fold) {
			last->pages.end = all->v[i].end;
			continue;
		}
		GROW(heat->bands, heat->nr_bands, heat->room_bands);
		heat->bands[heat->nr_bands++] = (struct heat_band) { .pages = all->v[i] };
	}
}

/* Give each band its rows; how many there are. */
static size_t place_bands(struct heat *heat)
{
	size_t i, row = 0;

	for (i = 0; i < heat->nr_bands; i++) {
		struct heat_band *band = &heat->bands[i];

		band->first_row = row;
		band->rows = (band->pages.end - band->pages.start + heat->row_pages - 1) /
			     heat->row_pages;
		row += band->rows;
	}
	return row;
}

void heat_looks(const struct heat *heat, size_t column, size_t *first, size_t *last)
{
	*first = column * heat->rec->nr / heat->columns;
	*last = (column + 1) * heat->rec->nr / heat->columns;
}

static double cell(const struct heat *heat, const struct heat_band *band, size_t row,
		   size_t column)
{
	const uint64_t start = band->pages.start + row * heat->row_pages;
	uint64_t end = start + heat->row_pages;
	size_t first, last, i;
	uint64_t pages = 0;

	if (end > band->pages.end)
		end = band->pages.end;
	heat_looks(heat, column, &first, &last);
	for (i = first; i < last; i++)
		pages += extents_within(&heat->rec->samples[i].written, start, end);
	return (double)pages / (last - first);
}

static void fill(struct heat *heat)
{
	size_t i, row, column;
	double value, *at;

	heat->cells = xcalloc(heat->rows * heat->columns, sizeof(*heat->cells));
	at = heat->cells;
	for (i = 0; i < heat->nr_bands; i++) {
		for (row = 0; row < heat->bands[i].rows; row++) {
			for (column = 0; column < heat->columns; column++) {
				value = cell(heat, &heat->bands[i], row, column);
				*at++ = value;
				if (value > heat->most)
					heat->most = value;
				if (value > 0 && (!heat->least || value < heat->least))
					heat->least = value;
			}
		}
	}
}

void heat_make(struct heat *heat, const struct recording *rec, size_t rows,
	       size_t columns, const struct extent *within)
{
	struct extents all = { };
	uint64_t fold = FOLD_PAGES;

	*heat = (struct heat) { .rec = rec, .row_pages = 1 };
	recording_union(rec, &all);
	if (within)
		clip(&all, within);
	if (!all.nr)
		return;
	make_bands(heat, &all, fold);
	while (heat->nr_bands > rows / 2 && heat->nr_bands > 1) {
		fold *= 2;
		make_bands(heat, &all, fold);
	}
	extents_free(&all);
	while ((heat->rows = place_bands(heat)) > rows && heat->rows > heat->nr_bands)
		heat->row_pages *= 2;
	heat->columns = rec->nr < columns ? rec->nr : columns;
	fill(heat);
}

void heat_free(struct heat *heat)
{
	free(heat->bands);
	free(heat->cells);
	*heat = (struct heat) { };
}

int heat_level(const struct heat *heat, size_t row, size_t column)
{
	const double value = heat->cells[row * heat->columns + column];
	double part = 1;

	if (value <= 0)
		return 0;
	if (heat->most > heat->least)
		part = log(value / heat->least) / log(heat->most / heat->least);
	return 1 + (int)lround(part * (HEAT_LEVELS - 1));
}

const struct vma *heat_vma(const struct heat *heat, const struct heat_band *band)
{
	const struct recording *rec = heat->rec;
	const uint64_t addr = band->pages.start * rec->head.page_size;
	const struct vma *vma;
	size_t i;

	for (i = rec->nr_maps; i--; ) {
		vma = maps_find(&rec->maps[i], addr);
		if (vma)
			return vma;
	}
	return NULL;
}
