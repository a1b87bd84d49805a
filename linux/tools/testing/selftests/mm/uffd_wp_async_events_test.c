// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to armed and to written pages when their owner changes the
 * memory by something else than a write: madvise(), mprotect(), mlock().
 */
#define _GNU_SOURCE
#include "tracked.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif

FIXTURE(event)
{
	struct memory mem;
	struct range *range;
	size_t len;
	size_t target;		/* written since it was armed */
	size_t neighbour;	/* armed */
	int uffd;
};

FIXTURE_VARIANT(event)
{
	const struct memory_kind *kind;
	enum memory_state state;
};

FIXTURE_VARIANT_ADD(event, anon_hole) { KIND(anon, HOLE) };
FIXTURE_VARIANT_ADD(event, zero_page) { KIND(anon, READ) };
FIXTURE_VARIANT_ADD(event, anon) { KIND(anon, WRITTEN) };
FIXTURE_VARIANT_ADD(event, stack) { KIND(stack, WRITTEN) };
FIXTURE_VARIANT_ADD(event, thp_hole) { KIND(anon_thp, HOLE) };
FIXTURE_VARIANT_ADD(event, huge_zero_page) { KIND(anon_thp, READ) };
FIXTURE_VARIANT_ADD(event, thp) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(event, anon_shared) { KIND(anon_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(event, sysv) { KIND(sysv, WRITTEN) };
FIXTURE_VARIANT_ADD(event, memfd_shared_hole) { KIND(memfd_shared, HOLE) };
FIXTURE_VARIANT_ADD(event, memfd_shared) { KIND(memfd_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(event, memfd_private_read) { KIND(memfd_private, READ) };
FIXTURE_VARIANT_ADD(event, memfd_private) { KIND(memfd_private, WRITTEN) };
FIXTURE_VARIANT_ADD(event, memfd_shared_thp) { KIND(memfd_shared_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(event, memfd_private_thp_read) { KIND(memfd_private_thp, READ) };
FIXTURE_VARIANT_ADD(event, file_shared_hole) { KIND(file_shared, HOLE) };
FIXTURE_VARIANT_ADD(event, file_shared) { KIND(file_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(event, file_private_read) { KIND(file_private, READ) };
FIXTURE_VARIANT_ADD(event, file_private) { KIND(file_private, WRITTEN) };
FIXTURE_VARIANT_ADD(event, hugetlb_shared_hole) { KIND(hugetlb_shared, HOLE) };
FIXTURE_VARIANT_ADD(event, hugetlb_shared) { KIND(hugetlb_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(event, hugetlb_private_hole) { KIND(hugetlb_private, HOLE) };
FIXTURE_VARIANT_ADD(event, hugetlb_private) { KIND(hugetlb_private, WRITTEN) };
FIXTURE_VARIANT_ADD(event, hugetlb_private_file_read) { KIND(hugetlb_memfd_private, READ) };
FIXTURE_VARIANT_ADD(event, hugetlb_private_file) { KIND(hugetlb_memfd_private, WRITTEN) };

FIXTURE_SETUP(event)
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

FIXTURE_TEARDOWN(event)
{
	close(self->uffd);
	memory_free(&self->mem);
}

static char *unit_at(const struct range *range, size_t index)
{
	return range->addr + index * range->unit;
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

TEST_F(event, read_only_and_back)
{
	ASSERT_EQ(0, mprotect(self->range->addr, self->len, PROT_READ));
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	load_all(self->range);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_EQ(0, mprotect(self->range->addr, self->len,
			      PROT_READ | PROT_WRITE));
	ASSERT_STATE_KEPT();
}

TEST_F(event, no_access_and_back)
{
	ASSERT_EQ(0, mprotect(self->range->addr, self->len, PROT_NONE));
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_EQ(0, mprotect(self->range->addr, self->len,
			      PROT_READ | PROT_WRITE));
	ASSERT_STATE_KEPT();
}

TEST_F(event, armed_while_read_only)
{
	ASSERT_EQ(0, mprotect(self->range->addr, self->len, PROT_READ));
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
	ASSERT_EQ(0, mprotect(self->range->addr, self->len,
			      PROT_READ | PROT_WRITE));
	ASSERT_WRITTEN("", self->range);
	store(self->range, self->neighbour);
	ASSERT_WRITTEN(pages_one(self->neighbour), self->range);
}

TEST_F(event, armed_without_access)
{
	ASSERT_EQ(0, mprotect(self->range->addr, self->len, PROT_NONE));
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
	ASSERT_EQ(0, mprotect(self->range->addr, self->len,
			      PROT_READ | PROT_WRITE));
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
	ASSERT_WRITTEN("", self->range);
	store(self->range, self->neighbour);
	ASSERT_WRITTEN(pages_one(self->neighbour), self->range);
}

/* One unit alone: a mapping, or a huge page, in three. */
TEST_F(event, split_by_protection)
{
	char *unit = unit_at(self->range, self->neighbour);

	ASSERT_EQ(0, mprotect(unit, self->range->unit, PROT_READ));
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_EQ(0, mprotect(unit, self->range->unit,
			      PROT_READ | PROT_WRITE));
	ASSERT_STATE_KEPT();
}

TEST_F(event, locked_and_unlocked)
{
	if (mlock(self->range->addr, self->len))
		SKIP(return, "mlock: %s", strerror(errno));
	if (!memory_is_shared(variant->kind))
		MAINLINE_DIFFERS_STR("locking private memory writes to it",
				     pages_all(self->range),
				     pages_written(self->range));
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_EQ(0, munlock(self->range->addr, self->len));
	ASSERT_STATE_KEPT();
}

TEST_F(event, populated_for_reading)
{
	if (madvise(self->range->addr, self->len, MADV_POPULATE_READ))
		SKIP(return, "no MADV_POPULATE_READ here");
	ASSERT_STATE_KEPT();
}

TEST_F(event, populated_for_writing)
{
	if (madvise(self->range->addr, self->len, MADV_POPULATE_WRITE))
		SKIP(return, "no MADV_POPULATE_WRITE here");
	ASSERT_WRITTEN(pages_all(self->range), self->range);
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
}

TEST_F(event, advised_cold)
{
	if (madvise(self->range->addr, self->len, MADV_COLD))
		SKIP(return, "no MADV_COLD here");
	ASSERT_STATE_KEPT();
}

/*
 * Forgotten private memory is zeroes, or what is in the file: something else
 * than it was.  Shared memory comes back as it was.
 */
TEST_F(event, dontneed_whole)
{
	const struct memory_kind *kind = variant->kind;
	const char *expected = pages_all(self->range);

	if (madvise(self->range->addr, self->len, MADV_DONTNEED))
		SKIP(return, "MADV_DONTNEED: %s", strerror(errno));
	if (kind->hugetlb)
		MAINLINE_DIFFERS_STR("a hole in hugetlb is not WRITTEN", "",
				     pages_written(self->range));
	if (memory_is_shared(kind)) {
		ASSERT_STATE_KEPT();
		return;
	}
	if (variant->state != MEMORY_WRITTEN && (kind->backing || kind->hugetlb)) {
		/* Only the target held anything of its own. */
		expected = pages_one(self->target);
	}
	if (kind->backing)
		MAINLINE_DIFFERS_STR("forgets what was private",
				     pages_one(self->target),
				     pages_written(self->range));
	ASSERT_WRITTEN(expected, self->range);
	ASSERT_STREQ(expected, pages_take(self->range));
	store(self->range, self->neighbour);
	ASSERT_WRITTEN(pages_one(self->neighbour), self->range);
}

TEST_F(event, dontneed_of_one)
{
	const struct memory_kind *kind = variant->kind;
	char expected[64];

	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	if (madvise(unit_at(self->range, self->target), self->range->unit,
		    MADV_DONTNEED))
		SKIP(return, "MADV_DONTNEED: %s", strerror(errno));
	snprintf(expected, sizeof(expected), "%s",
		 memory_is_shared(kind) ? "" : pages_one(self->target));
	if (!memory_is_shared(kind) && (kind->backing || kind->hugetlb))
		MAINLINE_DIFFERS_STR("forgets what was private", "",
				     pages_written(self->range));
	ASSERT_WRITTEN(expected, self->range);
	load_all(self->range);
	ASSERT_WRITTEN(expected, self->range);
}

TEST_HARNESS_MAIN
