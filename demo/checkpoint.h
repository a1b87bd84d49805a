/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checkpoint files: NNNN.ckpt in one directory, 0000 the base.
 *
 *	struct checkpoint_header
 *	struct extent [nr_extents]	ascending
 *	the bytes of each extent
 *
 * Each file holds the pages written since the one before, whose digest it names:
 * a file that is missing, cut short or damaged is noticed before it is believed.
 * It also has a digest of the whole arena as it was, so that somebody who has
 * nothing but the files can tell whether they bring it back.
 */
#ifndef DEMO_CHECKPOINT_H
#define DEMO_CHECKPOINT_H

#include "arena.h"
#include "track.h"

struct checkpoint_header {
	char magic[8];
	__u32 version;
	__u32 page_size;
	__u64 arena_size;
	__u64 number;		/* 0, 1, ... */
	__u64 nr_extents;
	__u64 nr_pages;
	__u64 parent;		/* file_digest of the file before; 0 in the base */
	__u64 arena_digest;
	__u64 file_digest;	/* of this file, with 0 in this field */
};

struct checkpoints {
	const char *dir;
	size_t nr;		/* files written or read so far */
	__u64 last_digest;
	__u64 bytes;
};

/* What a restored chain of checkpoints was like. */
struct restored {
	size_t nr;
	size_t wrong;		/* after this many, the arena was not as it had been */
};

void checkpoint_save(struct checkpoints *c, const struct arena *a, const struct written *w);
size_t checkpoint_arena_size(const char *dir);
void checkpoint_restore(const char *dir, struct arena *a, struct restored *r);
void checkpoint_remove(const char *dir);

#endif
