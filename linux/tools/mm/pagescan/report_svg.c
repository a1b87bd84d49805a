// SPDX-License-Identifier: GPL-2.0
/*
 * A recording as a picture: addresses downwards, time to the right, the colour
 * from pale yellow for the least to dark red for the most.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "heat.h"
#include "output.h"
#include "util.h"

/* In pixels. */
#define LEFT		130
#define RIGHT		290
#define TOP		64
#define BOTTOM		76
#define WIDTH		900	/* of the cells, about */
#define ROW		7
#define GAP		14
#define TICKS		6

static const char * const colours[HEAT_LEVELS + 1] = {
	"#f4f4f2", "#ffefb0", "#ffdd80", "#ffc24d", "#fba030", "#f27c24",
	"#e0561f", "#c4361f", "#9c1c22", "#6b0f24",
};

struct canvas {
	const struct heat *heat;
	double cell;		/* width of one */
	double width;		/* of all */
	double height;
};

/* Where a band begins. */
static double band_top(const struct heat *heat, size_t band)
{
	return TOP + heat->bands[band].first_row * (double)ROW + band * (double)GAP;
}

static void rectangle(double x, double y, double width, double height, int level)
{
	printf("<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.0f\" fill=\"%s\"/>\n",
	       x, y, width, height, colours[level]);
}

/* One row: runs of cells of one colour are one rectangle. */
static void draw_row(const struct canvas *c, size_t row, double y)
{
	const struct heat *heat = c->heat;
	size_t from = 0, to;
	int level;

	for (; from < heat->columns; from = to) {
		level = heat_level(heat, row, from);
		for (to = from + 1; to < heat->columns; to++)
			if (heat_level(heat, row, to) != level)
				break;
		if (level)
			rectangle(LEFT + from * c->cell, y, (to - from) * c->cell, ROW, level);
	}
}

/* Text of at most so many bytes, whole characters of UTF-8, from its end. */
static const char *tail(const char *text, size_t len)
{
	if (strlen(text) <= len)
		return text;
	text += strlen(text) - len;
	while ((*text & 0xc0) == 0x80)
		text++;
	return text;
}

/* The other way round: text up to so many bytes. */
static void print_start(const char *text, size_t len)
{
	char *start;

	if (strlen(text) <= len) {
		xml_text(stdout, text);
		return;
	}
	while ((text[len] & 0xc0) == 0x80)
		len--;
	start = xstrndup(text, len);
	xml_text(stdout, start);
	fputs(" ...", stdout);
	free(start);
}

static void draw_band(const struct canvas *c, size_t nr)
{
	const struct heat_band *band = &c->heat->bands[nr];
	const uint64_t page = c->heat->rec->head.page_size;
	const struct vma *vma = heat_vma(c->heat, band);
	const double y = band_top(c->heat, nr);
	size_t row;

	rectangle(LEFT, y, c->width, band->rows * ROW, 0);
	for (row = 0; row < band->rows; row++)
		draw_row(c, band->first_row + row, y + row * ROW);
	printf("<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%" PRIx64 "</text>\n", LEFT - 6,
	       y + ROW, band->pages.start * page);
	printf("<text x=\"%.2f\" y=\"%.1f\">%s ", LEFT + c->width + 6, y + ROW,
	       human((band->pages.end - band->pages.start) * page));
	if (vma)
		xml_text(stdout, tail(vma_label(vma), 32));
	printf("</text>\n");
	if (nr)
		printf("<text x=\"%.2f\" y=\"%.1f\" class=\"gap\">%s not written</text>\n",
		       LEFT + c->width / 2, y - 4,
		       human((band->pages.start - band[-1].pages.end) * page));
}

static void draw_time(const struct canvas *c)
{
	const struct recording *rec = c->heat->rec;
	const double y = c->height - BOTTOM + 4;
	size_t i, column, first, last;
	double x;

	for (i = 0; i <= TICKS; i++) {
		column = i * c->heat->columns / TICKS;
		x = LEFT + column * c->cell;
		/* The time of the look before the column begins. */
		first = rec->nr;
		if (column < c->heat->columns)
			heat_looks(c->heat, column, &first, &last);
		printf("<path d=\"M%.2f %.1fv5\" stroke=\"#444\"/>\n", x, y);
		printf("<text x=\"%.2f\" y=\"%.1f\" text-anchor=\"middle\">%.3g s</text>\n",
		       x, y + 17, first ? rec->samples[first - 1].when / 1e9 : 0);
	}
}

static void draw_legend(const struct canvas *c)
{
	const double y = c->height - 30;
	int level;

	printf("<text x=\"%d\" y=\"%.1f\">pages written a look, in a cell of %s:  %.4g</text>\n",
	       LEFT, y + 10, human(c->heat->row_pages * c->heat->rec->head.page_size),
	       c->heat->least);
	for (level = 1; level <= HEAT_LEVELS; level++)
		rectangle(LEFT + 380 + 22 * level, y, 22, 12, level);
	printf("<text x=\"%d\" y=\"%.1f\">%.4g (logarithmic)</text>\n",
	       LEFT + 380 + 22 * (HEAT_LEVELS + 1) + 8, y + 10, c->heat->most);
}

static void draw_head(const struct canvas *c)
{
	const struct recording *rec = c->heat->rec;
	const double width = LEFT + c->width + RIGHT;

	printf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" ",
	       width, c->height);
	printf("viewBox=\"0 0 %.0f %.0f\" font-family=\"monospace\" ", width, c->height);
	printf("font-size=\"11\" fill=\"#222\">\n");
	printf("<style>.gap { fill: #888; font-size: 10px; text-anchor: middle }\n");
	printf(".head { font-size: 15px }</style>\n");
	printf("<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n");
	printf("<text x=\"%d\" y=\"24\" class=\"head\">Pages written by ", LEFT);
	print_start(rec->head.command, 90);
	printf("</text>\n<text x=\"%d\" y=\"44\">process %" PRIu64 ", %s, %zu looks; addresses "
	       "downwards, time to the right; what was not written is folded</text>\n", LEFT,
	       rec->head.pid, human_ns(recording_length(rec)), rec->nr);
}

void report_svg(const struct recording *rec, const struct report_options *options)
{
	struct canvas canvas = { };
	struct heat heat;
	size_t i;

	heat_make(&heat, rec, options->rows, options->columns, options->within);
	canvas.heat = &heat;
	canvas.width = WIDTH;
	canvas.cell = heat.columns ? canvas.width / heat.columns : 0;
	canvas.height = TOP + BOTTOM + heat.rows * ROW + heat.nr_bands * GAP;
	draw_head(&canvas);
	if (!heat.rows)
		printf("<text x=\"%d\" y=\"%d\">Nothing was written.</text>\n", LEFT, TOP + 10);
	for (i = 0; i < heat.nr_bands; i++)
		draw_band(&canvas, i);
	if (heat.rows) {
		draw_time(&canvas);
		draw_legend(&canvas);
	}
	printf("</svg>\n");
	heat_free(&heat);
}
