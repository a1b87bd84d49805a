// SPDX-License-Identifier: GPL-2.0
/*
 * What PAGEMAP_SCAN says of pages that are on their way from one memory node to
 * another: for an instant, each has a migration entry in place of its own.
 */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "tracked.h"

/* So many migrations are to be seen, in no more than so many scans. */
#define ENOUGH		500
#define MAX_SCANS	200000

#define VEC_LEN		64
#define MAX_MOVED	16

FIXTURE(moving)
{
	struct memory mem;
	struct range *range;
	size_t step;		/* in pages, of what moves as one */
	atomic_bool stop;
	atomic_ulong moved;
	unsigned long seen;
};

FIXTURE_VARIANT(moving)
{
	const struct memory_kind *kind;
	enum memory_state state;
	bool file;
};

FIXTURE_VARIANT_ADD(moving, anon_is_no_file) { KIND(anon, WRITTEN) };
FIXTURE_VARIANT_ADD(moving, thp_is_no_file) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(moving, memfd_private_written_is_no_file)
{
	KIND(memfd_private, WRITTEN),
};

FIXTURE_VARIANT_ADD(moving, memfd_private_read_is_a_file)
{
	KIND(memfd_private, READ), .file = true,
};

FIXTURE_VARIANT_ADD(moving, memfd_shared_is_a_file)
{
	KIND(memfd_shared, WRITTEN), .file = true,
};

FIXTURE_VARIANT_ADD(moving, file_shared_is_a_file)
{
	KIND(file_shared, WRITTEN), .file = true,
};

FIXTURE_VARIANT_ADD(moving, file_private_read_is_a_file)
{
	KIND(file_private, READ), .file = true,
};

FIXTURE_VARIANT_ADD(moving, hugetlb_shared_is_a_file)
{
	KIND(hugetlb_shared, WRITTEN), .file = true,
};

FIXTURE_VARIANT_ADD(moving, hugetlb_private_is_no_file) { KIND(hugetlb_private, WRITTEN) };

FIXTURE_SETUP(moving)
{
	SKIP_SETUP_IF(missing_scan());
	SKIP_SETUP_IF(access("/sys/devices/system/node/node1", F_OK) ?
		      "one memory node only" : NULL);
	SKIP_SETUP_IF(memory_make(&self->mem, variant->kind, variant->state));
	self->range = &self->mem.range;
	self->step = variant->kind->thp ? pmd_size() / base_page() : 1;
}

FIXTURE_TEARDOWN(moving)
{
	memory_free(&self->mem);
}

/* All of it to the one node and back, until told to stop. */
static void *mover_main(void *data)
{
	FIXTURE_DATA(moving) *self = data;
	int nodes[MAX_MOVED], status[MAX_MOVED];
	unsigned long i, nr = self->range->nr / self->step;
	void *pages[MAX_MOVED];
	int node;

	for (node = 0; !atomic_load(&self->stop); node = !node) {
		for (i = 0; i < nr && i < MAX_MOVED; i++) {
			pages[i] = self->range->addr +
				   i * self->step * self->range->unit;
			nodes[i] = node;
			status[i] = -1;
		}
		syscall(__NR_move_pages, 0, i, pages, nodes, status,
			MPOL_MF_MOVE);
		while (i--)
			atomic_fetch_add(&self->moved, status[i] == node);
	}
	return NULL;
}

/* One scan; what is wrong with it, or NULL. */
static const char *look(FIXTURE_DATA(moving) *self, bool file)
{
	const __u64 expected = file ? PAGE_IS_FILE : 0;
	struct page_region vec[VEC_LEN];
	struct pm_scan_arg arg = SCAN_OF(self->range,
		.vec = to_u64(vec),
		.vec_len = VEC_LEN,
		.return_mask = PAGE_IS_FILE | PAGE_IS_PRESENT | PAGE_IS_SWAPPED);
	__u64 pos = arg.start;
	int i, nr;

	nr = pagemap_scan(self->range->pagemap, &arg);
	if (nr < 0 || arg.walk_end != arg.end)
		return "the scan failed";
	for (i = 0; i < nr; pos = vec[i++].end) {
		if (vec[i].start != pos)
			return "a page was left out";
		if ((vec[i].categories & PAGE_IS_FILE) != expected)
			return vec[i].categories & PAGE_IS_SWAPPED ?
				"wrong while it moved" : "wrong while it was there";
		self->seen += !!(vec[i].categories & PAGE_IS_SWAPPED);
	}
	return pos == arg.end ? NULL : "the last page was left out";
}

TEST_F_TIMEOUT(moving, file_is_said_all_the_time, 300)
{
	const char *wrong = NULL;
	pthread_t mover;
	unsigned long i;

	/* What is not mapped is not moved. */
	load_all(self->range);
	ASSERT_EQ(0, pthread_create(&mover, NULL, mover_main, self));
	for (i = 0; i < MAX_SCANS && self->seen < ENOUGH && !wrong; i++)
		wrong = look(self, variant->file);
	atomic_store(&self->stop, true);
	ASSERT_EQ(0, pthread_join(mover, NULL));
	ASSERT_TRUE(!wrong) TH_LOG("%s, after %lu scans", wrong, i);
	TH_LOG("%lu scans met %lu migrations, of %lu", i, self->seen,
	       atomic_load(&self->moved));
	SKIP_IF(self->seen ? NULL : "no scan met a migration entry");
}

TEST_HARNESS_MAIN
