// SPDX-License-Identifier: GPL-2.0
/*
 * The older way: soft-dirty bits, which /proc/PID/clear_refs clears for all of a
 * process, and /proc/PID/pagemap shows.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <tools/pagemap_scan.h>

#include "tracker.h"
#include "util.h"

/* Bits of an entry of pagemap. */
#define PM_SOFT_DIRTY	(1ULL << 55)
#define PM_FILE		(1ULL << 61)
#define PM_SWAPPED	(1ULL << 62)
#define PM_PRESENT	(1ULL << 63)

#define CHUNK		16384	/* entries that are read at a time */

/* Does this kernel have the bits? A page that is new has it set. */
static bool kernel_has_bits(void)
{
	const size_t len = page_size();
	uint64_t entry = 0;
	volatile char *mem;
	int pagemap;

	pagemap = pms_open(0);
	if (pagemap < 0)
		return false;
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem != MAP_FAILED) {
		*mem = 1;
		if (pread(pagemap, &entry, sizeof(entry),
			  (uintptr_t)mem / len * sizeof(entry)) != sizeof(entry))
			entry = 0;
		munmap((void *)mem, len);
	}
	close(pagemap);
	return entry & PM_SOFT_DIRTY;
}

static int clear_bits(struct tracker *t, char *why)
{
	char path[48];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int)t->pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "4", 1) != 1) {
		ret = errno == ENOENT ? -ESRCH : -errno;
		because(why, "%s: %s", path, strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

int softdirty_begin(struct tracker *t, char *why)
{
	if (!kernel_has_bits()) {
		because(why, "the kernel has no soft-dirty bits (CONFIG_MEM_SOFT_DIRTY)");
		return -EOPNOTSUPP;
	}
	return clear_bits(t, why);
}

/* Does the entry say that the process wrote the page? */
static bool dirty(uint64_t entry, bool shared)
{
	if (!(entry & PM_SOFT_DIRTY) || !(entry & (PM_PRESENT | PM_SWAPPED)))
		return false;
	return shared || !(entry & PM_FILE);
}

static int read_vma(struct tracker *t, const struct vma *vma, struct look *look)
{
	const bool shared = vma->flags & VMA_SHARED;
	const uint64_t end = vma->end / page_size();
	uint64_t page = vma->start / page_size();
	static uint64_t entries[CHUNK];
	ssize_t got;
	size_t nr, i;

	for (; page < end; page += nr) {
		nr = end - page < CHUNK ? end - page : CHUNK;
		got = pread(t->pagemap, entries, nr * sizeof(*entries), page * sizeof(*entries));
		look->calls++;
		if (got < 0)
			return -errno;
		nr = got / sizeof(*entries);
		/* It is not there any more. */
		if (!nr)
			return 0;
		for (i = 0; i < nr; i++)
			if (dirty(entries[i], shared))
				extents_add(&look->written, page + i, page + i + 1);
	}
	return 0;
}

/* The scan steps over holes, which the entries of pagemap have to be read for. */
static int scan_vma(struct tracker *t, const struct vma *vma, struct look *look)
{
	struct page_region region, vec[512];
	struct pms_scan scan;
	int ret;

	pms_begin(&scan, t->pagemap, vma->start, vma->end, vec, ARRAY_SIZE(vec));
	scan.arg.category_mask = PAGE_IS_SOFT_DIRTY;
	scan.arg.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED;
	if (!(vma->flags & VMA_SHARED)) {
		scan.arg.category_inverted = PAGE_IS_FILE | PAGE_IS_PFNZERO;
		scan.arg.category_mask |= PAGE_IS_FILE | PAGE_IS_PFNZERO;
	}
	while ((ret = pms_next(&scan, &region)) > 0)
		extents_add(&look->written, region.start / page_size(), region.end / page_size());
	look->calls += scan.calls;
	return ret;
}

int softdirty_look(struct tracker *t, struct look *look, char *why)
{
	struct extents tracked = { };
	struct vma *vma;
	int ret = 0;
	size_t i;

	for (i = 0; i < t->maps.nr && !ret; i++) {
		vma = &t->maps.v[i];
		if (!(vma->flags & VMA_WRITE))
			continue;
		vma->flags |= VMA_TRACKED;
		extents_add(&tracked, vma->start / page_size(), vma->end / page_size());
		ret = t->has_scan ? scan_vma(t, vma, look) : -EINVAL;
		/* Kernels whose scan does not know these bits say EINVAL. */
		if (ret == -EINVAL)
			ret = read_vma(t, vma, look);
	}
	extents_free(&t->tracked);
	t->tracked = tracked;
	if (ret) {
		because(why, "pagemap: %s", strerror(-ret));
		return ret;
	}
	return clear_bits(t, why);
}
