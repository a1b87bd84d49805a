// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark: what to measure, on a machine that is kept quiet meanwhile.
 */
#define _GNU_SOURCE
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "area.h"

struct group {
	const char *name;
	void (*run)(void);
	bool wall;	/* needs more than one processor, or the clock of the wall */
};

static const struct group groups[] = {
	{ .name = "scan", .run = bench_scan },
	{ .name = "older", .run = bench_older },
	{ .name = "shape", .run = bench_shape },
	{ .name = "kinds", .run = bench_kinds },
	{ .name = "faults", .run = bench_faults },
	{ .name = "callers", .run = bench_callers, .wall = true },
	{ .name = "precopy", .run = bench_precopy },
	{ .name = "growth", .run = bench_growth },
	{ .name = "wine", .run = bench_wine, .wall = true },
	{ .name = "lock", .run = bench_lock },
	/* Gives memory to a virtual machine: what comes after is with care */
	{ .name = "counts", .run = bench_counts },
};

static const char *workloads = "*";

bool wanted(const char *workload)
{
	return !fnmatch(workloads, workload, 0);
}

void unmeasured(const char *workload, const char *way, const char *reason)
{
	printf("# skip\t%s\t%s\t%s\n", workload, way, reason);
	fflush(stdout);
}

void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench: failed: %s\n", what);
	exit(1);
}

/*
 * Addresses decide how many page tables there are and where they end, so they
 * are to be the same each time.
 */
static void fix_layout(char **argv)
{
	const int old = personality(0xffffffff);

	if (old & ADDR_NO_RANDOMIZE || personality(old | ADDR_NO_RANDOMIZE) < 0)
		return;
	execv("/proc/self/exe", argv);
}

/* What the kernel does by itself with the memory that is measured. */
static void keep_quiet(struct memory *settings)
{
	static const char *const values[][2] = {
		{ "/sys/kernel/mm/transparent_hugepage/enabled", "madvise" },
		{ "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs",
		  "4000000000" },
		{ "/sys/kernel/mm/ksm/run", "0" },
		{ "/proc/sys/kernel/numa_balancing", "0" },
		{ "/proc/sys/vm/dirty_writeback_centisecs", "0" },
		{ "/proc/sys/vm/stat_interval", "3600" },
		{ "/proc/sys/vm/compaction_proactiveness", "0" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(values); i++)
		memory_set(settings, values[i][0], values[i][1]);
}

static int wrong_usage(void)
{
	size_t i;

	fprintf(stderr, "usage: bench [-m MIB] [-n TRIES] [-w PATTERN] [GROUP...]\n"
		"  -m  measure on no more memory than that\n"
		"  -n  how often to try each; the least time counts\n"
		"  -w  only workloads whose names match\n"
		"groups, those of one processor if none is named:");
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		fprintf(stderr, " %s", groups[i].name);
	fprintf(stderr, "\n");
	return 2;
}

static bool chosen(const struct group *group, int nr, char **names)
{
	int i;

	if (!nr)
		return !group->wall;
	for (i = 0; i < nr; i++)
		if (!strcmp(names[i], group->name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct memory settings = { .fd = -1, .range.pagemap = -1 };
	struct utsname name;
	const char *reason;
	size_t i;
	int opt;

	fix_layout(argv);
	while ((opt = getopt(argc, argv, "m:n:w:")) != -1) {
		switch (opt) {
		case 'm':
			area_limit = strtoul(optarg, NULL, 10) * MIB;
			break;
		case 'n':
			tries = atoi(optarg) > 0 ? atoi(optarg) : 1;
			break;
		case 'w':
			workloads = optarg;
			break;
		default:
			return wrong_usage();
		}
	}
	reason = missing_wp_async();
	if (reason) {
		fprintf(stderr, "bench: %s\n", reason);
		return 4;
	}

	must(!uname(&name), "uname");
	printf("# kernel\t%s\t%s\n", name.release,
	       mainline_kernel() ? "mainline" : "ours");
	keep_quiet(&settings);
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		if (chosen(&groups[i], argc - optind, argv + optind))
			groups[i].run();
	memory_free(&settings);
	return 0;
}
