// SPDX-License-Identifier: GPL-2.0
/* What each mapping of a recording comes to; see summary.h */
#include <stdlib.h>
#include <string.h>

#include "summary.h"
#include "util.h"

static struct summary_row *row_for(struct summary *summary, const struct vma *vma)
{
	struct summary_row *row;
	size_t i;

	for (i = 0; i < summary->nr; i++) {
		row = &summary->rows[i];
		if ((row->vma.start == vma->start || row->vma.end == vma->end) &&
		    !strcmp(row->vma.name, vma->name))
			break;
	}
	if (i == summary->nr) {
		GROW(summary->rows, summary->nr, summary->room);
		summary->rows[summary->nr++] = (struct summary_row) { };
	}
	row = &summary->rows[i];
	row->vma = *vma;
	return row;
}

static void add_sample(struct summary *summary, const struct recording *rec,
		       const struct sample *sample)
{
	const struct maps *maps = &rec->maps[sample->maps];
	const uint64_t page = rec->head.page_size;
	const struct extents *written = &sample->written;
	struct summary_row *row;
	uint64_t pages, start, end;
	size_t i, at = 0;

	for (i = 0; i < maps->nr && at < written->nr; i++) {
		start = maps->v[i].start / page;
		end = maps->v[i].end / page;
		while (at < written->nr && written->v[at].end <= start)
			at++;
		if (at == written->nr || written->v[at].start >= end)
			continue;
		pages = extents_within(written, start, end);
		row = row_for(summary, &maps->v[i]);
		row->written += pages;
		if (pages > row->most)
			row->most = pages;
	}
	summary->written += extents_pages(written);
	summary->cost_ns += sample->cost_ns;
	if (sample->rss_pages > summary->most_rss)
		summary->most_rss = sample->rss_pages;
}

static int compare(const void *left, const void *right)
{
	const struct summary_row *a = left, *b = right;

	if (a->written != b->written)
		return a->written < b->written ? 1 : -1;
	return a->vma.start < b->vma.start ? -1 : 1;
}

void summary_make(struct summary *summary, const struct recording *rec)
{
	const uint64_t page = rec->head.page_size;
	struct extents all = { };
	size_t i;

	*summary = (struct summary) { };
	for (i = 0; i < rec->nr; i++)
		add_sample(summary, rec, &rec->samples[i]);
	recording_union(rec, &all);
	summary->distinct = extents_pages(&all);
	for (i = 0; i < summary->nr; i++)
		summary->rows[i].distinct = extents_within(&all,
							   summary->rows[i].vma.start / page,
							   summary->rows[i].vma.end / page);
	extents_free(&all);
	if (summary->nr)
		qsort(summary->rows, summary->nr, sizeof(*summary->rows), compare);
}

void summary_free(struct summary *summary)
{
	free(summary->rows);
	*summary = (struct summary) { };
}
