/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recording as a picture: addresses against time, and how much was written.
 *
 * Only what was written is shown. The addresses between are folded: bands of
 * memory that are written, one below the other, each of one row or more; what is
 * between two bands was not written. All rows have the same number of pages, but
 * for the last of a band. A column is one or more looks.
 *
 * A cell has the pages of it that were written, a look. Its level, 1 to
 * HEAT_LEVELS, is where that is between the least and the most of all cells, on
 * a logarithmic scale: so whatever was written is seen.
 */
#ifndef PAGESCAN_HEAT_H
#define PAGESCAN_HEAT_H

#include "recording.h"

#define HEAT_LEVELS	9

struct heat_band {
	struct extent pages;
	size_t first_row;
	size_t rows;
};

struct heat {
	struct heat_band *bands;
	size_t nr_bands;
	size_t room_bands;
	size_t rows;
	size_t columns;
	uint64_t row_pages;
	double *cells;		/* rows times columns; 0: not written */
	double least;
	double most;
	const struct recording *rec;
};

/*
 * At most so many rows and columns; the pages of within alone if that is not
 * NULL. With no rows at all, nothing was written.
 */
void heat_make(struct heat *heat, const struct recording *rec, size_t rows,
	       size_t columns, const struct extent *within);
void heat_free(struct heat *heat);
int heat_level(const struct heat *heat, size_t row, size_t column);
/* The looks of a column: from the first to before the last. */
void heat_looks(const struct heat *heat, size_t column, size_t *first, size_t *last);
/* The mapping that a band begins in, as it was last; NULL if none is known. */
const struct vma *heat_vma(const struct heat *heat, const struct heat_band *band);

#endif
