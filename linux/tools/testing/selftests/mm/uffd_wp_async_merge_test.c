// SPDX-License-Identifier: GPL-2.0
/*
 * Tracking of pages that the kernel replaces behind their owner's back: moved
 * to other frames, merged with equal ones, collapsed into a huge page.  None of
 * that is a write, and none of it may hide one.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>

#include "tracked.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#define KSM_DIR			"/sys/kernel/mm/ksm/"
#define FRAME_MASK		0x7fffffffffffffULL
#define TRIES			100
#define KHUGEPAGED_DIR		"/sys/kernel/mm/transparent_hugepage/khugepaged/"
#define NUMA_DIR		"/sys/kernel/debug/sched/numa_balancing/"
#define NUMA_SWITCH		"/proc/sys/kernel/numa_balancing"
#define CPU_SECONDS		10

/* The frame that holds a unit, or 0 when it is not to be seen. */
static __u64 frame_of(const struct range *range, size_t index)
{
	__u64 entry;

	if (pread(range->pagemap, &entry, sizeof(entry),
		  addr_of(range, index) / base_page() * sizeof(entry)) !=
	    sizeof(entry) || !(entry >> PAGEMAP_PRESENT))
		return 0;
	return entry & FRAME_MASK;
}

static unsigned long read_number(const char *path)
{
	unsigned long value = 0;
	FILE *file;

	file = fopen(path, "r");
	if (!file)
		return 0;
	if (fscanf(file, "%lu", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

FIXTURE(replaced)
{
	struct memory mem;
	struct range *range;
	size_t len;
	size_t target;		/* written since it was armed */
	size_t neighbour;	/* armed */
	int uffd;
};

FIXTURE_VARIANT(replaced)
{
	const struct memory_kind *kind;
	enum memory_state state;
};

FIXTURE_VARIANT_ADD(replaced, anon) { KIND(anon, WRITTEN) };
FIXTURE_VARIANT_ADD(replaced, thp) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(replaced, memfd_shared) { KIND(memfd_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(replaced, memfd_private_read) { KIND(memfd_private, READ) };
FIXTURE_VARIANT_ADD(replaced, memfd_private) { KIND(memfd_private, WRITTEN) };
FIXTURE_VARIANT_ADD(replaced, memfd_shared_thp) { KIND(memfd_shared_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(replaced, file_shared) { KIND(file_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(replaced, file_private_read) { KIND(file_private, READ) };
FIXTURE_VARIANT_ADD(replaced, hugetlb_shared) { KIND(hugetlb_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(replaced, hugetlb_private) { KIND(hugetlb_private, WRITTEN) };

FIXTURE_SETUP(replaced)
{
	SKIP_SETUP_IF(mainline_lacks(variant->kind, variant->state));
	self->range = &self->mem.range;
	self->uffd = track(_metadata, &self->mem, variant->kind,
			   variant->state, 0, 0);
	self->len = self->range->nr * self->range->unit;
	self->target = self->range->nr * 5 / 8;
	self->neighbour = self->target + 1;
	store(self->range, self->target);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
}

FIXTURE_TEARDOWN(replaced)
{
	close(self->uffd);
	memory_free(&self->mem);
}

/* Still just the target, and a store is seen as before. */
#define ASSERT_STATE_KEPT()						\
do {									\
	ASSERT_WRITTEN(pages_one(self->target), self->range);		\
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));		\
	ASSERT_WRITTEN(pages_one(self->target), self->range);		\
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));	\
	store(self->range, self->neighbour);				\
	ASSERT_WRITTEN(pages_one(self->neighbour), self->range);	\
} while (0)

/* Moves the page to the node; 0 when it is there, or -errno. */
static int move_to(const struct range *range, size_t index, int node)
{
	void *page = range->addr + index * range->unit;
	int status = -EBUSY;

	if (syscall(__NR_move_pages, 0, 1UL, &page, &node, &status,
		    MPOL_MF_MOVE) < 0)
		return -errno;
	return status < 0 ? status : status == node ? 0 : -EBUSY;
}

TEST_F(replaced, migrated)
{
	__u64 before, moved = 0;
	size_t i, step = 1;
	int node, try;

	SKIP_IF(access("/sys/devices/system/node/node1", F_OK) ?
		"one memory node only" : NULL);
	if (variant->kind->thp)
		step = pmd_size() / base_page();
	/* What is not mapped is not moved. */
	load_all(self->range);
	/* There and back, so that every page moves wherever it was. */
	for (node = 0; node < 2; node++) {
		for (i = 0; i < self->range->nr; i += step) {
			before = frame_of(self->range, i);
			for (try = 0; try < TRIES; try++) {
				if (!move_to(self->range, i, node))
					break;
			}
			moved += before != frame_of(self->range, i);
		}
		ASSERT_WRITTEN(pages_one(self->target), self->range);
	}
	SKIP_IF(moved ? NULL : "no page would move");
	ASSERT_STATE_KEPT();
}

TEST_F(replaced, compacted)
{
	int fd;

	fd = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);
	SKIP_IF(fd < 0 ? "no compaction" : NULL);
	ASSERT_EQ(1, write(fd, "1", 1));
	close(fd);
	ASSERT_STATE_KEPT();
}

/* A counter of /proc/vmstat. */
static unsigned long vm_counter(const char *name)
{
	unsigned long value = 0;
	char line[128];
	FILE *file;
	size_t len = strlen(name);

	file = fopen("/proc/vmstat", "r");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, len) && line[len] == ' ')
			value = strtoul(line + len, NULL, 10);
	fclose(file);
	return value;
}

static void *idle_main(void *lock)
{
	pthread_mutex_lock(lock);
	pthread_mutex_unlock(lock);
	return NULL;
}

/*
 * Lets the kernel take access away from all of the process, to see from the
 * faults where it runs; NULL when it has.  It looks at a process that uses its
 * processor, so that is what it does meanwhile; and it leaves the private pages
 * of a single thread alone that are where they should be.
 */
static const char *wait_for_hinting(FIXTURE_DATA(replaced) *self)
{
	const unsigned long pages = self->len / base_page();
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	const char *reason = NULL;
	pthread_t idle;
	unsigned long updates = vm_counter("numa_pte_updates");
	unsigned long faults = vm_counter("numa_hint_faults");
	clock_t start = clock();

	if (memory_set(&self->mem, NUMA_SWITCH, "1"))
		return "no NUMA balancing";
	/* Sooner than by default, where that can be said. */
	memory_set(&self->mem, NUMA_DIR "scan_delay_ms", "10");
	memory_set(&self->mem, NUMA_DIR "scan_period_min_ms", "10");
	/* To move one takes all of them off the lists where they are in use. */
	move_to(self->range, 0, 0);
	pthread_mutex_lock(&lock);
	if (pthread_create(&idle, NULL, idle_main, &lock))
		return "no second thread";
	/* One round over all that the process has, and faults in all places. */
	while (!reason &&
	       (vm_counter("numa_pte_updates") < updates + 2 * pages ||
		vm_counter("numa_hint_faults") < faults + 6)) {
		load_all(self->range);
		if (clock() - start > CPU_SECONDS * CLOCKS_PER_SEC)
			reason = "the kernel took no access away";
	}
	pthread_mutex_unlock(&lock);
	pthread_join(idle, NULL);
	return reason;
}

TEST_F_TIMEOUT(replaced, hinted_by_numa_faults, 300)
{
	SKIP_IF(variant->kind->hugetlb ? "hugetlb is not looked at" : NULL);
	SKIP_IF(access("/sys/devices/system/node/node1", F_OK) ?
		"one memory node only" : NULL);
	SKIP_IF(wait_for_hinting(self));
	ASSERT_STATE_KEPT();
}

FIXTURE(collapsed)
{
	struct memory mem;
	struct range *range;
	size_t len;
	bool by_khugepaged;
	int uffd;
};

FIXTURE_VARIANT(collapsed)
{
	const struct memory_kind *kind;
	enum memory_state state;
	bool by_khugepaged;	/* or by MADV_COLLAPSE */
};

FIXTURE_VARIANT_ADD(collapsed, anon) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(collapsed, huge_zero_page) { KIND(anon_thp, READ) };
FIXTURE_VARIANT_ADD(collapsed, anon_hole) { KIND(anon_thp, HOLE) };
FIXTURE_VARIANT_ADD(collapsed, memfd_shared) { KIND(memfd_shared_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(collapsed, memfd_shared_hole) { KIND(memfd_shared_thp, HOLE) };
FIXTURE_VARIANT_ADD(collapsed, khugepaged_anon) { KIND(anon_thp, WRITTEN), .by_khugepaged = true };

FIXTURE_VARIANT_ADD(collapsed, khugepaged_huge_zero_page)
{
	KIND(anon_thp, READ), .by_khugepaged = true,
};

FIXTURE_VARIANT_ADD(collapsed, khugepaged_anon_hole)
{
	KIND(anon_thp, HOLE), .by_khugepaged = true,
};

FIXTURE_VARIANT_ADD(collapsed, khugepaged_memfd_shared)
{
	KIND(memfd_shared_thp, WRITTEN), .by_khugepaged = true,
};

FIXTURE_VARIANT_ADD(collapsed, khugepaged_memfd_shared_hole)
{
	KIND(memfd_shared_thp, HOLE), .by_khugepaged = true,
};

FIXTURE_SETUP(collapsed)
{
	SKIP_SETUP_IF(mainline_lacks(variant->kind, variant->state));
	self->range = &self->mem.range;
	self->by_khugepaged = variant->by_khugepaged;
	self->uffd = track(_metadata, &self->mem, variant->kind,
			   variant->state, 0, 0);
	self->len = self->range->nr * self->range->unit;
}

FIXTURE_TEARDOWN(collapsed)
{
	close(self->uffd);
	memory_free(&self->mem);
}

/*
 * Asks for huge pages.  The kernel may refuse, or do it: neither changes what
 * was written.  khugepaged comes by more than once, for it leaves alone what
 * was in use lately; NULL when it did.
 */
static const char *collapse(FIXTURE_DATA(collapsed) *self)
{
	unsigned long start = read_number(KHUGEPAGED_DIR "full_scans");
	int i;

	if (!self->by_khugepaged) {
		if (madvise(self->range->addr, self->len, MADV_COLLAPSE))
			printf("# not collapsed: %s\n", strerror(errno));
		return NULL;
	}
	if (memory_set(&self->mem, KHUGEPAGED_DIR "scan_sleep_millisecs", "1") ||
	    memory_set(&self->mem, KHUGEPAGED_DIR "alloc_sleep_millisecs", "1") ||
	    memory_set(&self->mem, KHUGEPAGED_DIR "pages_to_scan", "100000"))
		return "may not hurry khugepaged";
	/* It hears of memory from its faults, or when it is asked again. */
	madvise(self->range->addr, self->len, MADV_HUGEPAGE);
	for (i = 0; i < TRIES * TRIES; i++) {
		if (read_number(KHUGEPAGED_DIR "full_scans") > start + 5)
			return NULL;
		usleep(1000);
	}
	return "khugepaged does not come by";
}

TEST_F(collapsed, armed_and_written_pages_keep_their_state)
{
	store(self->range, 5);
	store(self->range, 7);
	store(self->range, 700);
	ASSERT_WRITTEN("5,7,700", self->range);
	SKIP_IF(collapse(self));
	ASSERT_WRITTEN("5,7,700", self->range);
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
	ASSERT_STREQ("5,7,700", pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
	store(self->range, 6);
	ASSERT_WRITTEN("6", self->range);
}

TEST_F(collapsed, written_pages_stay_written)
{
	size_t i;

	for (i = 0; i < self->range->nr; i++)
		store(self->range, i);
	ASSERT_WRITTEN(pages_all(self->range), self->range);
	SKIP_IF(collapse(self));
	if (self->by_khugepaged && !variant->kind->backing) {
		/* There is nothing that could keep it from doing it. */
		ASSERT_STREQ(pages_all(self->range),
			     pages_with(self->range, PAGE_IS_HUGE));
	}
	ASSERT_WRITTEN(pages_all(self->range), self->range);
	ASSERT_STREQ(pages_all(self->range), pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
	store(self->range, 6);
	ASSERT_WRITTEN("6", self->range);
}

TEST_F(collapsed, one_armed_page_stays_armed)
{
	struct range one = *self->range;
	size_t i;

	for (i = 0; i < self->range->nr; i++)
		store(self->range, i);
	one.addr += 100 * one.unit;
	one.nr = 1;
	ASSERT_STREQ("0", pages_take(&one));
	SKIP_IF(collapse(self));
	ASSERT_WRITTEN("0-99,101-1023", self->range);
}

/* Equal pages, for KSM to find. */
FIXTURE(ksm)
{
	struct memory mem;
	struct range *range;
	size_t len;
	int uffd;
};

static bool all_merged(const struct range *range)
{
	__u64 frame = frame_of(range, 0);
	size_t i;

	for (i = 1; i < range->nr; i++)
		if (frame_of(range, i) != frame)
			return false;
	return frame;
}

FIXTURE_SETUP(ksm)
{
	size_t i;

	SKIP_SETUP_IF(missing_wp_async());
	SKIP_SETUP_IF(access(KSM_DIR "run", W_OK) ? "no KSM" : NULL);
	self->range = &self->mem.range;
	SKIP_SETUP_IF(memory_make(&self->mem, &memory_anon, MEMORY_WRITTEN));
	self->len = self->range->nr * self->range->unit;
	for (i = 0; i < self->range->nr; i++)
		memset(self->range->addr + i * self->range->unit, 0x77,
		       self->range->unit);
	self->uffd = uffd_track(self->range, 0, 0);
	ASSERT_LE(0, self->uffd);
}

FIXTURE_TEARDOWN(ksm)
{
	close(self->uffd);
	memory_free(&self->mem);
}

/*
 * Lets KSM scan until all pages are one; NULL when they are.  It does so by
 * itself in the background, twice at least: a page must not change in between.
 */
static const char *wait_for_ksm(FIXTURE_DATA(ksm) *self)
{
	unsigned long start = read_number(KSM_DIR "full_scans");

	if (madvise(self->range->addr, self->len, MADV_MERGEABLE))
		return "no MADV_MERGEABLE";
	if (memory_set(&self->mem, KSM_DIR "sleep_millisecs", "1") ||
	    memory_set(&self->mem, KSM_DIR "pages_to_scan", "1000") ||
	    memory_set(&self->mem, KSM_DIR "run", "1"))
		return "may not start KSM";
	while (!all_merged(self->range)) {
		if (read_number(KSM_DIR "full_scans") > start + TRIES)
			return "KSM did not merge equal pages";
		usleep(1000);
	}
	return NULL;
}

TEST_F_TIMEOUT(ksm, merged_pages_stay_armed, 300)
{
	ASSERT_STREQ("0-7", pages_take(self->range));
	SKIP_IF(wait_for_ksm(self));
	MAINLINE_DIFFERS("merging counts as a write", true,
			 !!strcmp("", pages_written(self->range)));
	ASSERT_WRITTEN("", self->range);
	load_all(self->range);
	ASSERT_WRITTEN("", self->range);
	/* A store takes the page out of the merge, alone. */
	store(self->range, 3);
	ASSERT_WRITTEN("3", self->range);
	ASSERT_EQ(0x77, self->range->addr[3 * self->range->unit]);
	ASSERT_EQ(0x77, self->range->addr[4 * self->range->unit]);
	ASSERT_STREQ("3", pages_take(self->range));
}

TEST_F_TIMEOUT(ksm, merged_pages_stay_written, 300)
{
	SKIP_IF(wait_for_ksm(self));
	ASSERT_WRITTEN("0-7", self->range);
	ASSERT_STREQ("0-7", pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
	store(self->range, 3);
	ASSERT_WRITTEN("3", self->range);
}

/* Armed and written pages with the same content: each keeps its own state. */
TEST_F_TIMEOUT(ksm, merge_of_armed_and_written_keeps_both, 300)
{
	char *page = self->range->addr + 5 * self->range->unit;

	ASSERT_STREQ("0-7", pages_take(self->range));
	poke(page, 0x77);
	ASSERT_WRITTEN("5", self->range);
	SKIP_IF(wait_for_ksm(self));
	MAINLINE_DIFFERS("merging counts as a write", true,
			 !!strcmp("5", pages_written(self->range)));
	ASSERT_WRITTEN("5", self->range);
}

/* Undoing the merge is a copy, and no write. */
TEST_F_TIMEOUT(ksm, unmerged_pages_keep_their_state, 300)
{
	ASSERT_STREQ("0-7", pages_take(self->range));
	poke(self->range->addr + 2 * self->range->unit, 0x77);
	SKIP_IF(wait_for_ksm(self));
	ASSERT_EQ(0, madvise(self->range->addr, self->len, MADV_UNMERGEABLE));
	ASSERT_FALSE(all_merged(self->range));
	MAINLINE_DIFFERS("merging counts as a write", true,
			 !!strcmp("2", pages_written(self->range)));
	ASSERT_WRITTEN("2", self->range);
	ASSERT_STREQ("2", pages_take(self->range));
	store(self->range, 3);
	ASSERT_WRITTEN("3", self->range);
}

TEST_HARNESS_MAIN
