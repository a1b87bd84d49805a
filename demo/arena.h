/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The arena: one range of memory with everything the database owns in it.
 *
 *	root | disk table | heap ..................... | disk clusters .........
 *
 * The heap serves SQLite's allocations, the disk holds its files. Both keep
 * all their own records inside the arena, and as offsets from its start, never
 * as addresses: a copy of the bytes at any other address is a whole arena.
 */
#ifndef DEMO_ARENA_H
#define DEMO_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#define ARENA_PAGE	4096UL

enum arena_memory {
	ARENA_ANON,		/* small pages only */
	ARENA_THP,		/* huge pages, filled before tracking begins */
	ARENA_SHMEM,		/* a shared memfd */
};

/* The way to an arena. It lives outside of it; nothing in the arena points here. */
struct arena {
	char *base;
	size_t size;
};

static inline size_t arena_pages(const struct arena *a)
{
	return a->size / ARENA_PAGE;
}

static inline char *arena_page(const struct arena *a, size_t page)
{
	return a->base + page * ARENA_PAGE;
}

int arena_map(struct arena *a, size_t size, enum arena_memory memory);
void arena_unmap(struct arena *a);

void arena_format(struct arena *a);
const char *arena_check(const struct arena *a);
size_t arena_heap_start(const struct arena *a);
size_t arena_disk_start(const struct arena *a);
void *arena_disk_table(const struct arena *a);

void *arena_alloc(struct arena *a, size_t size);
void arena_free(struct arena *a, void *p);
size_t arena_usable(const void *p);

__u64 arena_digest(const struct arena *a);

#endif
