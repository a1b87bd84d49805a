/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The picture: one row a checkpoint, one column an equal part of the arena,
 * darker the larger the share of its pages that were written.
 */
#ifndef DEMO_PICTURE_H
#define DEMO_PICTURE_H

#include <stdbool.h>
#include <stdio.h>
#include "arena.h"
#include "track.h"

#define PICTURE_COLUMNS	64

struct picture {
	size_t nr_rows;
	size_t room;
	__u32 (*row)[PICTURE_COLUMNS];	/* pages written */
};

void picture_add(struct picture *p, const struct arena *a, const struct written *w);
void picture_print(const struct picture *p, const struct arena *a, bool utf8, FILE *out);
void picture_free(struct picture *p);

#endif
