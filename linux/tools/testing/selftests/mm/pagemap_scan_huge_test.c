// SPDX-License-Identifier: GPL-2.0
/*
 * PAGEMAP_SCAN whose limits or ends fall inside of a huge page: a transparent
 * one can be split, one of hugetlb is armed whole or not at all.
 */
#define _GNU_SOURCE
#include "tracked.h"

#define VEC_LEN		8

FIXTURE(thp)
{
	struct memory mem;
	struct range *range;
	size_t per_huge;	/* base pages to a huge page */
	int uffd;
	struct page_region vec[VEC_LEN];
};

FIXTURE_VARIANT(thp)
{
	const struct memory_kind *kind;
	enum memory_state state;
};

FIXTURE_VARIANT_ADD(thp, anon) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(thp, huge_zero_page) { KIND(anon_thp, READ) };
FIXTURE_VARIANT_ADD(thp, memfd_shared) { KIND(memfd_shared_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(thp, memfd_private) { KIND(memfd_private_thp, READ) };

/* Nothing armed yet: every page is written. */
FIXTURE_SETUP(thp)
{
	SKIP_SETUP_IF(missing_wp_async());
	self->range = &self->mem.range;
	SKIP_SETUP_IF(memory_make(&self->mem, variant->kind, variant->state));
	self->per_huge = pmd_size() / base_page();
	self->uffd = uffd_track(self->range, 0, 0);
	ASSERT_LE(0, self->uffd);
	ASSERT_STREQ(pages_all(self->range), pages_written(self->range));
}

FIXTURE_TEARDOWN(thp)
{
	close(self->uffd);
	memory_free(&self->mem);
}

static struct pm_scan_arg query_of(const struct range *range,
				   struct page_region *vec, __u64 flags)
{
	return SCAN_OF(range,
		.flags = flags,
		.vec = to_u64(vec),
		.vec_len = VEC_LEN,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN);
}

TEST_F(thp, whole_is_armed_whole)
{
	ASSERT_STREQ(pages_all(self->range), pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
	load_all(self->range);
	ASSERT_WRITTEN("", self->range);
	/*
	 * Neither arming nor reading them costs anonymous memory its huge
	 * pages.  Those of a file may get mapped by base pages for it.
	 */
	if (!variant->kind->backing) {
		ASSERT_STREQ(pages_all(self->range),
			     pages_with(self->range, PAGE_IS_HUGE));
	}
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
}

TEST_F(thp, max_pages_cuts_what_is_reported)
{
	struct pm_scan_arg arg = query_of(self->range, self->vec, 0);

	arg.max_pages = 3;
	ASSERT_EQ(1, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(addr_of(self->range, 3), self->vec[0].end);
	ASSERT_EQ(addr_of(self->range, 3), arg.walk_end);
	/* Just to look splits nothing. */
	ASSERT_STREQ(pages_all(self->range),
		     pages_with(self->range, PAGE_IS_HUGE));
}

TEST_F(thp, max_pages_cuts_what_is_armed)
{
	struct pm_scan_arg arg = query_of(self->range, self->vec,
					  PM_SCAN_WP_MATCHING);

	arg.max_pages = self->per_huge + 5;
	ASSERT_EQ(1, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(addr_of(self->range, self->per_huge + 5), self->vec[0].end);
	ASSERT_EQ(addr_of(self->range, self->per_huge + 5), arg.walk_end);
	ASSERT_WRITTEN("517-1023", self->range);
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
}

TEST_F(thp, ends_cut_what_is_armed)
{
	struct pm_scan_arg arg = query_of(self->range, self->vec,
					  PM_SCAN_WP_MATCHING);

	arg.start = addr_of(self->range, 100);
	arg.end = addr_of(self->range, 600);
	ASSERT_EQ(1, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(arg.start, self->vec[0].start);
	ASSERT_EQ(arg.end, self->vec[0].end);
	ASSERT_EQ(arg.end, arg.walk_end);
	ASSERT_WRITTEN("0-99,600-1023", self->range);
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
}

TEST_F(thp, without_vec_is_armed_to_the_limit)
{
	struct pm_scan_arg arg = query_of(self->range, NULL,
					  PM_SCAN_WP_MATCHING);

	arg.vec_len = 0;
	arg.max_pages = 10;
	ASSERT_EQ(0, pagemap_scan(self->range->pagemap, &arg));
	MAINLINE_DIFFERS("arms beyond max_pages", arg.end, arg.walk_end);
	ASSERT_EQ(addr_of(self->range, 10), arg.walk_end);
	ASSERT_WRITTEN("10-1023", self->range);
}

TEST_F(thp, resumes_page_by_page)
{
	struct pm_scan_arg arg = query_of(self->range, self->vec,
					  PM_SCAN_WP_MATCHING);
	size_t i;

	arg.max_pages = 1;
	for (i = 0; i < self->range->nr; i++) {
		ASSERT_EQ(1, pagemap_scan(self->range->pagemap, &arg));
		ASSERT_EQ(addr_of(self->range, i), self->vec[0].start);
		ASSERT_EQ(addr_of(self->range, i + 1), self->vec[0].end);
		ASSERT_EQ(self->vec[0].end, arg.walk_end);
		arg.start = arg.walk_end;
	}
	ASSERT_EQ(arg.end, arg.start);
	ASSERT_WRITTEN("", self->range);
}

FIXTURE(hugetlb)
{
	struct memory mem;
	struct range *range;
	size_t per_huge;
	int uffd;
	struct page_region vec[VEC_LEN];
};

FIXTURE_VARIANT(hugetlb)
{
	const struct memory_kind *kind;
	enum memory_state state;
};

FIXTURE_VARIANT_ADD(hugetlb, private) { KIND(hugetlb_private, WRITTEN) };
FIXTURE_VARIANT_ADD(hugetlb, private_hole) { KIND(hugetlb_private, HOLE) };
FIXTURE_VARIANT_ADD(hugetlb, private_file) { KIND(hugetlb_memfd_private, READ) };
FIXTURE_VARIANT_ADD(hugetlb, shared) { KIND(hugetlb_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(hugetlb, shared_hole) { KIND(hugetlb_shared, HOLE) };

/* Three hugetlb pages; the first is armed. */
FIXTURE_SETUP(hugetlb)
{
	struct range first;

	SKIP_SETUP_IF(missing_wp_async());
	self->range = &self->mem.range;
	SKIP_SETUP_IF(memory_make(&self->mem, variant->kind, variant->state));
	self->per_huge = self->range->unit / base_page();
	self->uffd = uffd_track(self->range, 0, 0);
	ASSERT_LE(0, self->uffd);
	if (mainline_kernel() && variant->state == MEMORY_HOLE) {
		memory_free(&self->mem);
		SKIP_SETUP_IF("mainline: a hole in hugetlb is not WRITTEN");
	}
	first = *self->range;
	first.nr = 1;
	ASSERT_STREQ("0", pages_take(&first));
	ASSERT_WRITTEN("1-2", self->range);
}

FIXTURE_TEARDOWN(hugetlb)
{
	close(self->uffd);
	memory_free(&self->mem);
}

TEST_F(hugetlb, arming_a_part_is_einval)
{
	struct pm_scan_arg arg = query_of(self->range, self->vec,
					  PM_SCAN_WP_MATCHING);

	MAINLINE_SKIPS("arming a part of a hugetlb page may never return");
	arg.start += base_page();
	ASSERT_EQ(-EINVAL, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_WRITTEN("1-2", self->range);

	/* The last page is cut: no earlier one is armed for that. */
	arg.start = addr_of(self->range, 0);
	arg.end -= base_page();
	ASSERT_EQ(-EINVAL, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_WRITTEN("1-2", self->range);
}

TEST_F(hugetlb, arming_a_part_without_vec_is_einval)
{
	struct pm_scan_arg arg = query_of(self->range, NULL,
					  PM_SCAN_WP_MATCHING);

	MAINLINE_SKIPS("arming a part of a hugetlb page may never return");
	arg.vec_len = 0;
	arg.end -= base_page();
	ASSERT_EQ(-EINVAL, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_WRITTEN("1-2", self->range);
}

TEST_F(hugetlb, reading_a_part_reports_the_part)
{
	struct pm_scan_arg arg = query_of(self->range, self->vec, 0);

	arg.start = addr_of(self->range, 1) + base_page();
	arg.end = addr_of(self->range, 2) + 3 * base_page();
	ASSERT_EQ(1, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(arg.start, self->vec[0].start);
	ASSERT_EQ(arg.end, self->vec[0].end);
	ASSERT_EQ(arg.end, arg.walk_end);
}

TEST_F(hugetlb, max_pages_cuts_what_is_reported)
{
	struct pm_scan_arg arg = query_of(self->range, self->vec, 0);

	arg.max_pages = self->per_huge + 7;
	ASSERT_EQ(1, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(addr_of(self->range, 1), self->vec[0].start);
	ASSERT_EQ(addr_of(self->range, 2) + 7 * base_page(), self->vec[0].end);
	ASSERT_EQ(self->vec[0].end, arg.walk_end);
}

TEST_F(hugetlb, arming_stops_before_what_does_not_fit)
{
	struct pm_scan_arg arg = query_of(self->range, self->vec,
					  PM_SCAN_WP_MATCHING);

	MAINLINE_SKIPS("arming a part of a hugetlb page may never return");
	arg.max_pages = 2 * self->per_huge - 1;
	ASSERT_EQ(1, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(addr_of(self->range, 1), self->vec[0].start);
	ASSERT_EQ(addr_of(self->range, 2), self->vec[0].end);
	ASSERT_EQ(addr_of(self->range, 2), arg.walk_end);
	ASSERT_WRITTEN("2", self->range);
}

TEST_F(hugetlb, arming_when_nothing_fits_is_einval)
{
	struct pm_scan_arg arg = query_of(self->range, self->vec,
					  PM_SCAN_WP_MATCHING);

	MAINLINE_SKIPS("arming a part of a hugetlb page may never return");
	arg.max_pages = self->per_huge - 1;
	ASSERT_EQ(-EINVAL, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_WRITTEN("1-2", self->range);
}

TEST_F(hugetlb, arming_as_many_as_fit_is_full_and_done)
{
	struct pm_scan_arg arg = query_of(self->range, self->vec,
					  PM_SCAN_WP_MATCHING);

	arg.max_pages = self->per_huge;
	ASSERT_EQ(1, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(addr_of(self->range, 2), arg.walk_end);
	ASSERT_WRITTEN("2", self->range);
	arg.start = arg.walk_end;
	ASSERT_EQ(1, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(arg.end, arg.walk_end);
	ASSERT_WRITTEN("", self->range);
}

/* Pages that match and are armed already are not cut in two either. */
TEST_F(hugetlb, arming_goes_on_at_a_page)
{
	struct pm_scan_arg arg = query_of(self->range, self->vec,
					  PM_SCAN_WP_MATCHING);
	int calls = 0;

	MAINLINE_SKIPS("arming a part of a hugetlb page may never return");
	ASSERT_STREQ("1-2", pages_take(self->range));
	arg.category_mask = 0;
	arg.max_pages = self->per_huge + 7;
	while (arg.start < arg.end) {
		ASSERT_EQ(1, pagemap_scan(self->range->pagemap, &arg));
		ASSERT_EQ(addr_of(self->range, calls), self->vec[0].start);
		ASSERT_EQ(addr_of(self->range, ++calls), self->vec[0].end);
		ASSERT_EQ(self->vec[0].end, arg.walk_end);
		arg.start = arg.walk_end;
	}
	ASSERT_EQ(3, calls);
	ASSERT_WRITTEN("", self->range);
}

TEST_F(hugetlb, full_vec_leaves_the_rest)
{
	struct pm_scan_arg arg = query_of(self->range, self->vec,
					  PM_SCAN_WP_MATCHING);
	struct range middle = *self->range;

	middle.addr += middle.unit;
	middle.nr = 1;
	ASSERT_STREQ("0", pages_take(&middle));
	store(self->range, 0);
	ASSERT_WRITTEN("0,2", self->range);
	arg.vec_len = 1;
	ASSERT_EQ(1, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(addr_of(self->range, 2), arg.walk_end);
	ASSERT_WRITTEN("2", self->range);
}

TEST_HARNESS_MAIN
