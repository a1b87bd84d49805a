// SPDX-License-Identifier: GPL-2.0
/* What each mapping of a recording comes to; see summary.h */
#include <stdlib.h>
#include <string.h>

#include "summary.h"
#include "util.h"

static uint64_t place(const struct summary_index *index, const struct vma *vma)
{
	return index->by_end ? vma->end : vma->start;
}

/* Of what place() says and the name, which the recording has once. */
static size_t first_slot(const struct summary_index *index, const struct vma *vma)
{
	const uint64_t key = (place(index, vma) >> 9) ^ (uintptr_t)vma->name << 20;

	return (key * 0x9e3779b97f4a7c15ULL) >> 32 & (index->nr_slots - 1);
}

/* The slot that has the row of a mapping, or the free one where it would be. */
static size_t find_slot(const struct summary *summary, const struct summary_index *index,
			const struct vma *vma)
{
	size_t slot = first_slot(index, vma);
	const struct vma *other;

	for (; index->slots[slot]; slot = (slot + 1) & (index->nr_slots - 1)) {
		other = &summary->rows[index->slots[slot] - 1].vma;
		if (place(index, other) == place(index, vma) && other->name == vma->name)
			break;
	}
	return slot;
}

/* Room for all rows, and without what they were once. */
static void make_slots(const struct summary *summary, struct summary_index *index)
{
	size_t i;

	index->nr_slots = 64;
	while (index->nr_slots < 4 * summary->nr)
		index->nr_slots *= 2;
	free(index->slots);
	index->slots = xcalloc(index->nr_slots, sizeof(*index->slots));
	index->used = summary->nr;
	for (i = 0; i < summary->nr; i++)
		index->slots[find_slot(summary, index, &summary->rows[i].vma)] = i + 1;
}

static void note_row(const struct summary *summary, struct summary_index *index, size_t row)
{
	size_t slot;

	if (2 * index->used >= index->nr_slots) {
		make_slots(summary, index);
		return;
	}
	slot = find_slot(summary, index, &summary->rows[row].vma);
	if (index->slots[slot])
		return;
	index->slots[slot] = row + 1;
	index->used++;
}

static size_t find_row(const struct summary *summary, const struct summary_index *index,
		       const struct vma *vma)
{
	size_t row = 0;

	if (index->nr_slots)
		row = index->slots[find_slot(summary, index, vma)];
	return row ? row - 1 : summary->nr;
}

static struct summary_row *row_for(struct summary *summary, const struct vma *vma)
{
	size_t row = find_row(summary, &summary->starts, vma);

	if (row == summary->nr)
		row = find_row(summary, &summary->ends, vma);
	if (row == summary->nr) {
		GROW(summary->rows, summary->nr, summary->room);
		summary->rows[summary->nr++] = (struct summary_row) { };
	}
	summary->rows[row].vma = *vma;
	note_row(summary, &summary->starts, row);
	note_row(summary, &summary->ends, row);
	return &summary->rows[row];
}

static void add_mappings(struct summary *summary, const struct recording *rec,
			 const struct sample *sample)
{
	const struct maps *maps = &rec->maps[sample->maps];
	const uint64_t page = rec->head.page_size;
	const struct extents *written = &sample->written;
	uint64_t at = 0, pages;
	struct summary_row *row;
	const struct vma *vma;
	size_t i;

	for (;;) {
		i = extents_after(written, at);
		if (i == written->nr)
			break;
		if (at < written->v[i].start)
			at = written->v[i].start;
		i = maps_after(maps, at * page);
		if (i == maps->nr)
			break;
		vma = &maps->v[i];
		at = vma->end / page;
		pages = extents_within(written, vma->start / page, at);
		if (!pages)
			continue;
		row = row_for(summary, vma);
		row->written += pages;
		if (pages > row->most)
			row->most = pages;
	}
}

static void add_sample(struct summary *summary, const struct recording *rec,
		       const struct sample *sample)
{
	add_mappings(summary, rec, sample);
	summary->written += extents_pages(&sample->written);
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

	*summary = (struct summary) { .ends.by_end = true };
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
	free(summary->starts.slots);
	free(summary->ends.slots);
	*summary = (struct summary) { };
}
