// SPDX-License-Identifier: GPL-2.0
/*
 * What the scan replaces, on the same memory as scan.c: soft-dirty, reading
 * /proc/PID/pagemap, synchronous write protection with a thread that resolves
 * the faults, mprotect() with a handler of SIGSEGV; and the limit of them all, a
 * loop that loads and tests as many entries.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "area.h"
#include "older.h"

#define AREA_PAGES	(128 * MIB / 4096)
/* Of the ways that take long for one page */
#define SLOW_PAGES	4096

#define PM_SOFT_DIRTY	(1ULL << 55)
#define PM_PRESENT	(1ULL << PAGEMAP_PRESENT)

/* pagemap is read in pieces of 64 KiB. */
static __u64 entries[8192];

void soft_dirty_clear(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	must(fd >= 0 && write(fd, "4", 1) == 1, "clear_refs");
	close(fd);
}

/* The pages whose entries have the bit; which they are, if list is not NULL. */
static long pagemap_find(const struct range *range, __u64 bit, size_t *list)
{
	const size_t per_unit = range->unit / 4096;
	size_t left = range->nr * per_unit, nr, i;
	off_t at = addr_of(range, 0) / 4096 * sizeof(*entries);
	long found = 0;

	for (; left; left -= nr) {
		nr = left < ARRAY_SIZE(entries) ? left : ARRAY_SIZE(entries);
		if (pread(range->pagemap, entries, nr * sizeof(*entries), at) !=
		    (ssize_t)(nr * sizeof(*entries)))
			return -EIO;
		for (i = 0; i < nr; i++) {
			if (!(entries[i] & bit))
				continue;
			if (list)
				list[found] = range->nr * per_unit - left + i;
			found++;
		}
		at += nr * sizeof(*entries);
	}
	return found;
}

long soft_dirty_list(const struct range *range, size_t *list)
{
	return pagemap_find(range, PM_SOFT_DIRTY, list);
}

bool soft_dirty_works(void)
{
	static char pages[2 * 4096];
	struct range page = { .unit = 4096, .nr = 1 };
	bool works;

	page.addr = (char *)(((unsigned long)pages + 4095) & ~4095UL);
	page.pagemap = pagemap_open(0);
	poke(page.addr, 1);
	soft_dirty_clear();
	works = soft_dirty_list(&page, NULL) == 0;
	poke(page.addr, 2);
	works = works && soft_dirty_list(&page, NULL) == 1;
	close(page.pagemap);
	return works;
}

static long run_pagemap(void *data)
{
	return pagemap_find(&((struct area *)data)->mem.range, PM_PRESENT,
			    NULL);
}

static long run_soft_dirty_get(void *data)
{
	return soft_dirty_list(&((struct area *)data)->mem.range, NULL);
}

static long run_soft_dirty_clear(void *data)
{
	soft_dirty_clear();
	return 0;
}

static long run_soft_dirty_take(void *data)
{
	long found = run_soft_dirty_get(data);

	soft_dirty_clear();
	return found;
}

static long run_write(void *data)
{
	return area_write(data);
}

static void prepare_soft_dirty(void *data)
{
	soft_dirty_clear();
	area_write(data);
}

static void measure_soft_dirty(struct area *area)
{
	static const struct {
		const char *name;
		struct pattern pattern;
		long (*run)(void *data);
	} cases[] = {
		{ "get-all", PATTERN_ALL, run_soft_dirty_get },
		{ "get-none", PATTERN_NONE, run_soft_dirty_get },
		{ "get-alternate", PATTERN_ALTERNATE, run_soft_dirty_get },
		{ "take-all", PATTERN_ALL, run_soft_dirty_take },
		{ "take-none", PATTERN_NONE, run_soft_dirty_take },
		{ "take-alternate", PATTERN_ALTERNATE, run_soft_dirty_take },
		{ "clear-all", PATTERN_ALL, run_soft_dirty_clear },
		{ "clear-none", PATTERN_NONE, run_soft_dirty_clear },
	};
	struct trial trial = {
		.prepare = prepare_soft_dirty,
		.data = area,
		.units = area->mem.range.nr,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		area_pattern(area, cases[i].pattern);
		trial.run = cases[i].run;
		measure(cases[i].name, WAY_SOFT_DIRTY, "page", &trial);
	}
}

static long run_writeprotect(void *data)
{
	area_arm(data);
	return 0;
}

static void prepare_armed(void *data)
{
	area_arm(data);
}

static void prepare_written(void *data)
{
	area_write(data);
}

/* The same arming as "clear" by the other ioctl */
static void measure_writeprotect(struct area *area)
{
	struct trial trial = {
		.prepare = prepare_written,
		.run = run_writeprotect,
		.data = area,
		.units = area->mem.range.nr,
	};

	area_track(area);
	area_pattern(area, PATTERN_ALL);
	measure("clear-all", "writeprotect", "page", &trial);
	trial.prepare = prepare_armed;
	measure("clear-none", "writeprotect", "page", &trial);
	area_untrack(area);
}

static void *resolve_faults(void *data)
{
	const int uffd = *(int *)data;
	struct uffdio_writeprotect resolve = { .range.len = 4096 };
	struct uffd_msg msg;

	while (read(uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		resolve.range.start = msg.arg.pagefault.address & ~4095ULL;
		must(!ioctl(uffd, UFFDIO_WRITEPROTECT, &resolve),
		     "resolving a fault");
	}
	return NULL;
}

static void measure_sync(struct area *area)
{
	const struct trial trial = {
		.prepare = prepare_armed,
		.run = run_write,
		.data = area,
		.units = area->mem.range.nr,
		.again = true,
	};
	pthread_t thread;

	if (!wanted("fault-anon"))
		return;
	area->uffd = uffd_open(0, 0);
	must(area->uffd >= 0 && !uffd_register(area->uffd, &area->mem.range,
					       UFFDIO_REGISTER_MODE_WP),
	     "registering for synchronous faults");
	must(!pthread_create(&thread, NULL, resolve_faults, &area->uffd),
	     "pthread_create");
	measure("fault-anon", "uffd-sync", "fault", &trial);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	area_untrack(area);
}

static void open_page(int signal, siginfo_t *info, void *context)
{
	char *page = (char *)((unsigned long)info->si_addr & ~4095UL);

	must(!mprotect(page, 4096, PROT_READ | PROT_WRITE), "mprotect of a page");
}

static void mprotect_arm(const struct range *range)
{
	const struct sigaction action = {
		.sa_sigaction = open_page,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	sigaction(SIGSEGV, &action, NULL);
	must(!mprotect(range->addr, range->nr * range->unit, PROT_READ),
	     "mprotect");
}

static void mprotect_disarm(const struct range *range)
{
	must(!mprotect(range->addr, range->nr * range->unit,
		       PROT_READ | PROT_WRITE), "mprotect");
	signal(SIGSEGV, SIG_DFL);
}

static void prepare_mprotect(void *data)
{
	mprotect_arm(&((struct area *)data)->mem.range);
}

static long run_mprotect(void *data)
{
	mprotect_arm(&((struct area *)data)->mem.range);
	return 0;
}

static void prepare_mprotect_written(void *data)
{
	mprotect_disarm(&((struct area *)data)->mem.range);
}

static void measure_mprotect(struct area *area)
{
	struct trial trial = {
		.prepare = prepare_mprotect,
		.run = run_write,
		.data = area,
		.units = area->mem.range.nr,
		.again = true,
	};

	measure("fault-anon", "mprotect", "fault", &trial);
	trial.run = run_mprotect;
	trial.again = false;
	trial.prepare = prepare_mprotect_written;
	measure("clear-all", "mprotect", "page", &trial);
	mprotect_disarm(&area->mem.range);
}

/* No scan can do with less: it has to look at each entry, until one differs. */
static long run_limit(void *data)
{
	const __u64 *entry = data, *end = entry + AREA_PAGES;

	while (entry < end && *entry & 2)
		entry++;
	return entry - (__u64 *)data;
}

static void measure_limit(void)
{
	const size_t size = AREA_PAGES * sizeof(__u64);
	__u64 *table = map_alone(size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS);
	const struct trial trial = {
		.run = run_limit,
		.data = table,
		.units = AREA_PAGES,
	};

	must(table, "mmap");
	memset(table, 0xff, size);
	measure("limit", "loop", "page", &trial);
	munmap(table, size);
}

void bench_older(void)
{
	struct area area;
	const struct trial pagemap = {
		.run = run_pagemap,
		.data = &area,
		.units = AREA_PAGES,
	};
	const char *reason;

	measure_limit();
	reason = area_make(&area, &memory_anon, AREA_PAGES, MEMORY_WRITTEN);
	must(!reason, reason);
	measure("get-all", "pagemap", "page", &pagemap);
	if (soft_dirty_works())
		measure_soft_dirty(&area);
	else
		unmeasured("*", WAY_SOFT_DIRTY, "this kernel has no soft-dirty");
	measure_writeprotect(&area);
	area_free(&area);

	reason = area_make(&area, &memory_anon, SLOW_PAGES, MEMORY_WRITTEN);
	must(!reason, reason);
	area_pattern(&area, PATTERN_ALL);
	measure_sync(&area);
	measure_mprotect(&area);
	area_free(&area);
}
