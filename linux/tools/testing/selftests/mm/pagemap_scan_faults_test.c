// SPDX-License-Identifier: GPL-2.0
/*
 * PAGEMAP_SCAN that cannot write its answer, or may not arm all of its range:
 * no write may be forgotten that the caller was not told of.
 */
#define _GNU_SOURCE
#include "tracked.h"

#define NR_PAGES	1024
#define VEC_LEN		(NR_PAGES / 2)

/*
 * Every second of many pages was written: each is a region of its own, and all
 * of them are more than one page of the answer can hold.
 */
FIXTURE(faults)
{
	struct memory_kind kind;
	struct memory mem;
	struct range *range;
	int uffd;
	char *out;	/* three pages for what the kernel writes */
	size_t page;
};

FIXTURE_SETUP(faults)
{
	size_t i;

	self->page = base_page();
	self->range = &self->mem.range;
	self->kind = memory_anon;
	self->kind.nr = NR_PAGES;
	self->uffd = track(_metadata, &self->mem, &self->kind, MEMORY_WRITTEN,
			   0, 0);
	for (i = 0; i < NR_PAGES; i += 2)
		store(self->range, i);
	self->out = mmap(NULL, 4 * self->page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(self->out != MAP_FAILED);
}

FIXTURE_TEARDOWN(faults)
{
	munmap(self->out, 4 * self->page);
	close(self->uffd);
	memory_free(&self->mem);
}

static struct pm_scan_arg take(FIXTURE_DATA(faults) *self, void *vec)
{
	return SCAN_OF(self->range,
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.vec = to_u64(vec),
		.vec_len = vec ? VEC_LEN : 0,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN);
}

/* How many of the pages that were written still read so. */
static int nr_written(FIXTURE_DATA(faults) *self)
{
	struct page_region vec[VEC_LEN];
	struct pm_scan_arg arg = take(self, vec);

	arg.flags = 0;
	return pagemap_scan(self->range->pagemap, &arg);
}

TEST_F(faults, all_fits_is_all_reported)
{
	struct pm_scan_arg arg = take(self, self->out);

	ASSERT_EQ(VEC_LEN, nr_written(self));
	ASSERT_EQ(VEC_LEN, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(0, nr_written(self));
}

TEST_F(faults, argument_not_writable_changes_nothing)
{
	struct pm_scan_arg *arg = (void *)self->out;

	*arg = take(self, self->out + self->page);
	ASSERT_EQ(0, mprotect(self->out, self->page, PROT_READ));
	ASSERT_EQ(-EFAULT, pagemap_scan(self->range->pagemap, arg));
	MAINLINE_DIFFERS("arms before it finds out", 0, nr_written(self));
	ASSERT_EQ(VEC_LEN, nr_written(self));
	ASSERT_EQ(0, *(self->out + self->page));
}

TEST_F(faults, argument_not_writable_changes_nothing_without_vec)
{
	struct pm_scan_arg *arg = (void *)self->out;

	*arg = take(self, NULL);
	ASSERT_EQ(0, mprotect(self->out, self->page, PROT_READ));
	ASSERT_EQ(-EFAULT, pagemap_scan(self->range->pagemap, arg));
	MAINLINE_DIFFERS("arms before it finds out", 0, nr_written(self));
	ASSERT_EQ(VEC_LEN, nr_written(self));
}

TEST_F(faults, vec_not_writable_changes_nothing)
{
	struct pm_scan_arg arg = take(self, self->out);

	ASSERT_EQ(0, mprotect(self->out, 4 * self->page, PROT_READ));
	ASSERT_EQ(-EFAULT, pagemap_scan(self->range->pagemap, &arg));
	MAINLINE_DIFFERS("forgets what it could not copy out", 0,
			 nr_written(self));
	ASSERT_EQ(VEC_LEN, nr_written(self));
}

TEST_F(faults, vec_not_mapped_changes_nothing)
{
	struct pm_scan_arg arg = take(self, self->out);

	ASSERT_EQ(0, mprotect(self->out, 4 * self->page, PROT_NONE));
	ASSERT_EQ(-EFAULT, pagemap_scan(self->range->pagemap, &arg));
	MAINLINE_DIFFERS("forgets what it could not copy out", 0,
			 nr_written(self));
	ASSERT_EQ(VEC_LEN, nr_written(self));
}

/*
 * Where the answer stops being writable, the call may fail as a whole or
 * deliver what fits; what it does not deliver stays written either way.
 */
TEST_F(faults, vec_writable_in_part_forgets_nothing)
{
	struct pm_scan_arg arg = take(self, self->out);
	struct page_region *vec = (void *)self->out;
	int ret, i, delivered = 0;

	ASSERT_EQ(0, mprotect(self->out + self->page, 2 * self->page,
			      PROT_NONE));
	ret = pagemap_scan(self->range->pagemap, &arg);
	MAINLINE_DIFFERS("forgets what it could not copy out", 0,
			 nr_written(self));
	if (ret >= 0) {
		delivered = ret;
	} else {
		ASSERT_EQ(-EFAULT, ret);
	}
	ASSERT_GE(self->page / sizeof(*vec), (size_t)delivered);
	for (i = 0; i < delivered; i++)
		ASSERT_EQ(addr_of(self->range, 2 * i), vec[i].start);
	if (delivered) {
		ASSERT_EQ(addr_of(self->range, 2 * delivered), arg.walk_end);
	}
	ASSERT_EQ(VEC_LEN - delivered, nr_written(self));
}

/* The answer may lie in memory that the call itself arms. */
TEST_F(faults, vec_in_the_scanned_range_is_written)
{
	struct pm_scan_arg arg = take(self, self->range->addr +
				      self->range->unit);
	struct page_region *vec = (void *)(self->range->addr +
					   self->range->unit);

	arg.vec_len = 16;
	ASSERT_EQ(16, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(addr_of(self->range, 0), vec[0].start);
	arg = SCAN_OF(self->range, .category_mask = PAGE_IS_WRITTEN);
	arg.end = addr_of(self->range, 16);
	/* The kernel's own store to page 1 counts, as any other. */
	ASSERT_STREQ("1", pages_matching(self->range, &arg));
}

/* Two tracked mappings with one between them that is not. */
FIXTURE(mixed)
{
	struct memory mem;
	struct range *range;
	int uffd;
};

FIXTURE_SETUP(mixed)
{
	struct range middle;

	self->range = &self->mem.range;
	self->uffd = track(_metadata, &self->mem, &memory_anon, MEMORY_WRITTEN,
			   0, 0);
	middle = *self->range;
	middle.addr += 3 * middle.unit;
	middle.nr = 2;
	ASSERT_EQ(0, uffd_unregister(self->uffd, &middle));
	store(self->range, 1);
	store(self->range, 6);
}

FIXTURE_TEARDOWN(mixed)
{
	close(self->uffd);
	memory_free(&self->mem);
}

TEST_F(mixed, check_refuses_before_anything_is_armed)
{
	struct pm_scan_arg arg = SCAN_OF(self->range,
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.category_mask = PAGE_IS_WRITTEN);

	ASSERT_EQ(-EPERM, pagemap_scan(self->range->pagemap, &arg));
	MAINLINE_DIFFERS_STR("has armed the first mapping by then", "3-4,6",
			     pages_written(self->range));
	ASSERT_STREQ("1,3-4,6", pages_written(self->range));
	ASSERT_EQ(addr_of(self->range, 3), arg.walk_end);
}

TEST_F(mixed, check_without_arming_refuses_too)
{
	struct pm_scan_arg arg = SCAN_OF(self->range,
		.flags = PM_SCAN_CHECK_WPASYNC,
		.category_mask = PAGE_IS_WRITTEN);

	ASSERT_EQ(-EPERM, pagemap_scan(self->range->pagemap, &arg));
	MAINLINE_DIFFERS("walk_end is the end", arg.end, arg.walk_end);
	ASSERT_EQ(addr_of(self->range, 3), arg.walk_end);
}

TEST_F(mixed, check_looks_at_the_range_only)
{
	struct range first = *self->range, last = *self->range;

	first.nr = 3;
	ASSERT_STREQ("1", pages_take(&first));
	last.addr += 5 * last.unit;
	last.nr = 3;
	ASSERT_STREQ("1", pages_take(&last));
	ASSERT_STREQ("3-4", pages_written(self->range));
}

TEST_F(mixed, gaps_between_mappings_pass_the_check)
{
	ASSERT_EQ(0, munmap(self->range->addr + 3 * self->range->unit,
			    2 * self->range->unit));
	ASSERT_STREQ("1,6", pages_take(self->range));
	ASSERT_STREQ("", pages_written(self->range));
}

TEST_F(mixed, range_of_nothing_but_a_gap_passes_the_check)
{
	struct range gap = *self->range;

	gap.addr += 3 * gap.unit;
	gap.nr = 2;
	ASSERT_EQ(0, munmap(gap.addr, 2 * gap.unit));
	ASSERT_STREQ("", pages_take(&gap));
}

TEST_F(mixed, without_check_what_cannot_be_armed_is_skipped)
{
	struct pm_scan_arg arg = SCAN_OF(self->range,
		.flags = PM_SCAN_WP_MATCHING,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN);

	/* Not reported either: the caller would take it for armed. */
	ASSERT_STREQ("1,6", pages_matching(self->range, &arg));
	ASSERT_STREQ("3-4", pages_written(self->range));
	ASSERT_STREQ("0-2,5-7", pages_armed(self->range));
}

TEST_F(mixed, write_protection_that_asks_cannot_be_armed)
{
	struct range middle = *self->range;
	int uffd;

	middle.addr += 3 * middle.unit;
	middle.nr = 2;
	uffd = uffd_open(0, UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	ASSERT_LE(0, uffd);
	ASSERT_EQ(0, uffd_register(uffd, &middle, UFFDIO_REGISTER_MODE_WP));
	ASSERT_STREQ("error: Operation not permitted", pages_take(&middle));
	ASSERT_EQ(0, uffd_unregister(uffd, &middle));
	close(uffd);
}

TEST_HARNESS_MAIN
