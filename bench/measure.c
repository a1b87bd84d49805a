// SPDX-License-Identifier: GPL-2.0
/*
 * The clock, and the least of several tries.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench.h"

unsigned int tries = 5;

__u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

int compare_u64(const void *a, const void *b)
{
	const __u64 left = *(const __u64 *)a, right = *(const __u64 *)b;

	return left < right ? -1 : left > right;
}

void report(const char *workload, const char *way, const char *unit,
	    double value, size_t units, long found)
{
	printf("%s\t%s\t%s\t%.2f\t%zu\t%ld\n", workload, way, unit, value,
	       units, found);
	fflush(stdout);
}

static long run_nothing(void *data)
{
	return 0;
}

static __u64 least(const struct trial *trial, long *found)
{
	__u64 best = ~0ULL, start, end;
	unsigned int i;

	for (i = 0; i < tries; i++) {
		if (trial->prepare)
			trial->prepare(trial->data);
		start = now();
		*found = trial->run(trial->data);
		end = now();
		if (*found < 0)
			return 0;
		if (end - start < best)
			best = end - start;
	}
	return best;
}

void measure(const char *workload, const char *way, const char *unit,
	     const struct trial *trial)
{
	struct trial idle = { .run = run_nothing };
	__u64 time, overhead;
	long found, none;

	if (!wanted(workload))
		return;
	time = least(trial, &found);
	if (found < 0) {
		unmeasured(workload, way, strerror(-found));
		return;
	}
	if (trial->again) {
		idle.run = trial->run;
		idle.data = trial->data;
	}
	overhead = least(&idle, &none);
	time -= time < overhead ? time : overhead;
	report(workload, way, unit, (double)time / trial->units, trial->units,
	       found);
}
