// SPDX-License-Identifier: GPL-2.0
/*
 * The arena's mapping, and its heap: boundary tags, one list of free blocks a
 * size class (four to each power of two), neighbours merged when freed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "arena.h"
#include "digest.h"
#include "disk.h"

#define ARENA_MAGIC	0x31616e6572616d64ULL
#define HUGE_PAGE	(2UL << 20)
#define HEAP_ALIGN	16UL
#define HEAP_BINS	128
#define IN_USE		1UL

/* Offset 0 of the arena. */
struct root {
	__u64 magic;
	__u64 size;
	__u64 heap;		/* where the heap begins */
	__u64 top;		/* end of the last block; from here on: untouched */
	__u64 disk;		/* where the clusters begin; the heap ends */
	__u64 bin[HEAP_BINS];	/* first free block of each class, or 0 */
};

/*
 * What begins each block. Above the last one stands a block of size 0 that
 * counts as in use, so that merging forward needs no bound.
 */
struct block {
	__u64 before;		/* size of the block before; 0: there is none */
	__u64 tag;		/* size with this header, and IN_USE */
	__u64 next;		/* free blocks only: neighbours in the bin */
	__u64 prev;
};

#define HEADER		offsetof(struct block, next)
#define BLOCK_MIN	sizeof(struct block)

static struct root *root_of(const struct arena *a)
{
	return (struct root *)a->base;
}

static struct block *block_at(const struct arena *a, __u64 offset)
{
	return (struct block *)(a->base + offset);
}

static __u64 block_size(const struct block *b)
{
	return b->tag & ~IN_USE;
}

static bool block_free(const struct block *b)
{
	return !(b->tag & IN_USE);
}

static __u64 round_up(__u64 n, __u64 to)
{
	return (n + to - 1) / to * to;
}

static unsigned int bin_of(__u64 size)
{
	unsigned int power = 63 - __builtin_clzll(size);

	return 4 * power + ((size >> (power - 2)) & 3) - 4 * 5;
}

/* Place a block; the one after it learns its size. */
static void block_set(struct arena *a, __u64 at, __u64 size, __u64 use)
{
	block_at(a, at)->tag = size | use;
	block_at(a, at + size)->before = size;
}

static void bin_insert(struct arena *a, __u64 at)
{
	struct block *b = block_at(a, at);
	__u64 *first = &root_of(a)->bin[bin_of(block_size(b))];

	b->next = *first;
	b->prev = 0;
	if (*first)
		block_at(a, *first)->prev = at;
	*first = at;
}

static void bin_remove(struct arena *a, __u64 at)
{
	struct block *b = block_at(a, at);

	if (b->next)
		block_at(a, b->next)->prev = b->prev;
	if (b->prev)
		block_at(a, b->prev)->next = b->next;
	else
		root_of(a)->bin[bin_of(block_size(b))] = b->next;
}

/* Only in the first bin looked at may a block be too small. */
static __u64 bin_find(const struct arena *a, __u64 need)
{
	const struct root *root = root_of(a);
	unsigned int bin;
	__u64 at;

	for (bin = bin_of(need); bin < HEAP_BINS; bin++) {
		for (at = root->bin[bin]; at; at = block_at(a, at)->next) {
			if (block_size(block_at(a, at)) >= need)
				return at;
		}
	}
	return 0;
}

static __u64 take_free(struct arena *a, __u64 need)
{
	__u64 at = bin_find(a, need);
	__u64 size;

	if (!at)
		return 0;

	size = block_size(block_at(a, at));
	bin_remove(a, at);
	if (size - need >= BLOCK_MIN) {
		block_set(a, at + need, size - need, 0);
		bin_insert(a, at + need);
		size = need;
	}
	block_set(a, at, size, IN_USE);
	return at;
}

static __u64 take_top(struct arena *a, __u64 need)
{
	struct root *root = root_of(a);
	__u64 at = root->top;

	if (at + need + HEADER > root->disk)
		return 0;

	block_set(a, at, need, IN_USE);
	root->top = at + need;
	block_at(a, root->top)->tag = IN_USE;
	return at;
}

/* Memory of the arena, aligned to 16 bytes, not zeroed; NULL if it is full. */
void *arena_alloc(struct arena *a, size_t size)
{
	__u64 need, at;

	if (size > a->size)
		return NULL;

	need = round_up(size + HEADER, HEAP_ALIGN);
	if (need < BLOCK_MIN)
		need = BLOCK_MIN;
	at = take_free(a, need);
	if (!at)
		at = take_top(a, need);
	return at ? a->base + at + HEADER : NULL;
}

void arena_free(struct arena *a, void *p)
{
	struct root *root = root_of(a);
	struct block *b, *next;
	__u64 at, size;

	if (!p)
		return;

	at = (char *)p - a->base - HEADER;
	b = block_at(a, at);
	size = block_size(b);

	next = block_at(a, at + size);
	if (block_free(next)) {
		bin_remove(a, at + size);
		size += block_size(next);
	}
	if (b->before && block_free(block_at(a, at - b->before))) {
		at -= b->before;
		bin_remove(a, at);
		size += b->before;
	}
	if (at + size == root->top) {
		root->top = at;
		block_at(a, at)->tag = IN_USE;
		return;
	}
	block_set(a, at, size, 0);
	bin_insert(a, at);
}

/* How many bytes at @p, from arena_alloc(), may be used. */
size_t arena_usable(const void *p)
{
	const struct block *b = (const void *)((const char *)p - HEADER);

	return block_size(b) - HEADER;
}

static const char *check_bins(const struct arena *a, size_t nr_free)
{
	const struct root *root = root_of(a);
	size_t listed = 0;
	unsigned int bin;
	__u64 at;

	for (bin = 0; bin < HEAP_BINS; bin++) {
		for (at = root->bin[bin]; at; at = block_at(a, at)->next) {
			if (at < root->heap || at >= root->top)
				return "a free list leads out of the heap";
			if (!block_free(block_at(a, at)))
				return "a used block is on a free list";
			if (++listed > nr_free)
				return "a free list goes in a circle";
		}
	}
	return listed == nr_free ? NULL : "a free block is on no list";
}

/* Walk the heap of a restored arena. Return NULL, or what is wrong with it. */
const char *arena_check(const struct arena *a)
{
	const struct root *root = root_of(a);
	const struct block *b;
	bool was_free = false;
	size_t nr_free = 0;
	__u64 before = 0;
	__u64 at;

	if (root->magic != ARENA_MAGIC || root->size != a->size)
		return "there is no arena of this size";
	if (root->heap > root->top || root->top > root->disk - HEADER ||
	    root->disk > a->size || root->top % HEAP_ALIGN)
		return "the root's offsets are out of order";

	for (at = root->heap; at < root->top; at += before) {
		b = block_at(a, at);
		if (b->before != before)
			return "a block does not know the one before it";
		before = block_size(b);
		if (before < BLOCK_MIN || before % HEAP_ALIGN ||
		    before > root->top - at)
			return "a block has an impossible size";
		if (block_free(b) && was_free)
			return "two free blocks are neighbours";
		was_free = block_free(b);
		nr_free += was_free;
	}
	if (block_at(a, at)->before != before || was_free)
		return "the last block does not end where the heap does";
	return check_bins(a, nr_free);
}

size_t arena_heap_start(const struct arena *a)
{
	return root_of(a)->heap;
}

size_t arena_disk_start(const struct arena *a)
{
	return root_of(a)->disk;
}

void *arena_disk_table(const struct arena *a)
{
	return a->base + round_up(sizeof(struct root), ARENA_PAGE);
}

/* Make an empty heap and an empty disk in a fresh (all zero) arena. */
void arena_format(struct arena *a)
{
	size_t table = (char *)arena_disk_table(a) - a->base;
	struct root *root = root_of(a);

	root->magic = ARENA_MAGIC;
	root->size = a->size;
	root->heap = round_up(table + sizeof(struct disk_table), ARENA_PAGE);
	root->top = root->heap;
	root->disk = round_up(a->size / 2, DISK_CLUSTER);
	block_at(a, root->top)->tag = IN_USE;
	disk_format(a);
}

__u64 arena_digest(const struct arena *a)
{
	return digest_bytes(DIGEST_START, a->base, a->size);
}

/*
 * Map @size bytes of zeroes, aligned to a huge page. Return 0 or an errno.
 *
 * With ARENA_THP the huge pages are there before tracking begins: what is armed
 * later are huge pages, which the first writes will have to split.
 */
int arena_map(struct arena *a, size_t size, enum arena_memory memory)
{
	int flags = memory == ARENA_SHMEM ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	size_t room = size + HUGE_PAGE;
	char *base, *start;
	int fd = -1;
	int ret = 0;

	if (memory == ARENA_SHMEM) {
		fd = memfd_create("arena", MFD_CLOEXEC);
		if (fd < 0)
			return errno;
		if (ftruncate(fd, size)) {
			ret = errno;
			goto out;
		}
	}

	/* Reserve too much, to find an aligned start in it; give back the rest. */
	base = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (base == MAP_FAILED) {
		ret = errno;
		goto out;
	}
	start = (char *)round_up((unsigned long)base, HUGE_PAGE);
	if (start > base)
		munmap(base, start - base);
	munmap(start + size, base + room - (start + size));

	a->base = mmap(start, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
	a->size = size;
	if (a->base == MAP_FAILED) {
		ret = errno;
		munmap(start, size);
		goto out;
	}
	if (memory == ARENA_THP) {
		/* Where there are no huge pages the small ones do as well. */
		madvise(a->base, size, MADV_HUGEPAGE);
		memset(a->base, 0, size);
	} else if (memory == ARENA_ANON) {
		madvise(a->base, size, MADV_NOHUGEPAGE);
	}
out:
	if (fd >= 0)
		close(fd);
	return ret;
}

void arena_unmap(struct arena *a)
{
	munmap(a->base, a->size);
	a->base = NULL;
}
