// SPDX-License-Identifier: GPL-2.0
/* A recording as text, and as a picture made of characters. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "heat.h"
#include "migrate.h"
#include "summary.h"
#include "tracker.h"
#include "util.h"

/* Rows that the table of mappings has at most. */
#define TABLE_ROWS	30

static const char * const endings[] = {
	[END_NONE] = "cut short",
	[END_STOPPED] = "stopped",
	[END_EXITED] = "until the process ended",
	[END_ERROR] = "stopped by an error",
};

static void print_head(const struct recording *rec, const struct summary *summary)
{
	const uint64_t length = recording_length(rec), page = rec->head.page_size;
	const time_t start = rec->head.start_ns / 1000000000;
	const double seconds = length / 1e9;
	char text[32] = "?";
	struct tm tm;
	size_t i, restarts = 0;

	if (localtime_r(&start, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	for (i = 1; i < rec->nr; i++)
		restarts += rec->samples[i].flags & SAMPLE_FRESH;
	printf("command    %s\n", rec->head.command);
	printf("process    %" PRIu64 ", from %s for %s, %s\n", rec->head.pid, text,
	       human_ns(length), endings[rec->ending]);
	printf("looks      %zu, one every %s, by %s\n", rec->nr,
	       human_ns(rec->head.interval_ns),
	       rec->head.mode <= TRACK_SOFT_DIRTY ? track_mode_name(rec->head.mode) : "?");
	if (restarts)
		printf("programs   %zu more were executed; each is seen from its first look\n",
		       restarts);
	printf("memory     up to %s\n", human(summary->most_rss * page));
	printf("written    %s in all, %s/s; %s of different pages\n",
	       human(summary->written * page),
	       human(seconds ? summary->written * page / seconds : 0),
	       human(summary->distinct * page));
	printf("cost       %s a look, %.2f %% of the time; %" PRIu64 " faults in the process\n",
	       human_ns(rec->nr ? summary->cost_ns / rec->nr : 0),
	       length ? 100.0 * summary->cost_ns / length : 0, summary->written);
}

static void print_table(const struct recording *rec, const struct summary *summary)
{
	const double seconds = recording_length(rec) / 1e9;
	const struct summary_row *row;
	char perms[5];
	size_t i;

	if (!summary->nr) {
		printf("\nNothing was written.\n");
		return;
	}
	printf("\n%9s %9s %9s %9s %9s  %-4s %12s  %s\n", "pages/s", "at most", "written",
	       "different", "size", "", "address", "mapping");
	for (i = 0; i < summary->nr && i < TABLE_ROWS; i++) {
		row = &summary->rows[i];
		printf("%9.1f %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9s  %s %12" PRIx64 "  %s\n",
		       seconds ? row->written / seconds : 0, row->most, row->written,
		       row->distinct, human(row->vma.end - row->vma.start),
		       vma_perms(&row->vma, perms), row->vma.start, vma_label(&row->vma));
	}
	if (summary->nr > TABLE_ROWS)
		printf("%9s and %zu mappings that were written less\n", "",
		       summary->nr - TABLE_ROWS);
}

static void print_migration(const struct recording *rec, const struct report_options *options)
{
	struct migration m = {
		.bandwidth = options->bandwidth,
		.downtime_ns = options->downtime_ns,
	};
	const uint64_t page = rec->head.page_size;
	size_t i;

	if (!migrate(&m, rec))
		return;
	printf("\nA live migration by pre-copy, at %s/s, with %s of downtime allowed:\n\n",
	       human(m.bandwidth), human_ns(m.downtime_ns));
	printf("%9s %12s %12s %12s\n", "round", "sent", "in", "then written");
	for (i = 0; i < m.nr; i++)
		printf("%9zu %12s %12s %12s\n", i, human(m.rounds[i].pages * page),
		       human_ns(m.rounds[i].ns), human(m.rounds[i].dirtied * page));
	printf("%9s %12s %12s\n\n", "rest", human(m.rest * page), human_ns(m.rest_ns));
	if (m.converges)
		printf("It converges: %zu round%s and the rest, %s in %s, %s of it downtime.\n",
		       m.nr, m.nr == 1 ? "" : "s", human(m.total * page),
		       human_ns(m.total_ns), human_ns(m.rest_ns));
	else
		printf("It does not converge in %d rounds: it is written faster than it is sent.\n",
		       MIGRATE_ROUNDS);
}

void report_text(const struct recording *rec, const struct report_options *options)
{
	struct summary summary;

	summary_make(&summary, rec);
	print_head(rec, &summary);
	print_table(rec, &summary);
	print_migration(rec, options);
	summary_free(&summary);
}

/* The gap above a band, if it is not the first. */
static void print_gap(const struct heat *heat, size_t band)
{
	const struct heat_band *bands = heat->bands;

	if (band)
		printf("%17s:  %s not written\n", "",
		       human((bands[band].pages.start - bands[band - 1].pages.end) *
			     heat->rec->head.page_size));
}

void report_ascii(const struct recording *rec, const struct report_options *options)
{
	static const char glyphs[HEAT_LEVELS + 2] = " .:-=+*x#@";
	const uint64_t page = rec->head.page_size;
	const struct vma *vma;
	struct heat heat;
	size_t i, row, column;
	uint64_t start;

	heat_make(&heat, rec, options->rows, options->columns, options->within);
	if (!heat.rows) {
		printf("Nothing was written%s.\n", options->within ? " in this range" : "");
		heat_free(&heat);
		return;
	}
	printf("%s\n\nEach row is %s, each column %zu or more of %zu looks, in all %s.\n\n",
	       rec->head.command, human(heat.row_pages * page), rec->nr / heat.columns,
	       rec->nr, human_ns(recording_length(rec)));
	for (i = 0; i < heat.nr_bands; i++) {
		const size_t first = heat.bands[i].first_row;

		print_gap(&heat, i);
		vma = heat_vma(&heat, &heat.bands[i]);
		for (row = 0; row < heat.bands[i].rows; row++) {
			start = heat.bands[i].pages.start + row * heat.row_pages;
			printf("%16" PRIx64 " |", start * page);
			for (column = 0; column < heat.columns; column++)
				putchar(glyphs[heat_level(&heat, first + row, column)]);
			printf("| %s\n", row || !vma ? "" : vma_label(vma));
		}
	}
	printf("\npages written a look, in a cell:  ");
	for (i = 1; i <= HEAT_LEVELS; i++)
		putchar(glyphs[i]);
	printf("  is %.4g to %.4g, a blank is none\n", heat.least, heat.most);
	heat_free(&heat);
}
