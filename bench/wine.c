// SPDX-License-Identifier: GPL-2.0
/*
 * A write watch as Wine gives it to Windows programs, garbage collectors mostly:
 * threads write all over one region, each thread each page once and then a pause;
 * another asks every few milliseconds what was written, and resets that, in the
 * same call or by one of its own. By the scan, and by what Wine does without it: mprotect()
 * and a handler of SIGSEGV that notes the page.
 *
 * Reported are the times of a write, and of asking for the whole region.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scan.h"

#define NR_GETS		100
#define MAX_THREADS	8

struct watch_case {
	unsigned int threads;
	size_t pages;		/* of the region; each thread writes them all */
	unsigned int delay;	/* between two of them asking, in ms */
	bool random;
	bool reset_in_get;
};

/* The region; for mprotect(), what is known of each page is under the lock. */
static struct watch {
	struct area area;
	const struct watch_case *params;
	pthread_mutex_t lock;
	unsigned char *written;
	atomic_bool stop;
} watch;

struct writer {
	pthread_t thread;
	size_t first;		/* where it begins; no two at the same place */
	__u64 time;
	__u64 writes;
};

static void *write_region(void *data)
{
	const struct watch_case *params = watch.params;
	const struct range *range = &watch.area.mem.range;
	const size_t *units = watch.area.units;
	struct writer *writer = data;
	__u64 start;
	size_t i;

	while (!watch.stop) {
		start = now();
		for (i = 0; i < params->pages; i++)
			store(range, units[(writer->first + i) % params->pages]);
		writer->time += now() - start;
		writer->writes += params->pages;
		usleep(params->delay * 1000);
	}
	return NULL;
}

static void note_write(int signal, siginfo_t *info, void *context)
{
	const struct range *range = &watch.area.mem.range;
	const size_t page = ((char *)info->si_addr - range->addr) / 4096;

	if ((char *)info->si_addr < range->addr || page >= range->nr)
		_exit(139);
	pthread_mutex_lock(&watch.lock);
	watch.written[page] = 1;
	must(!mprotect(range->addr + page * 4096, 4096, PROT_READ | PROT_WRITE),
	     "mprotect of a page");
	pthread_mutex_unlock(&watch.lock);
}

static void protect_reset(size_t first, size_t end)
{
	memset(watch.written + first, 0, end - first);
	mprotect(watch.area.mem.range.addr + first * 4096, (end - first) * 4096,
		 PROT_READ);
}

/* Wine hands out addresses, one for each page. */
static size_t protect_get(void **addrs, bool reset)
{
	const struct range *range = &watch.area.mem.range;
	size_t i, nr = 0;

	pthread_mutex_lock(&watch.lock);
	for (i = 0; i < range->nr; i++)
		if (watch.written[i])
			addrs[nr++] = range->addr + i * 4096;
	if (reset)
		protect_reset(0, range->nr);
	pthread_mutex_unlock(&watch.lock);
	return nr;
}

static size_t scan_get(void **addrs, bool reset)
{
	const struct range *range = &watch.area.mem.range;
	const struct query query = {
		.flags = reset ? PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC : 0,
		.mask = PAGE_IS_WRITTEN,
		.ret = PAGE_IS_WRITTEN,
		.vec_len = 256,
	};
	const struct page_region *vec = vec_of(query.vec_len);
	struct pm_scan_arg arg = query_arg(&query, range);
	size_t nr = 0;
	__u64 addr;
	int i, ret;

	do {
		ret = pagemap_scan(range->pagemap, &arg);
		must(ret >= 0, "scan");
		for (i = 0; i < ret; i++)
			for (addr = vec[i].start; addr < vec[i].end; addr += 4096)
				addrs[nr++] = (void *)addr;
		arg.start = arg.walk_end;
	} while ((__u64)ret == query.vec_len && arg.start < arg.end);
	return nr;
}

static void scan_reset(void)
{
	const struct query query = QUERY_CLEAR;
	struct pm_scan_arg arg = query_arg(&query, &watch.area.mem.range);

	must(pagemap_scan(watch.area.mem.range.pagemap, &arg) >= 0, "reset");
}

static __u64 get(void **addrs, bool by_scan, bool reset)
{
	const __u64 start = now();

	if (by_scan)
		scan_get(addrs, reset);
	else
		protect_get(addrs, reset);
	if (reset)
		return now() - start;
	if (by_scan) {
		scan_reset();
	} else {
		pthread_mutex_lock(&watch.lock);
		protect_reset(0, watch.area.mem.range.nr);
		pthread_mutex_unlock(&watch.lock);
	}
	return now() - start;
}

static void watch_begin(bool by_scan)
{
	const struct sigaction action = {
		.sa_sigaction = note_write, .sa_flags = SA_SIGINFO | SA_RESTART,
	};
	const char *reason;

	reason = area_make(&watch.area, &memory_anon, watch.params->pages,
			   MEMORY_WRITTEN);
	must(!reason, reason);
	area_pattern(&watch.area, (struct pattern) {
		watch.params->random ? ORDER_RANDOM : ORDER_SEQUENTIAL, 100 });
	watch.stop = false;
	pthread_mutex_init(&watch.lock, NULL);
	if (by_scan) {
		area_track(&watch.area);
		area_arm(&watch.area);
		return;
	}
	watch.written = mmap(NULL, watch.area.mem.range.nr, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	must(watch.written != MAP_FAILED && !sigaction(SIGSEGV, &action, NULL),
	     "mmap");
	protect_reset(0, watch.area.mem.range.nr);
}

static void watch_end(bool by_scan)
{
	if (!by_scan) {
		signal(SIGSEGV, SIG_DFL);
		munmap(watch.written, watch.area.mem.range.nr);
	}
	pthread_mutex_destroy(&watch.lock);
	area_free(&watch.area);
}

static void report_watch(const char *what, const char *way, const char *unit,
			 double value)
{
	const struct watch_case *params = watch.params;
	char name[64];

	snprintf(name, sizeof(name), "wine-%s-%u-%zu-%u-%d-%d", what,
		 params->threads, params->pages, params->delay, params->random,
		 params->reset_in_get);
	report(name, way, unit, value, params->pages, 0);
}

static void measure_watch(const struct watch_case *params, bool by_scan)
{
	const char *way = by_scan ? WAY_SCAN : "mprotect";
	struct writer writers[MAX_THREADS] = { 0 };
	__u64 write_time = 0, writes = 0, get_time = 0;
	unsigned int i;
	void **addrs;

	addrs = mmap(NULL, params->pages * sizeof(*addrs), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	must(addrs != MAP_FAILED, "mmap");
	watch.params = params;
	watch_begin(by_scan);
	for (i = 0; i < params->threads; i++) {
		writers[i].first = i * params->pages / params->threads;
		must(!pthread_create(&writers[i].thread, NULL, write_region,
				     &writers[i]), "pthread_create");
	}
	for (i = 0; i < NR_GETS; i++) {
		usleep(params->delay * 1000);
		get_time += get(addrs, by_scan, params->reset_in_get);
	}
	watch.stop = true;
	for (i = 0; i < params->threads; i++) {
		pthread_join(writers[i].thread, NULL);
		write_time += writers[i].time;
		writes += writers[i].writes;
	}
	watch_end(by_scan);
	munmap(addrs, params->pages * sizeof(*addrs));

	report_watch("write", way, "page", (double)write_time / writes);
	report_watch("get", way, "get", (double)get_time / NR_GETS);
}

void bench_wine(void)
{
	static const struct watch_case cases[] = {
		{ 6, 1080, 3, true, true },
		{ 6, 1080, 3, true, false },
		{ 8, 8192, 3, true, true },
		{ 8, 8192, 3, true, false },
		{ 8, 8192, 1, true, true },
		{ 8, 64, 1, true, true },
	};
	size_t i;

	if (!wanted("wine"))
		return;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		measure_watch(&cases[i], true);
		measure_watch(&cases[i], false);
	}
}
