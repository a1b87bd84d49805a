// SPDX-License-Identifier: GPL-2.0
/*
 * wasmtime's reset of an instance: its memory is an image and what was written
 * to it since. Either all of it is dropped, and faulted in again by the next
 * instance; or all of it is written over; or the scan says what was written, and
 * only that is. Measured is a whole life: the writes, then the reset.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scan.h"

#define SLOT_PAGES	1024	/* what an instance may use: 4 MiB */
#define IMAGE_PAGES	64	/* of them come from the image */

/* A slot of a pool, and how many pages each instance writes */
struct slot {
	struct range range;
	char *image;
	int fd;
	size_t written;
	long (*live)(const struct slot *slot);
};

/* A quarter in the image, the rest behind it: data, and a heap that grows. */
static void use_slot(const struct slot *slot)
{
	const size_t data = slot->written / 4;
	size_t i;

	for (i = 0; i < data; i++)
		poke(slot->range.addr + i * 4096, 1);
	for (i = 0; i < slot->written - data; i++)
		poke(slot->range.addr + (IMAGE_PAGES + i) * 4096, 1);
}

static void reset_pages(const struct slot *slot, size_t first, size_t end)
{
	const size_t split = end < IMAGE_PAGES ? end : IMAGE_PAGES;

	if (first < split) {
		memcpy(slot->range.addr + first * 4096,
		       slot->image + first * 4096, (split - first) * 4096);
		first = split;
	}
	if (first < end)
		memset(slot->range.addr + first * 4096, 0,
		       (end - first) * 4096);
}

static long live_scan(const struct slot *slot)
{
	struct query query = QUERY_WASMTIME;
	const struct page_region *vec = vec_of(query.vec_len);
	struct pm_scan_arg arg;
	const __u64 start = addr_of(&slot->range, 0);
	long found = 0;
	int i, nr;

	use_slot(slot);
	query.max_pages = SLOT_PAGES;
	arg = query_arg(&query, &slot->range);
	do {
		nr = pagemap_scan(slot->range.pagemap, &arg);
		for (i = 0; i < nr; i++) {
			reset_pages(slot, (vec[i].start - start) / 4096,
				    (vec[i].end - start) / 4096);
			found += (vec[i].end - vec[i].start) / 4096;
		}
		arg.start = arg.walk_end;
	} while ((__u64)nr == arg.vec_len && arg.start < arg.end);
	return nr < 0 ? nr : found;
}

static long live_dontneed(const struct slot *slot)
{
	use_slot(slot);
	madvise(slot->range.addr, SLOT_PAGES * 4096, MADV_DONTNEED);
	return slot->written;
}

static long live_memset(const struct slot *slot)
{
	use_slot(slot);
	reset_pages(slot, 0, SLOT_PAGES);
	return slot->written;
}

static long run_life(void *data)
{
	const struct slot *slot = data;

	return slot->live(slot);
}

/* The first life is another: all of it faults. */
static void map_slot(void *data)
{
	struct slot *slot = data;
	char *addr;

	if (slot->range.addr)
		munmap(slot->range.addr, SLOT_PAGES * 4096);
	addr = map_alone(SLOT_PAGES * 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS);
	must(addr && mmap(addr, IMAGE_PAGES * 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_FIXED, slot->fd, 0) != MAP_FAILED,
	     "mmap of a slot");
	slot->range.addr = addr;
	slot->live(slot);
}

static void measure_reset(size_t written)
{
	static const struct {
		const char *way;
		long (*live)(const struct slot *slot);
	} ways[] = {
		{ WAY_SCAN, live_scan },
		{ "dontneed", live_dontneed },
		{ "memset", live_memset },
	};
	struct slot slot = {
		.range = { .unit = 4096, .nr = SLOT_PAGES },
		.fd = memfd_create("image", MFD_CLOEXEC),
		.written = written,
	};
	const struct trial trial = {
		.prepare = map_slot,
		.run = run_life,
		.data = &slot,
		.units = 1,
	};
	char name[32];
	size_t i;

	must(slot.fd >= 0 && !ftruncate(slot.fd, IMAGE_PAGES * 4096), "memfd");
	slot.image = mmap(NULL, IMAGE_PAGES * 4096, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, slot.fd, 0);
	must(slot.image != MAP_FAILED, "mmap of the image");
	slot.range.pagemap = pagemap_open(0);
	snprintf(name, sizeof(name), "wasm-life-%zu-pages", written);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		slot.live = ways[i].live;
		measure(name, ways[i].way, "life", &trial);
	}
	munmap(slot.range.addr, SLOT_PAGES * 4096);
	munmap(slot.image, IMAGE_PAGES * 4096);
	close(slot.range.pagemap);
	close(slot.fd);
}

void bench_callers(void)
{
	static const size_t written[] = { 8, 64, 240 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(written); i++)
		measure_reset(written[i]);
}
