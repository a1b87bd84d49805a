// SPDX-License-Identifier: GPL-2.0
/*
 * Who waits for a scan: one thread scans all the memory there is, another wants
 * to map and unmap a page every so often, a third to touch a new one. Reported
 * is how long it took at most, from when it was due until it was done, with the
 * wait for the processor: the median of several scans. "idle" is the same with
 * no scan, for as long as one takes.
 *
 * One processor will do: whoever is due gets it from the scan where that lets
 * go of it, and then finds the mmap_lock free or not.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "scan.h"

#define NR_SCANS	9
#define FAULT_PAGES	512
#define PERIOD		200000ULL

enum who { SCANNER, MAPPER, FAULTER, NR_WHO };

static const char *const who_names[NR_WHO] = { "scan", "mmap", "fault" };

/* A thread that does something short, each period. */
struct worker {
	pthread_t thread;
	void (*once)(struct worker *worker);
	char *addr;
	size_t next;
	atomic_ullong longest;
	atomic_ulong times;
};

static atomic_bool stop;

static void map_once(struct worker *worker)
{
	void *addr = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(addr != MAP_FAILED && !munmap(addr, 4096), "mmap and munmap");
}

static void fault_once(struct worker *worker)
{
	poke(worker->addr + worker->next * 4096, 1);
}

/* Not timed: the pages that were touched become new ones again. */
static void advance(struct worker *worker)
{
	if (!worker->addr || ++worker->next < FAULT_PAGES)
		return;
	worker->next = 0;
	madvise(worker->addr, FAULT_PAGES * 4096, MADV_DONTNEED);
}

static void sleep_until(__u64 due)
{
	const struct timespec ts = {
		.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000,
	};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void *work(void *data)
{
	struct worker *worker = data;
	__u64 due, time;

	prctl(PR_SET_TIMERSLACK, 1);
	while (!stop) {
		due = now() + PERIOD;
		sleep_until(due);
		worker->once(worker);
		time = now() - due;
		if (time > worker->longest)
			worker->longest = time;
		worker->times++;
		advance(worker);
	}
	return NULL;
}

static void worker_start(struct worker *worker, void (*once)(struct worker *))
{
	worker->once = once;
	must(!pthread_create(&worker->thread, NULL, work, worker),
	     "pthread_create");
}

/* The median of what each had to wait; for the scanner, what it took. */
static void report_waits(const char *name, __u64 waits[NR_WHO][NR_SCANS],
			 size_t pages, bool idle)
{
	char workload[48];
	int who;

	for (who = idle ? MAPPER : SCANNER; who < NR_WHO; who++) {
		qsort(waits[who], NR_SCANS, sizeof(waits[who][0]), compare_u64);
		snprintf(workload, sizeof(workload), "lock-%s-%s", name,
			 who_names[who]);
		report(workload, WAY_SCAN, "longest", waits[who][NR_SCANS / 2],
		       pages, 0);
	}
}

static __u64 scan_once(struct area *area, const struct query *query)
{
	const struct pm_scan_arg arg = query_arg(query, &area->mem.range);
	__u64 start;

	start = now();
	must(scan_range(area->mem.range.pagemap, &arg, false) >= 0, "scan");
	return now() - start;
}

/* What was due before is done when each has been there once more. */
static void let_finish(const struct worker *workers)
{
	unsigned long times;
	int who;

	for (who = MAPPER; who < NR_WHO; who++) {
		times = workers[who].times;
		while (workers[who].times < times + 2)
			usleep(100);
	}
}

static void measure_waits(struct area *area, struct worker *workers,
			  const char *name, const struct query *query,
			  __u64 *duration)
{
	__u64 waits[NR_WHO][NR_SCANS];
	int i;

	for (i = 0; i < NR_SCANS; i++) {
		must(!uffd_writeprotect(area->uffd, &area->mem.range, false),
		     "UFFDIO_WRITEPROTECT");
		let_finish(workers);
		workers[MAPPER].longest = 0;
		workers[FAULTER].longest = 0;
		if (query) {
			waits[SCANNER][i] = scan_once(area, query);
		} else {
			sleep_until(now() + *duration);
			waits[SCANNER][i] = *duration;
		}
		let_finish(workers);
		waits[MAPPER][i] = workers[MAPPER].longest;
		waits[FAULTER][i] = workers[FAULTER].longest;
	}
	report_waits(name, waits, area->mem.range.nr, !query);
	*duration = waits[SCANNER][NR_SCANS / 2];
}

void bench_lock(void)
{
	const struct query get = QUERY_WRITTEN, take = QUERY_TAKE;
	struct worker workers[NR_WHO] = { 0 };
	__u64 duration = 0;
	struct area area;
	const char *reason;

	if (!wanted("lock"))
		return;
	reason = area_make(&area, &memory_anon, largest_area() / 4096,
			   MEMORY_WRITTEN);
	must(!reason, reason);
	area_track(&area);
	workers[FAULTER].addr = map_alone(FAULT_PAGES * 4096,
					  PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS);
	must(workers[FAULTER].addr, "mmap");
	madvise(workers[FAULTER].addr, FAULT_PAGES * 4096, MADV_NOHUGEPAGE);
	stop = false;
	worker_start(&workers[MAPPER], map_once);
	worker_start(&workers[FAULTER], fault_once);
	measure_waits(&area, workers, "get", &get, &duration);
	measure_waits(&area, workers, "idle", NULL, &duration);
	measure_waits(&area, workers, "take", &take, &duration);
	stop = true;
	pthread_join(workers[MAPPER].thread, NULL);
	pthread_join(workers[FAULTER].thread, NULL);
	munmap(workers[FAULTER].addr, FAULT_PAGES * 4096);
	area_free(&area);
}
