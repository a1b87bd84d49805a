// SPDX-License-Identifier: GPL-2.0
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "demo.h"
#include "picture.h"

/* From nothing to more than three quarters; at least one page is the second. */
static const char *const shades_utf8[] = { " ", "\u2591", "\u2592", "\u2593", "\u2588" };
static const char *const shades_ascii[] = { " ", ".", "+", "x", "#" };

static size_t column_of(const struct arena *a, size_t offset)
{
	return offset / ARENA_PAGE * PICTURE_COLUMNS / arena_pages(a);
}

void picture_add(struct picture *p, const struct arena *a, const struct written *w)
{
	const struct extent *e;
	__u32 *row;
	__u64 at;

	if (p->nr_rows == p->room) {
		p->room = p->room ? 2 * p->room : 32;
		p->row = realloc(p->row, p->room * sizeof(*p->row));
		if (!p->row)
			errx(EXIT_TROUBLE, "out of memory");
	}
	row = p->row[p->nr_rows++];
	memset(row, 0, sizeof(*p->row));
	for (e = w->extent; e < w->extent + w->nr; e++) {
		for (at = e->start; at < e->start + e->length; at += ARENA_PAGE)
			row[column_of(a, at)]++;
	}
}

void picture_print(const struct picture *p, const struct arena *a, bool utf8, FILE *out)
{
	const char *const *shades = utf8 ? shades_utf8 : shades_ascii;
	const char *edge = utf8 ? "\u2502" : "|";
	size_t pages = arena_pages(a) / PICTURE_COLUMNS;
	size_t i, column;

	fprintf(out, "     %-*s%s\n", (int)column_of(a, arena_disk_start(a)),
		"tables and heap", "disk: the database file and its journal");
	for (i = 0; i < p->nr_rows; i++) {
		fprintf(out, "%3zu %s", i, edge);
		for (column = 0; column < PICTURE_COLUMNS; column++)
			fputs(shades[(p->row[i][column] * 4 + pages - 1) / pages], out);
		fprintf(out, "%s\n", edge);
	}
	fprintf(out, "  one row a checkpoint, one column %zu pages; share of them written:\n",
		pages);
	fprintf(out, "  '%s' none  '%s' up to 1/4  '%s' up to 1/2  '%s' up to 3/4  '%s' more\n",
		shades[0], shades[1], shades[2], shades[3], shades[4]);
}

void picture_free(struct picture *p)
{
	free(p->row);
}
