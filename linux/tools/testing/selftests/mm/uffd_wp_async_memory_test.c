// SPDX-License-Identifier: GPL-2.0
/*
 * UFFD_FEATURE_WP_ASYNC on every kind of memory: a store is seen, exactly where
 * it was, every time, and nothing else is.
 */
#define _GNU_SOURCE
#include "tracked.h"

FIXTURE(memory)
{
	struct memory mem;
	struct range *range;
	size_t target;	/* a unit with neighbours, where there are any */
	int uffd;
};

FIXTURE_VARIANT(memory)
{
	const struct memory_kind *kind;
	enum memory_state state;
};

#define KIND(name, _kind, _state)					\
	FIXTURE_VARIANT_ADD(memory, name) {				\
		.kind = &memory_##_kind,				\
		.state = MEMORY_##_state,				\
	}

KIND(anon_hole, anon, HOLE);
KIND(zero_page, anon, READ);
KIND(anon, anon, WRITTEN);
KIND(stack_hole, stack, HOLE);
KIND(stack, stack, WRITTEN);
KIND(thp_hole, anon_thp, HOLE);
KIND(huge_zero_page, anon_thp, READ);
KIND(thp, anon_thp, WRITTEN);
KIND(anon_shared_hole, anon_shared, HOLE);
KIND(anon_shared, anon_shared, WRITTEN);
KIND(sysv_hole, sysv, HOLE);
KIND(sysv, sysv, WRITTEN);
KIND(memfd_shared_hole, memfd_shared, HOLE);
KIND(memfd_shared_read, memfd_shared, READ);
KIND(memfd_shared, memfd_shared, WRITTEN);
KIND(memfd_private_hole, memfd_private, HOLE);
KIND(memfd_private_read, memfd_private, READ);
KIND(memfd_private, memfd_private, WRITTEN);
KIND(memfd_shared_thp_hole, memfd_shared_thp, HOLE);
KIND(memfd_shared_thp_read, memfd_shared_thp, READ);
KIND(memfd_shared_thp, memfd_shared_thp, WRITTEN);
KIND(memfd_private_thp_read, memfd_private_thp, READ);
KIND(file_shared_hole, file_shared, HOLE);
KIND(file_shared_read, file_shared, READ);
KIND(file_shared, file_shared, WRITTEN);
KIND(file_private_hole, file_private, HOLE);
KIND(file_private_read, file_private, READ);
KIND(file_private, file_private, WRITTEN);
KIND(hugetlb_shared_hole, hugetlb_shared, HOLE);
KIND(hugetlb_shared, hugetlb_shared, WRITTEN);
KIND(hugetlb_private_hole, hugetlb_private, HOLE);
KIND(hugetlb_private, hugetlb_private, WRITTEN);
KIND(hugetlb_private_file_hole, hugetlb_memfd_private, HOLE);
KIND(hugetlb_private_file_read, hugetlb_memfd_private, READ);
KIND(hugetlb_private_file, hugetlb_memfd_private, WRITTEN);
KIND(hugetlb_1g_shared_hole, hugetlb_1g_shared, HOLE);
KIND(hugetlb_1g_shared, hugetlb_1g_shared, WRITTEN);
KIND(hugetlb_1g_private_hole, hugetlb_1g_private, HOLE);
KIND(hugetlb_1g_private, hugetlb_1g_private, WRITTEN);

/* Mainline does not report holes in hugetlb, which the tests begin with. */
static bool mainline_lacks(const struct memory_kind *kind,
			   enum memory_state state)
{
	return mainline_kernel() && kind->hugetlb && state == MEMORY_HOLE;
}

FIXTURE_SETUP(memory)
{
	SKIP_SETUP_IF(mainline_lacks(variant->kind, variant->state) ?
		"mainline: a hole in hugetlb is not WRITTEN" : NULL);
	self->range = &self->mem.range;
	self->uffd = track(_metadata, &self->mem, variant->kind,
			   variant->state, 0, 0);
	self->target = self->range->nr * 5 / 8;
}

FIXTURE_TEARDOWN(memory)
{
	close(self->uffd);
	memory_free(&self->mem);
}

TEST_F(memory, store_is_written_exactly)
{
	store(self->range, self->target);
	if (variant->kind->thp && variant->kind->backing == BACKING_MEMFD &&
	    variant->state != MEMORY_HOLE)
		MAINLINE_DIFFERS_STR("all of a huge page of shmem", "512-1023",
				     pages_written(self->range));
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
}

TEST_F(memory, reported_once)
{
	store(self->range, self->target);
	if (variant->kind->thp && variant->kind->backing == BACKING_MEMFD)
		MAINLINE_SKIPS("all of a huge page of shmem");
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
}

TEST_F(memory, store_after_store_is_written)
{
	int i;

	if (variant->kind->thp && variant->kind->backing == BACKING_MEMFD)
		MAINLINE_SKIPS("all of a huge page of shmem");
	for (i = 0; i < 3; i++) {
		store(self->range, self->target);
		store(self->range, self->target);
		ASSERT_WRITTEN(pages_one(self->target), self->range);
		ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
		ASSERT_WRITTEN("", self->range);
	}
}

TEST_F(memory, load_leaves_it_armed)
{
	load_all(self->range);
	ASSERT_WRITTEN("", self->range);
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
	ASSERT_WRITTEN("", self->range);
}

TEST_F(memory, store_after_load_is_written)
{
	if (variant->kind->thp && variant->kind->backing == BACKING_MEMFD)
		MAINLINE_SKIPS("all of a huge page of shmem");
	load_all(self->range);
	store(self->range, self->target);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	load_all(self->range);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
}

TEST_F(memory, stores_everywhere_are_written_everywhere)
{
	size_t i;

	for (i = 0; i < self->range->nr; i++)
		store(self->range, i);
	ASSERT_WRITTEN(pages_all(self->range), self->range);
	ASSERT_STREQ(pages_all(self->range), pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
}

TEST_F(memory, first_and_last_byte_count)
{
	volatile char *start = self->range->addr +
			       self->target * self->range->unit;

	if (variant->kind->thp && variant->kind->backing == BACKING_MEMFD)
		MAINLINE_SKIPS("all of a huge page of shmem");
	start[self->range->unit - 1] = 1;
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	start[0] = 1;
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	/* The same value again is a write all the same. */
	start[0] = 1;
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
}

TEST_F(memory, writeprotect_arms_and_disarms_as_a_scan_does)
{
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, false));
	ASSERT_WRITTEN(pages_all(self->range), self->range);
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, true));
	ASSERT_WRITTEN("", self->range);
	if (variant->kind->thp && variant->kind->backing == BACKING_MEMFD)
		MAINLINE_SKIPS("all of a huge page of shmem");
	store(self->range, self->target);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
}

TEST_F(memory, unregister_and_register_start_afresh)
{
	store(self->range, self->target);
	ASSERT_EQ(0, uffd_unregister(self->uffd, self->range));
	ASSERT_STREQ("", pages_armed(self->range));
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
	ASSERT_EQ(0, uffd_register(self->uffd, self->range,
				   UFFDIO_REGISTER_MODE_WP));
	ASSERT_WRITTEN(pages_all(self->range), self->range);
	ASSERT_STREQ(pages_all(self->range), pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
}

TEST_F(memory, close_leaves_nothing_behind)
{
	size_t i;

	close(self->uffd);
	self->uffd = -1;
	ASSERT_STREQ("", pages_armed(self->range));
	for (i = 0; i < self->range->nr; i++)
		store(self->range, i);
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
	ASSERT_STREQ("", pages_with(self->range, PAGE_IS_WPALLOWED));
}

TEST_F(memory, register_again_keeps_the_state)
{
	store(self->range, self->target);
	ASSERT_EQ(0, uffd_register(self->uffd, self->range,
				   UFFDIO_REGISTER_MODE_WP));
	if (variant->kind->thp && variant->kind->backing == BACKING_MEMFD)
		MAINLINE_SKIPS("all of a huge page of shmem");
	ASSERT_WRITTEN(pages_one(self->target), self->range);
}

/* The stack that this test runs on, not one that is made up. */
TEST(own_stack_is_tracked)
{
	char room[16 * 4096];
	struct range range = {
		.unit = base_page(),
		.nr = 8,
	};
	int uffd;

	SKIP_IF(missing_wp_async());
	range.addr = (char *)((uintptr_t)(room + range.unit) / range.unit *
			      range.unit);
	range.pagemap = pagemap_open(0);
	ASSERT_LE(0, range.pagemap);
	memset(range.addr, 1, range.nr * range.unit);
	uffd = uffd_track(&range, UFFD_USER_MODE_ONLY, 0);
	ASSERT_LE(0, uffd);
	ASSERT_STREQ("0-7", pages_take(&range));
	store(&range, 3);
	ASSERT_WRITTEN("3", &range);
	ASSERT_EQ(1, range.addr[4 * range.unit]);
	ASSERT_STREQ("3", pages_take(&range));
	ASSERT_WRITTEN("", &range);
	close(uffd);
	close(range.pagemap);
}

TEST_HARNESS_MAIN
