// SPDX-License-Identifier: GPL-2.0
/*
 * What a write to an armed page costs, by kind of memory; against soft-dirty's,
 * and against the size of the mapping.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "area.h"
#include "older.h"

struct fault_case {
	const char *name;
	const struct memory_kind *kind;
	enum memory_state state;
	size_t units;
	size_t step;	/* every so many of the units is written */
	bool fresh;	/* a write changes the memory for good: make it anew */
};

struct fault_trial {
	const struct fault_case *fault;
	struct area area;
	bool made;
	bool soft_dirty;
};

static const struct fault_case fault_cases[] = {
	{ "fault-anon", &memory_anon, MEMORY_WRITTEN, 32768, 1, false },
	{ "fault-zero-page", &memory_anon, MEMORY_READ, 4096, 1, true },
	{ "fault-hole", &memory_anon, MEMORY_HOLE, 4096, 1, true },
	{ "fault-shmem", &memory_memfd_shared, MEMORY_WRITTEN, 4096, 1, false },
	{ "fault-file-shared", &memory_file_shared, MEMORY_WRITTEN, 4096, 1,
	  false },
	{ "fault-file-private", &memory_file_private, MEMORY_WRITTEN, 4096, 1,
	  false },
	{ "fault-file-copy", &memory_file_private, MEMORY_READ, 4096, 1, true },
	{ "fault-hugetlb", &memory_hugetlb_private, MEMORY_WRITTEN, 32, 1,
	  false },
	{ "fault-hugetlb-shared", &memory_hugetlb_shared, MEMORY_WRITTEN, 32, 1,
	  false },
	/* A write to one page of each huge page; the huge page is split. */
	{ "fault-thp", &memory_anon_thp, MEMORY_WRITTEN, 32 * 512, 512, true },
};

static const char *make(struct fault_trial *trial)
{
	const struct fault_case *fault = trial->fault;
	struct area *area = &trial->area;
	const char *reason;
	size_t i;

	reason = area_make(area, fault->kind, fault->units, fault->state);
	if (reason)
		return reason;
	area_pattern(area, PATTERN_ALL);
	area->nr_units /= fault->step;
	for (i = 0; i < area->nr_units; i++)
		area->units[i] = i * fault->step;
	if (!trial->soft_dirty)
		area_track(area);
	trial->made = true;
	return NULL;
}

static void unmake(struct fault_trial *trial)
{
	if (trial->made)
		area_free(&trial->area);
	trial->made = false;
}

static void prepare(void *data)
{
	struct fault_trial *trial = data;
	const char *reason = NULL;

	if (trial->fault->fresh) {
		unmake(trial);
		reason = make(trial);
		must(!reason, reason);
	}
	if (trial->soft_dirty)
		soft_dirty_clear();
	else
		area_arm(&trial->area);
}

static long run(void *data)
{
	const struct fault_trial *trial = data;

	return area_write(&trial->area);
}

static void measure_fault(const struct fault_case *fault, bool soft_dirty)
{
	const char *way = soft_dirty ? WAY_SOFT_DIRTY : WAY_SCAN;
	struct fault_trial data = { .fault = fault, .soft_dirty = soft_dirty };
	const struct trial trial = {
		.prepare = prepare,
		.run = run,
		.data = &data,
		.units = fault->units / fault->step,
		.again = true,
	};
	const char *reason;

	if (!wanted(fault->name))
		return;
	reason = make(&data);
	if (reason) {
		unmeasured(fault->name, way, reason);
		return;
	}
	measure(fault->name, way, "fault", &trial);
	unmake(&data);
}

/* Faults in the first MiBs of a mapping of that size */
static void measure_size(size_t size)
{
	struct range all = { .unit = 4096, .nr = size / 4096 };
	struct area area = { .mem.range = { .unit = 4096, .nr = 4096 } };
	struct fault_trial data = {
		.fault = &(struct fault_case) { .name = "fault" },
	};
	const struct trial trial = {
		.prepare = prepare,
		.run = run,
		.data = &data,
		.units = 4096,
		.again = true,
	};
	char name[48];

	snprintf(name, sizeof(name), "fault-in-mapping-%zuM", size / MIB);
	if (!wanted(name))
		return;
	all.addr = map_alone(size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	must(all.addr, "mmap");
	madvise(all.addr, size, MADV_NOHUGEPAGE);
	area.uffd = uffd_track(&all, 0, 0);
	must(area.uffd >= 0, "UFFDIO_REGISTER");
	area.mem.range.addr = all.addr;
	area_pattern(&area, PATTERN_ALL);
	area_write(&area);
	data.area = area;
	measure(name, WAY_SCAN, "fault", &trial);
	area_untrack(&area);
	munmap(all.addr, size);
}

void bench_faults(void)
{
	static const size_t sizes[] = { 16 * MIB, 256 * MIB, 4 * GIB, 64 * GIB, TIB };
	const bool soft_dirty = soft_dirty_works();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fault_cases); i++) {
		measure_fault(&fault_cases[i], false);
		/* It knows no hugetlb. */
		if (soft_dirty && !fault_cases[i].kind->hugetlb)
			measure_fault(&fault_cases[i], true);
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		measure_size(sizes[i]);
}
