// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "disk.h"

static struct disk_table *table_of(const struct arena *a)
{
	return arena_disk_table(a);
}

static char *cluster_at(const struct arena *a, const struct disk_file *f, __u64 at)
{
	__u64 cluster = f->cluster[at / DISK_CLUSTER];

	return a->base + arena_disk_start(a) + cluster * DISK_CLUSTER + at % DISK_CLUSTER;
}

/* How many of @n bytes at @at lie in the one cluster. */
static size_t cluster_share(__u64 at, size_t n)
{
	size_t share = DISK_CLUSTER - at % DISK_CLUSTER;

	return share < n ? share : n;
}

void disk_format(struct arena *a)
{
	size_t clusters = (a->size - arena_disk_start(a)) / DISK_CLUSTER;

	table_of(a)->nr_clusters = clusters < DISK_CLUSTERS ? clusters : DISK_CLUSTERS;
}

/* The number of the file of that name, or -1. */
int disk_lookup(struct arena *a, const char *name)
{
	struct disk_table *t = table_of(a);
	int i;

	for (i = 0; i < DISK_FILES; i++) {
		if (t->file[i].used && !strcmp(t->file[i].name, name))
			return i;
	}
	return -1;
}

/* A new file, empty. NULL for @name: one that no lookup finds. -1: no room. */
int disk_create(struct arena *a, const char *name)
{
	struct disk_table *t = table_of(a);
	struct disk_file *f;
	int i;

	if (name && (!*name || strlen(name) >= DISK_NAME))
		return -1;

	for (i = 0; i < DISK_FILES; i++) {
		f = &t->file[i];
		if (f->used)
			continue;
		f->used = 1;
		f->size = 0;
		f->nr_clusters = 0;
		strcpy(f->name, name ? name : "");
		return i;
	}
	return -1;
}

void disk_unlink(struct arena *a, int file)
{
	disk_truncate(a, file, 0);
	table_of(a)->file[file].used = 0;
}

__u64 disk_size(const struct arena *a, int file)
{
	return table_of(a)->file[file].size;
}

/* Return how many bytes there were to read. */
size_t disk_read(const struct arena *a, int file, void *buf, size_t n, __u64 at)
{
	const struct disk_file *f = &table_of(a)->file[file];
	size_t done, share;

	if (at >= f->size)
		return 0;
	if (n > f->size - at)
		n = f->size - at;
	for (done = 0; done < n; done += share) {
		share = cluster_share(at + done, n - done);
		memcpy((char *)buf + done, cluster_at(a, f, at + done), share);
	}
	return n;
}

static bool cluster_add(struct disk_table *t, struct disk_file *f)
{
	__u32 i;

	for (i = 0; i < t->nr_clusters; i++) {
		if (t->taken[i])
			continue;
		t->taken[i] = 1;
		f->cluster[f->nr_clusters++] = i;
		return true;
	}
	return false;
}

/* Set the size. New bytes are zero, whatever their cluster held before. */
bool disk_truncate(struct arena *a, int file, __u64 size)
{
	struct disk_table *t = table_of(a);
	struct disk_file *f = &t->file[file];
	__u64 need = (size + DISK_CLUSTER - 1) / DISK_CLUSTER;
	size_t share;

	while (f->nr_clusters > need)
		t->taken[f->cluster[--f->nr_clusters]] = 0;
	while (f->nr_clusters < need) {
		if (!cluster_add(t, f))
			return false;
	}
	while (f->size < size) {
		share = cluster_share(f->size, size - f->size);
		memset(cluster_at(a, f, f->size), 0, share);
		f->size += share;
	}
	f->size = size;
	return true;
}

/* Write, and grow the file as needed. False: the disk is full. */
bool disk_write(struct arena *a, int file, const void *buf, size_t n, __u64 at)
{
	struct disk_table *t = table_of(a);
	struct disk_file *f = &t->file[file];
	size_t done, share;

	if (at > f->size && !disk_truncate(a, file, at))
		return false;
	while ((__u64)f->nr_clusters * DISK_CLUSTER < at + n) {
		if (!cluster_add(t, f))
			return false;
	}
	for (done = 0; done < n; done += share) {
		share = cluster_share(at + done, n - done);
		memcpy(cluster_at(a, f, at + done), (const char *)buf + done, share);
	}
	if (f->size < at + n)
		f->size = at + n;
	return true;
}
