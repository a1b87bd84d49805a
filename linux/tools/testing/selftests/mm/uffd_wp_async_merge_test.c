// SPDX-License-Identifier: GPL-2.0
/*
 * Tracking of pages that the kernel replaces behind their owner's back: moved
 * to other frames, merged with equal ones, collapsed into a huge page.  None of
 * that is a write, and none of it may hide one.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "tracked.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#define KSM_DIR			"/sys/kernel/mm/ksm/"
#define FRAME_MASK		0x7fffffffffffffULL
#define TRIES			100

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

FIXTURE(collapsed)
{
	struct memory mem;
	struct range *range;
	size_t len;
	int uffd;
};

FIXTURE_VARIANT(collapsed)
{
	const struct memory_kind *kind;
	enum memory_state state;
};

FIXTURE_VARIANT_ADD(collapsed, anon) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(collapsed, huge_zero_page) { KIND(anon_thp, READ) };
FIXTURE_VARIANT_ADD(collapsed, anon_hole) { KIND(anon_thp, HOLE) };
FIXTURE_VARIANT_ADD(collapsed, memfd_shared) { KIND(memfd_shared_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(collapsed, memfd_shared_hole) { KIND(memfd_shared_thp, HOLE) };

FIXTURE_SETUP(collapsed)
{
	SKIP_SETUP_IF(mainline_lacks(variant->kind, variant->state));
	self->range = &self->mem.range;
	self->uffd = track(_metadata, &self->mem, variant->kind,
			   variant->state, 0, 0);
	self->len = self->range->nr * self->range->unit;
}

FIXTURE_TEARDOWN(collapsed)
{
	close(self->uffd);
	memory_free(&self->mem);
}

/* The kernel may refuse, or do it: neither changes what was written. */
TEST_F(collapsed, armed_and_written_pages_keep_their_state)
{
	store(self->range, 5);
	store(self->range, 7);
	store(self->range, 700);
	ASSERT_WRITTEN("5,7,700", self->range);
	madvise(self->range->addr, self->len, MADV_COLLAPSE);
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
	int err;

	for (i = 0; i < self->range->nr; i++)
		store(self->range, i);
	ASSERT_WRITTEN(pages_all(self->range), self->range);
	err = madvise(self->range->addr, self->len, MADV_COLLAPSE);
	if (err)
		TH_LOG("not collapsed: %s", strerror(errno));
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
	madvise(self->range->addr, self->len, MADV_COLLAPSE);
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

static unsigned long ksm_read(const char *path)
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
	unsigned long start = ksm_read(KSM_DIR "full_scans");

	if (madvise(self->range->addr, self->len, MADV_MERGEABLE))
		return "no MADV_MERGEABLE";
	if (memory_set(&self->mem, KSM_DIR "sleep_millisecs", "1") ||
	    memory_set(&self->mem, KSM_DIR "pages_to_scan", "1000") ||
	    memory_set(&self->mem, KSM_DIR "run", "1"))
		return "may not start KSM";
	while (!all_merged(self->range)) {
		if (ksm_read(KSM_DIR "full_scans") > start + TRIES)
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
