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

FIXTURE_VARIANT_ADD(memory, anon_hole) { KIND(anon, HOLE) };
FIXTURE_VARIANT_ADD(memory, zero_page) { KIND(anon, READ) };
FIXTURE_VARIANT_ADD(memory, anon) { KIND(anon, WRITTEN) };
FIXTURE_VARIANT_ADD(memory, stack_hole) { KIND(stack, HOLE) };
FIXTURE_VARIANT_ADD(memory, stack) { KIND(stack, WRITTEN) };
FIXTURE_VARIANT_ADD(memory, thp_hole) { KIND(anon_thp, HOLE) };
FIXTURE_VARIANT_ADD(memory, huge_zero_page) { KIND(anon_thp, READ) };
FIXTURE_VARIANT_ADD(memory, thp) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(memory, anon_shared_hole) { KIND(anon_shared, HOLE) };
FIXTURE_VARIANT_ADD(memory, anon_shared) { KIND(anon_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(memory, sysv_hole) { KIND(sysv, HOLE) };
FIXTURE_VARIANT_ADD(memory, sysv) { KIND(sysv, WRITTEN) };
FIXTURE_VARIANT_ADD(memory, memfd_shared_hole) { KIND(memfd_shared, HOLE) };
FIXTURE_VARIANT_ADD(memory, memfd_shared_read) { KIND(memfd_shared, READ) };
FIXTURE_VARIANT_ADD(memory, memfd_shared) { KIND(memfd_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(memory, memfd_private_hole) { KIND(memfd_private, HOLE) };
FIXTURE_VARIANT_ADD(memory, memfd_private_read) { KIND(memfd_private, READ) };
FIXTURE_VARIANT_ADD(memory, memfd_private) { KIND(memfd_private, WRITTEN) };
FIXTURE_VARIANT_ADD(memory, memfd_shared_thp_hole) { KIND(memfd_shared_thp, HOLE) };
FIXTURE_VARIANT_ADD(memory, memfd_shared_thp_read) { KIND(memfd_shared_thp, READ) };
FIXTURE_VARIANT_ADD(memory, memfd_shared_thp) { KIND(memfd_shared_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(memory, memfd_private_thp_read) { KIND(memfd_private_thp, READ) };
FIXTURE_VARIANT_ADD(memory, file_shared_hole) { KIND(file_shared, HOLE) };
FIXTURE_VARIANT_ADD(memory, file_shared_read) { KIND(file_shared, READ) };
FIXTURE_VARIANT_ADD(memory, file_shared) { KIND(file_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(memory, file_private_hole) { KIND(file_private, HOLE) };
FIXTURE_VARIANT_ADD(memory, file_private_read) { KIND(file_private, READ) };
FIXTURE_VARIANT_ADD(memory, file_private) { KIND(file_private, WRITTEN) };
FIXTURE_VARIANT_ADD(memory, hugetlb_shared_hole) { KIND(hugetlb_shared, HOLE) };
FIXTURE_VARIANT_ADD(memory, hugetlb_shared) { KIND(hugetlb_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(memory, hugetlb_private_hole) { KIND(hugetlb_private, HOLE) };
FIXTURE_VARIANT_ADD(memory, hugetlb_private) { KIND(hugetlb_private, WRITTEN) };
FIXTURE_VARIANT_ADD(memory, hugetlb_private_file_hole) { KIND(hugetlb_memfd_private, HOLE) };
FIXTURE_VARIANT_ADD(memory, hugetlb_private_file_read) { KIND(hugetlb_memfd_private, READ) };
FIXTURE_VARIANT_ADD(memory, hugetlb_private_file) { KIND(hugetlb_memfd_private, WRITTEN) };
FIXTURE_VARIANT_ADD(memory, hugetlb_1g_shared_hole) { KIND(hugetlb_1g_shared, HOLE) };
FIXTURE_VARIANT_ADD(memory, hugetlb_1g_private) { KIND(hugetlb_1g_private, WRITTEN) };

FIXTURE_SETUP(memory)
{
	if (!variant->kind->thp)
		SKIP_SETUP_IF(mainline_lacks(variant->kind, variant->state));
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
	SKIP_IF(mainline_lacks(variant->kind, variant->state));
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
}

TEST_F(memory, store_after_store_is_written)
{
	int i;

	SKIP_IF(mainline_lacks(variant->kind, variant->state));
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
	SKIP_IF(mainline_lacks(variant->kind, variant->state));
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
	char *start = self->range->addr + self->target * self->range->unit;

	SKIP_IF(mainline_lacks(variant->kind, variant->state));
	poke(start + self->range->unit - 1, 1);
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	poke(start, 1);
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	/* The same value again is a write all the same. */
	poke(start, 1);
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
}

TEST_F(memory, writeprotect_arms_and_disarms_as_a_scan_does)
{
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, false));
	ASSERT_WRITTEN(pages_all(self->range), self->range);
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, true));
	ASSERT_WRITTEN("", self->range);
	SKIP_IF(mainline_lacks(variant->kind, variant->state));
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

/*
 * The first part, one in the middle, the last: what is left is tracked as it
 * was, and what was taken out can be taken in again.
 */
TEST_F(memory, unregister_of_a_part_leaves_the_rest)
{
	const size_t third = self->range->nr / 3;
	size_t first;
	char part[64];

	SKIP_IF(third ? NULL : "too few pages");
	for (first = 0; first + third <= self->range->nr; first += third) {
		const struct range range = {
			.addr = self->range->addr + first * self->range->unit,
			.unit = self->range->unit,
			.nr = third,
			.pagemap = self->range->pagemap,
		};

		if (third > 1)
			snprintf(part, sizeof(part), "%zu-%zu", first,
				 first + third - 1);
		else
			snprintf(part, sizeof(part), "%zu", first);
		ASSERT_EQ(0, uffd_unregister(self->uffd, &range));
		ASSERT_STREQ(pages_not(self->range, part),
			     pages_with(self->range, PAGE_IS_WPALLOWED));
		ASSERT_STREQ(pages_not(self->range, part),
			     pages_armed(self->range));
		ASSERT_EQ(0, uffd_register(self->uffd, &range,
					   UFFDIO_REGISTER_MODE_WP));
		ASSERT_WRITTEN(part, self->range);
		ASSERT_STREQ(part, pages_take(self->range));
		ASSERT_WRITTEN("", self->range);
	}
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
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
	SKIP_IF(mainline_lacks(variant->kind, variant->state));
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
