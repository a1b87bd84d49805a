// SPDX-License-Identifier: GPL-2.0
/*
 * The scan where it is not the number of pages that counts: holes, sparse
 * memory, many VMAs, and vecs that fill up.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scan.h"

#define SPARSE_STEP	(64 * MIB)
#define NR_VMAS		10000

struct range_trial {
	struct range range;
	struct pm_scan_arg arg;
	bool once;
};

/* The same on memory that is made anew for each try; the scan comes first. */
struct hole_trial {
	struct range_trial scan;
	struct query query;
	int uffd;
};

static long run_range(void *data)
{
	const struct range_trial *trial = data;

	return scan_range(trial->range.pagemap, &trial->arg, trial->once);
}

static void measure_range(const char *workload, const char *unit, size_t units,
			  const struct range *range, const struct query *query)
{
	struct range_trial data = {
		.range = *range,
		.arg = query_arg(query, range),
		.once = query->once,
	};
	const struct trial trial = {
		.run = run_range,
		.data = &data,
		.units = units,
	};

	measure(workload, WAY_SCAN, unit, &trial);
}

static struct range map_range(size_t size)
{
	struct range range = { .unit = 4096, .nr = size / 4096 };

	range.addr = map_alone(size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	must(range.addr, "mmap");
	madvise(range.addr, size, MADV_NOHUGEPAGE);
	range.pagemap = pagemap_open(0);
	return range;
}

static void unmap_range(struct range *range)
{
	munmap(range->addr, range->nr * range->unit);
	close(range->pagemap);
}

/* An address space that is reserved, and only used at both ends */
static void measure_reserved(void)
{
	struct range range = map_range(TIB);
	int uffd;

	store(&range, 0);
	store(&range, range.nr - 1);
	measure_range("hole-1T-present", "call", 1, &range, &QUERY_PRESENT);
	measure_range("hole-1T-criu", "call", 1, &range, &QUERY_CRIU);
	uffd = uffd_track(&range, 0, 0);
	must(uffd >= 0, "UFFDIO_REGISTER");
	measure_range("hole-1T-written", "call", 1, &range, &QUERY_WRITTEN);
	close(uffd);
	unmap_range(&range);
}

/* Nothing is there yet, but what will be written is to be known. */
static void prepare_hole(void *data)
{
	struct hole_trial *hole = data;

	if (hole->uffd >= 0) {
		close(hole->uffd);
		unmap_range(&hole->scan.range);
	}
	hole->scan.range = map_range(128 * MIB);
	hole->scan.arg = query_arg(&hole->query, &hole->scan.range);
	hole->uffd = uffd_track(&hole->scan.range, 0, 0);
	must(hole->uffd >= 0, "UFFDIO_REGISTER");
}

static void measure_hole(void)
{
	struct hole_trial hole = { .query = QUERY_TAKE, .uffd = -1 };
	const struct trial trial = {
		.prepare = prepare_hole,
		.run = run_range,
		.data = &hole,
		.units = 128 * MIB / 4096,
	};

	measure("hole-take", WAY_SCAN, "page", &trial);
	if (hole.uffd >= 0) {
		close(hole.uffd);
		unmap_range(&hole.scan.range);
	}
}

/* A page in a page table of its own, every so often */
static void measure_sparse(void)
{
	struct range range = map_range(256 * GIB);
	const size_t nr = 256 * GIB / SPARSE_STEP;
	size_t i;
	int uffd;

	for (i = 0; i < nr; i++)
		poke(range.addr + i * SPARSE_STEP, 1);
	measure_range("sparse-256G-present", "table", nr, &range,
		      &QUERY_PRESENT);
	measure_range("sparse-256G-criu", "table", nr, &range, &QUERY_CRIU);
	uffd = uffd_track(&range, 0, 0);
	must(uffd >= 0, "UFFDIO_REGISTER");
	measure_range("sparse-256G-written", "table", nr, &range,
		      &QUERY_WRITTEN);
	close(uffd);
	unmap_range(&range);
}

/* One page each, of alternating protection so that they do not merge */
static void measure_vmas(void)
{
	struct range range = map_range(NR_VMAS * 4096);
	size_t i;
	int uffd;

	for (i = 0; i < NR_VMAS; i++)
		poke(range.addr + i * 4096, 1);
	for (i = 0; i < NR_VMAS; i += 2)
		must(!mprotect(range.addr + i * 4096, 4096, PROT_READ),
		     "mprotect: vm.max_map_count is too low");
	measure_range("vmas-10000-present", "vma", NR_VMAS, &range,
		      &QUERY_PRESENT);
	uffd = uffd_track(&range, 0, 0);
	must(uffd >= 0, "UFFDIO_REGISTER");
	measure_range("vmas-10000-written", "vma", NR_VMAS, &range,
		      &QUERY_WRITTEN);
	must(!uffd_writeprotect(uffd, &range, true), "UFFDIO_WRITEPROTECT");
	measure_range("vmas-10000-take-none", "vma", NR_VMAS, &range,
		      &QUERY_TAKE);
	close(uffd);
	unmap_range(&range);
}

/* Each page a region: PRESENT matches, of alternating WRITTEN */
static void measure_full(void)
{
	const struct query query = {
		.mask = PAGE_IS_PRESENT,
		.ret = PAGE_IS_PRESENT | PAGE_IS_WRITTEN,
		.vec_len = 16384,
		.once = true,
	};
	struct area area;
	const char *reason;

	if (!wanted("vec-full"))
		return;
	reason = area_make(&area, &memory_anon, 32768, MEMORY_WRITTEN);
	must(!reason, reason);
	area_track(&area);
	area_arm(&area);
	area_pattern(&area, PATTERN_ALTERNATE);
	area_write(&area);
	measure_range("vec-full", "region", query.vec_len, &area.mem.range,
		      &query);
	area_free(&area);
}

static void measure_vec_lengths(void)
{
	static const size_t lengths[] = { 1, 32, 256, 32768 };
	struct query query = QUERY_WRITTEN;
	struct area area;
	const char *reason;
	char name[32];
	size_t i;

	reason = area_make(&area, &memory_anon, 8192, MEMORY_WRITTEN);
	must(!reason, reason);
	area_track(&area);
	area_arm(&area);
	area_pattern(&area, PATTERN_ALTERNATE);
	area_write(&area);
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		query.vec_len = lengths[i];
		snprintf(name, sizeof(name), "vec-%zu", lengths[i]);
		measure_range(name, "page", 8192, &area.mem.range, &query);
	}
	area_free(&area);
}

void bench_shape(void)
{
	measure_full();
	measure_vec_lengths();
	measure_hole();
	measure_reserved();
	measure_sparse();
	measure_vmas();
}
