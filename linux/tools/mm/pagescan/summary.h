/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What each mapping of a recording comes to. A mapping that grows or gets other
 * permissions is one if it keeps its name, that of the recording, and one of its ends.
 */
#ifndef PAGESCAN_SUMMARY_H
#define PAGESCAN_SUMMARY_H

#include "recording.h"

struct summary_row {
	struct vma vma;		/* as it was last; the name is the recording's */
	uint64_t written;	/* pages, each time that they were */
	uint64_t most;		/* pages in one look */
	uint64_t distinct;	/* different pages */
};

/* Numbers of rows by the name and the start, or the end, that they have or had. */
struct summary_index {
	size_t *slots;		/* plus one */
	size_t nr_slots;	/* a power of two, or 0 */
	size_t used;
	bool by_end;
};

struct summary {
	struct summary_row *rows;
	size_t nr;
	size_t room;
	struct summary_index starts;
	struct summary_index ends;
	uint64_t written;
	uint64_t distinct;
	uint64_t cost_ns;
	uint64_t most_rss;
};

/* The rows that were written to, the most written first. */
void summary_make(struct summary *summary, const struct recording *rec);
void summary_free(struct summary *summary);

#endif
