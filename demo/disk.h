/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The disk: a handful of files in the upper half of the arena.
 *
 * Space is given out in clusters; a file is a size and the numbers of its
 * clusters. The table of files and clusters is in the arena too, so a restored
 * arena brings its files along.
 */
#ifndef DEMO_DISK_H
#define DEMO_DISK_H

#include <stdbool.h>
#include "arena.h"

#define DISK_CLUSTER	(16 * ARENA_PAGE)
#define DISK_CLUSTERS	1024
#define DISK_FILES	8
#define DISK_NAME	48

struct disk_file {
	char name[DISK_NAME];		/* empty: a temporary file */
	__u32 used;
	__u32 nr_clusters;
	__u64 size;
	__u16 cluster[DISK_CLUSTERS];
};

struct disk_table {
	__u32 nr_clusters;
	__u32 pad;
	__u8 taken[DISK_CLUSTERS];
	struct disk_file file[DISK_FILES];
};

void disk_format(struct arena *a);

int disk_lookup(struct arena *a, const char *name);
int disk_create(struct arena *a, const char *name);
void disk_unlink(struct arena *a, int file);
__u64 disk_size(const struct arena *a, int file);
size_t disk_read(const struct arena *a, int file, void *buf, size_t n, __u64 at);
bool disk_write(struct arena *a, int file, const void *buf, size_t n, __u64 at);
bool disk_truncate(struct arena *a, int file, __u64 size);

#endif
