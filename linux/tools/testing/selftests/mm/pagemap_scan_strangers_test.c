// SPDX-License-Identifier: GPL-2.0
/*
 * PAGEMAP_SCAN with random arguments on any process that there is, whatever it
 * does to its memory meanwhile.  Nobody knows what a scan should find there; but
 * what it returns has to be in order, in the range and within the limits, and
 * an error has to be one that the arguments can have.
 *
 *	STRANGERS_SECONDS=n	how long
 *	STRANGERS_SEED=n	for other arguments than those of seed 1
 *	STRANGERS_ARM=s		arm all processes but those whose name begins with s;
 *			else only the children of this test: others may count
 *			on what they find written
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "hunt.h"
#include "tracked.h"
#include "tracked_child.h"

#define SECONDS		5
#define TIMEOUT		100000	/* seconds, for one that is told to go on */
#define MAX_PROCESSES	4096
#define MAX_AREAS	512	/* of a process, from some of it on */
#define SCANS		20	/* of a process at a time */
#define VEC_LEN		600
#define NR_KINDS	5
#define NR_ERRORS	134

/* Those whose memory is tracked, and written. */
static const struct memory_kind *const kinds[NR_KINDS] = {
	&memory_anon, &memory_anon_thp, &memory_memfd_shared,
	&memory_file_private, &memory_hugetlb_private,
};

struct area {
	__u64 start;
	__u64 end;
};

FIXTURE(strangers)
{
	struct hunt_random random;
	struct tracked_child children[NR_KINDS];
	unsigned int nr_children;
	pid_t pids[MAX_PROCESSES];
	unsigned int nr_pids;
	struct area areas[MAX_AREAS];
	unsigned int nr_areas;
	struct page_region *vec;	/* with nothing that can be written behind */
	unsigned long nr_scans;
	unsigned long nr_regions;
	unsigned long nr_armed;		/* pages */
	unsigned long nr_errors[NR_ERRORS];
	char why[256];
};

static void stop_children(FIXTURE_DATA(strangers) *self)
{
	while (self->nr_children)
		tracked_child_end(&self->children[--self->nr_children]);
}

/* Which kinds there are depends on the machine; one is enough. */
FIXTURE_SETUP(strangers)
{
	const size_t len = VEC_LEN * sizeof(struct page_region);
	const char *seed = getenv("STRANGERS_SEED");
	const size_t page = base_page();
	const char *reason = NULL;
	char *map;
	int i;

	SKIP_SETUP_IF(missing_wp_async());
	self->random.state = seed ? strtoull(seed, NULL, 0) : 1;
	for (i = 0; i < NR_KINDS; i++) {
		struct tracked_child *child = &self->children[self->nr_children];
		const char *why = tracked_child_start(child, kinds[i], 2, 8,
						      NULL, NULL);
		const char write_on = CHILD_WRITE_ON;

		if (why)
			reason = why;
		else if (write(child->sock, &write_on, 1) == 1)
			self->nr_children++;
	}
	SKIP_SETUP_IF(self->nr_children ? NULL : reason);

	map = mmap(NULL, len + 2 * page, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, map);
	map += (len + page - 1) / page * page;
	ASSERT_EQ(0, mprotect(map, page, PROT_READ));
	self->vec = (struct page_region *)(map - len);
}

FIXTURE_TEARDOWN(strangers)
{
	stop_children(self);
}

static void find_processes(FIXTURE_DATA(strangers) *self)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	self->nr_pids = 0;
	while (proc && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0 && self->nr_pids < MAX_PROCESSES)
			self->pids[self->nr_pids++] = pid;
	}
	if (proc)
		closedir(proc);
}

/* By now some of it may have gone: all the better. */
static void find_areas(FIXTURE_DATA(strangers) *self, pid_t pid)
{
	unsigned long long start, end;
	char path[64], line[512];
	FILE *maps;

	self->nr_areas = 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return;
	while (self->nr_areas < MAX_AREAS && fgets(line, sizeof(line), maps)) {
		/* The vsyscall page is not in the address space of the process. */
		if (sscanf(line, "%llx-%llx", &start, &end) != 2 ||
		    (long long)start < 0)
			continue;
		self->areas[self->nr_areas++] = (struct area) { start, end };
	}
	fclose(maps);
}

static bool is_child(FIXTURE_DATA(strangers) *self, pid_t pid)
{
	unsigned int i;

	for (i = 0; i < self->nr_children; i++)
		if (self->children[i].pid == pid)
			return true;
	return false;
}

/* Clearing what others count on is for those only who say so. */
static bool may_arm(FIXTURE_DATA(strangers) *self, pid_t pid)
{
	const char *spared = getenv("STRANGERS_ARM");
	char path[64], name[32] = "";
	FILE *comm;

	if (is_child(self, pid))
		return true;
	if (!spared || !*spared)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	comm = fopen(path, "re");
	if (!comm)
		return false;
	if (!fgets(name, sizeof(name), comm))
		name[0] = 0;
	fclose(comm);
	return name[0] && strncmp(name, spared, strlen(spared));
}

static unsigned int below(FIXTURE_DATA(strangers) *self, unsigned int nr)
{
	return hunt_below(&self->random, nr);
}

static __u64 some_categories(FIXTURE_DATA(strangers) *self)
{
	/* Mostly few of them: else hardly a page would match. */
	switch (below(self, 4)) {
	case 0:
		return 0;
	case 1:
		return PAGE_IS_WRITTEN;
	case 2:
		return 1ULL << below(self, 8);
	}
	return below(self, ALL_CATEGORIES + 1);
}

static void some_range(FIXTURE_DATA(strangers) *self, struct pm_scan_arg *arg)
{
	const struct area *first = &self->areas[below(self, self->nr_areas)];
	const struct area *last = first;
	const __u64 page = base_page();

	/* The whole, or a part; one area, or some with the gaps between. */
	if (!below(self, 3))
		last += below(self, self->areas + self->nr_areas - first);
	arg->start = first->start;
	arg->end = last->end;
	if (below(self, 2))
		arg->start += below(self, (first->end - first->start) / page) * page;
	if (below(self, 2) && last->end - last->start > page)
		arg->end -= below(self, (last->end - last->start) / page) * page;
	if (arg->end < arg->start)
		arg->end = arg->start;
}

static struct pm_scan_arg some_scan(FIXTURE_DATA(strangers) *self, bool arm)
{
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.category_inverted = some_categories(self),
		.category_mask = some_categories(self),
		.category_anyof_mask = some_categories(self),
		.return_mask = below(self, 2) ? ALL_CATEGORIES :
			       some_categories(self),
	};

	if (below(self, 2))
		arg.category_inverted = 0;
	some_range(self, &arg);
	if (arm && below(self, 4))
		arg.flags |= PM_SCAN_WP_MATCHING;
	if (!below(self, 4))
		arg.flags |= PM_SCAN_CHECK_WPASYNC;
	if (below(self, 4))
		arg.vec_len = below(self, 4) ? VEC_LEN : 1 + below(self, VEC_LEN);
	/* At the end of what can be written, and sometimes too long for it. */
	if (arg.vec_len)
		arg.vec = to_u64(self->vec + VEC_LEN - arg.vec_len);
	if (arg.vec_len && !below(self, 8))
		arg.vec_len += below(self, VEC_LEN);
	if (!below(self, 3))
		arg.max_pages = 1 + below(self, 1000);
	return arg;
}

static bool fits(FIXTURE_DATA(strangers) *self, const struct pm_scan_arg *arg)
{
	return arg->vec + arg->vec_len * sizeof(struct page_region) <=
	       to_u64(self->vec + VEC_LEN);
}

/* What the arguments can have for an error, with nothing known of the target. */
static bool can_be(FIXTURE_DATA(strangers) *self, const struct pm_scan_arg *arg,
		   int error)
{
	switch (error) {
	case ESRCH:
	case ENOMEM:
		return true;
	case EFAULT:
		return !fits(self, arg);
	case EPERM:
		return arg->flags;
	case EINVAL:	/* a part of a hugetlb page */
		return arg->flags & PM_SCAN_WP_MATCHING;
	}
	return false;
}

/* NULL, or what is wrong with the answer. */
static const char *wrong_with(FIXTURE_DATA(strangers) *self,
			      const struct pm_scan_arg *arg, int result)
{
	const struct page_region *region =
		(const struct page_region *)(unsigned long)arg->vec;
	__u64 at = arg->start, pages = 0;
	int i;

	if (result < 0)
		return can_be(self, arg, -result) ? NULL : "this error";
	if (result > 0 && (!arg->vec_len || result > arg->vec_len))
		return "more regions than asked for";
	if (arg->walk_end < arg->start || arg->walk_end > arg->end)
		return "walk_end is out of the range";
	for (i = 0; i < result; i++, region++) {
		if (region->start < at || region->end <= region->start ||
		    region->end > arg->walk_end)
			return "a region is out of order, or behind walk_end";
		if ((region->start | region->end) % base_page())
			return "a region is not of pages";
		if (region->categories & ~arg->return_mask)
			return "categories that were not asked for";
		if (i && region->start == at &&
		    region->categories == region[-1].categories)
			return "two regions should be one";
		at = region->end;
		pages += (region->end - region->start) / base_page();
	}
	if (arg->max_pages && pages > arg->max_pages)
		return "more pages than asked for";
	self->nr_regions += result;
	if (arg->flags & PM_SCAN_WP_MATCHING)
		self->nr_armed += pages;
	return NULL;
}

static bool try_one(FIXTURE_DATA(strangers) *self, int pagemap, bool arm)
{
	struct pm_scan_arg arg = some_scan(self, arm);
	const char *wrong;
	int result;

	result = pagemap_scan(pagemap, &arg);
	self->nr_scans++;
	if (result < 0 && -result < NR_ERRORS)
		self->nr_errors[-result]++;
	wrong = wrong_with(self, &arg, result);
	if (!wrong)
		return true;
	snprintf(self->why, sizeof(self->why),
		 "%s: scan %lu: %d; flags %llx, %llx to %llx, walk_end %llx, vec_len %llu, max_pages %llu, masks %llx %llx %llx %llx",
		 wrong, self->nr_scans, result, arg.flags, arg.start, arg.end,
		 arg.walk_end, arg.vec_len, arg.max_pages, arg.category_inverted,
		 arg.category_mask, arg.category_anyof_mask, arg.return_mask);
	return false;
}

/* Memory comes and goes while it is scanned, and so does the process. */
static bool scan_process(FIXTURE_DATA(strangers) *self, pid_t pid)
{
	int pagemap = pagemap_open(pid), i;
	bool fine = true;

	if (pagemap < 0)
		return true;
	find_areas(self, pid);
	for (i = 0; fine && self->nr_areas && i < SCANS; i++)
		fine = try_one(self, pagemap, may_arm(self, pid));
	close(pagemap);
	return fine;
}

TEST_F_TIMEOUT(strangers, are_scanned_at_random, TIMEOUT)
{
	const char *seconds = getenv("STRANGERS_SECONDS");
	const time_t end = time(NULL) + (seconds ? atoi(seconds) : SECONDS);
	unsigned int i;

	/* Each of the children at least, and then who else there is. */
	for (i = 0; i < self->nr_children; i++)
		ASSERT_TRUE(scan_process(self, self->children[i].pid))
			TH_LOG("%s", self->why);
	ASSERT_NE(0, self->nr_regions);
	do {
		find_processes(self);
		ASSERT_NE(0, self->nr_pids);
		for (i = 0; i < 16; i++)
			ASSERT_TRUE(scan_process(self,
						 self->pids[below(self, self->nr_pids)]))
				TH_LOG("%s", self->why);
	} while (time(NULL) < end);
	TH_LOG("%lu scans, %lu regions, %lu pages armed", self->nr_scans,
	       self->nr_regions, self->nr_armed);
	for (i = 0; i < NR_ERRORS; i++)
		if (self->nr_errors[i])
			TH_LOG("%lu times: %s", self->nr_errors[i], strerror(i));
}

TEST_HARNESS_MAIN
