/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracking: which pages of a range have been written since the last look.
 *
 * The range is registered with a userfaultfd whose write-protect faults the
 * kernel resolves by itself (UFFD_FEATURE_WP_ASYNC). PAGEMAP_SCAN then gets the
 * written pages and protects them again, in one step: a write lands either
 * before the look or after it, never in between.
 */
#ifndef DEMO_TRACK_H
#define DEMO_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <tools/pagemap_scan.h>

/* A stretch of written pages; offsets from the start of the range, in bytes. */
struct extent {
	__u64 start;
	__u64 length;
};

/* What one look found: ascending, apart from each other. */
struct written {
	struct extent *extent;
	size_t nr;
	size_t room;
	size_t pages;
	unsigned int calls;	/* of the ioctl */
	__u64 ns;		/* spent in it */
};

struct tracker {
	int uffd;
	int pagemap;
	__u64 start;
	__u64 end;
	struct page_region *vec;
	size_t vec_len;
};

const char *track_begin(struct tracker *t, void *start, size_t size, size_t vec_len);
void track_end(struct tracker *t);

void track_collect(struct tracker *t, struct written *w);
size_t track_count(struct tracker *t, __u64 category);
void written_drop(struct written *w, size_t nr);
void written_free(struct written *w);

#endif
