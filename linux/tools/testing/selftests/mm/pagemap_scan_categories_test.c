// SPDX-License-Identifier: GPL-2.0
/*
 * Which categories PAGEMAP_SCAN gives to each sort of page.
 *
 * What is expected follows from how the page was made, never from the kernel.
 * PAGE_IS_SOFT_DIRTY has its own tests; it is left out of the comparison.
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include "tracked.h"

#define PRESENT		PAGE_IS_PRESENT
#define WRITTEN		PAGE_IS_WRITTEN
#define FILE_PAGE	PAGE_IS_FILE
#define PFNZERO		PAGE_IS_PFNZERO
#define HUGE		((__u64)PAGE_IS_HUGE)

FIXTURE(sort)
{
	struct memory mem;
	struct range *range;
	int uffd;
};

FIXTURE_VARIANT(sort)
{
	const struct memory_kind *kind;
	enum memory_state state;
	__u64 categories;	/* when nobody tracks; but WRITTEN, all stay */
};

FIXTURE_VARIANT_ADD(sort, anon_hole_is_nothing) { KIND(anon, HOLE) };
FIXTURE_VARIANT_ADD(sort, anon_read_is_the_zero_page)
{
	.kind = &memory_anon,
	.state = MEMORY_READ,
	.categories = PRESENT | PFNZERO,
};

FIXTURE_VARIANT_ADD(sort, anon_written_is_present)
{
	.kind = &memory_anon,
	.state = MEMORY_WRITTEN,
	.categories = PRESENT,
};

FIXTURE_VARIANT_ADD(sort, stack_written_is_present)
{
	.kind = &memory_stack,
	.state = MEMORY_WRITTEN,
	.categories = PRESENT,
};

FIXTURE_VARIANT_ADD(sort, thp_hole_is_nothing) { KIND(anon_thp, HOLE) };
FIXTURE_VARIANT_ADD(sort, thp_read_is_the_huge_zero_page)
{
	.kind = &memory_anon_thp,
	.state = MEMORY_READ,
	.categories = PRESENT | PFNZERO | HUGE,
};

FIXTURE_VARIANT_ADD(sort, thp_written_is_huge)
{
	.kind = &memory_anon_thp,
	.state = MEMORY_WRITTEN,
	.categories = PRESENT | HUGE,
};

FIXTURE_VARIANT_ADD(sort, anon_shared_is_a_file)
{
	.kind = &memory_anon_shared,
	.state = MEMORY_WRITTEN,
	.categories = PRESENT | FILE_PAGE,
};

FIXTURE_VARIANT_ADD(sort, sysv_is_a_file)
{
	.kind = &memory_sysv,
	.state = MEMORY_WRITTEN,
	.categories = PRESENT | FILE_PAGE,
};

FIXTURE_VARIANT_ADD(sort, memfd_shared_hole_is_nothing) { KIND(memfd_shared, HOLE) };
FIXTURE_VARIANT_ADD(sort, memfd_shared_is_a_file)
{
	.kind = &memory_memfd_shared,
	.state = MEMORY_WRITTEN,
	.categories = PRESENT | FILE_PAGE,
};

FIXTURE_VARIANT_ADD(sort, memfd_private_read_is_a_file)
{
	.kind = &memory_memfd_private,
	.state = MEMORY_READ,
	.categories = PRESENT | FILE_PAGE,
};

FIXTURE_VARIANT_ADD(sort, memfd_private_written_is_anonymous)
{
	.kind = &memory_memfd_private,
	.state = MEMORY_WRITTEN,
	.categories = PRESENT,
};

FIXTURE_VARIANT_ADD(sort, memfd_thp_is_huge_and_a_file)
{
	.kind = &memory_memfd_shared_thp,
	.state = MEMORY_WRITTEN,
	.categories = PRESENT | FILE_PAGE | HUGE,
};

FIXTURE_VARIANT_ADD(sort, memfd_private_thp_read_is_huge_and_a_file)
{
	.kind = &memory_memfd_private_thp,
	.state = MEMORY_READ,
	.categories = PRESENT | FILE_PAGE | HUGE,
};

FIXTURE_VARIANT_ADD(sort, file_shared_hole_is_nothing) { KIND(file_shared, HOLE) };
FIXTURE_VARIANT_ADD(sort, file_shared_read_is_a_file)
{
	.kind = &memory_file_shared,
	.state = MEMORY_READ,
	.categories = PRESENT | FILE_PAGE,
};

FIXTURE_VARIANT_ADD(sort, file_shared_written_is_a_file)
{
	.kind = &memory_file_shared,
	.state = MEMORY_WRITTEN,
	.categories = PRESENT | FILE_PAGE,
};

FIXTURE_VARIANT_ADD(sort, file_private_read_is_a_file)
{
	.kind = &memory_file_private,
	.state = MEMORY_READ,
	.categories = PRESENT | FILE_PAGE,
};

FIXTURE_VARIANT_ADD(sort, file_private_written_is_anonymous)
{
	.kind = &memory_file_private,
	.state = MEMORY_WRITTEN,
	.categories = PRESENT,
};

FIXTURE_VARIANT_ADD(sort, hugetlb_hole_is_nothing)
{
	KIND(hugetlb_private, HOLE),
	.categories = 0,
};

FIXTURE_VARIANT_ADD(sort, hugetlb_private_is_huge)
{
	.kind = &memory_hugetlb_private,
	.state = MEMORY_WRITTEN,
	.categories = PRESENT | HUGE,
};

FIXTURE_VARIANT_ADD(sort, hugetlb_shared_is_huge_and_a_file)
{
	.kind = &memory_hugetlb_shared,
	.state = MEMORY_WRITTEN,
	.categories = PRESENT | FILE_PAGE | HUGE,
};

FIXTURE_VARIANT_ADD(sort, hugetlb_private_file_read_is_huge_and_a_file)
{
	.kind = &memory_hugetlb_memfd_private,
	.state = MEMORY_READ,
	.categories = PRESENT | FILE_PAGE | HUGE,
};

FIXTURE_VARIANT_ADD(sort, hugetlb_1g_is_huge)
{
	.kind = &memory_hugetlb_1g_private,
	.state = MEMORY_WRITTEN,
	.categories = PRESENT | HUGE,
};

FIXTURE_SETUP(sort)
{
	SKIP_SETUP_IF(missing_scan());
	self->range = &self->mem.range;
	self->uffd = -1;
	SKIP_SETUP_IF(memory_make(&self->mem, variant->kind, variant->state));
}

FIXTURE_TEARDOWN(sort)
{
	close(self->uffd);
	memory_free(&self->mem);
}

/*
 * The categories of all of the range, which must be one region, but for
 * SOFT_DIRTY; or what no page has.
 */
static __u64 categories_of(const struct range *range)
{
	struct page_region vec[2];
	struct pm_scan_arg arg = SCAN_OF(range,
		.vec = to_u64(vec),
		.vec_len = 2,
		.return_mask = ALL_CATEGORIES & ~PAGE_IS_SOFT_DIRTY);

	if (pagemap_scan(range->pagemap, &arg) != 1 ||
	    vec[0].start != arg.start || vec[0].end != arg.end)
		return -1ULL;
	return vec[0].categories;
}

TEST_F(sort, untracked)
{
	const bool hole = variant->state == MEMORY_HOLE;
	__u64 expected = variant->categories;

	if (hole)
		MAINLINE_DIFFERS("a hole may be WRITTEN or HUGE", expected,
				 categories_of(self->range) & ~WRITTEN & ~HUGE);
	/* Nobody armed it, so what is there counts as written. */
	if (!hole)
		expected |= WRITTEN;
	ASSERT_EQ(expected, categories_of(self->range));
}

TEST_F(sort, tracked_then_armed)
{
	const bool file_thp = variant->kind->thp && variant->kind->backing;
	const __u64 tracked = variant->categories | PAGE_IS_WPALLOWED;
	/* To be armed costs a file's huge page its one entry. */
	const __u64 kept = file_thp ? ~HUGE : ~0ULL;

	SKIP_IF(missing_wp_async());
	self->uffd = uffd_track(self->range, 0, 0);
	ASSERT_LE(0, self->uffd);
	if (variant->state == MEMORY_HOLE && variant->kind->hugetlb)
		MAINLINE_DIFFERS("a hole in hugetlb is not WRITTEN", 0,
				 categories_of(self->range) & WRITTEN);
	/* Not armed yet is written, whether anything is there or not. */
	ASSERT_EQ(tracked | WRITTEN, categories_of(self->range));

	ASSERT_STREQ(pages_all(self->range), pages_take(self->range));
	ASSERT_STREQ(pages_all(self->range), pages_armed(self->range));
	if (variant->state == MEMORY_HOLE)
		MAINLINE_DIFFERS("SWAPPED for a marker",
				 tracked | PAGE_IS_SWAPPED,
				 categories_of(self->range));
	if (file_thp)
		MAINLINE_DIFFERS("armed as one huge page", tracked,
				 categories_of(self->range));
	/* Those of shared memory stay mapped, page by page. */
	if (file_thp && !memory_is_shared(variant->kind))
		load_all(self->range);
	ASSERT_EQ(tracked & kept, categories_of(self->range));

	/* What was tracked is anybody's memory again. */
	ASSERT_EQ(0, uffd_unregister(self->uffd, self->range));
	ASSERT_STREQ("", pages_armed(self->range));
	if (variant->state != MEMORY_HOLE) {
		ASSERT_EQ((variant->categories | WRITTEN) & kept,
			  categories_of(self->range) & kept);
	}
}

/* In memory that is not tracked an empty entry is never written. */
TEST(untracked_hole_is_not_written_with_a_page_table_or_without)
{
	struct memory mem;

	SKIP_IF(missing_scan());
	SKIP_IF(memory_make(&mem, &memory_anon, MEMORY_HOLE));
	if (!mainline_kernel()) {
		ASSERT_STREQ("", pages_written(&mem.range));
	}
	/* The page table stays when the page goes. */
	store(&mem.range, 3);
	if (!mainline_kernel()) {
		ASSERT_STREQ("3", pages_written(&mem.range));
	}
	ASSERT_EQ(0, madvise(mem.range.addr, mem.range.nr * mem.range.unit,
			     MADV_DONTNEED));
	MAINLINE_DIFFERS_STR("depends on whether the table exists", "0-7",
			     pages_written(&mem.range));
	ASSERT_STREQ("", pages_written(&mem.range));
	memory_free(&mem);
}

TEST(tracked_hole_is_written_at_every_depth)
{
	/* A gibibyte and more: no page table of any level below it. */
	const struct memory_kind huge_hole = {
		.map_flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		.nr = (1UL << 30) / base_page() + 7,
	};
	struct page_region vec[3];
	struct pm_scan_arg arg;
	struct memory mem;
	int uffd;

	SKIP_IF(missing_wp_async());
	SKIP_IF(memory_make(&mem, &huge_hole, MEMORY_HOLE));
	uffd = uffd_track(&mem.range, 0, 0);
	ASSERT_LE(0, uffd);
	arg = SCAN_OF(&mem.range,
		      .vec = to_u64(vec),
		      .vec_len = 3,
		      .category_mask = PAGE_IS_WRITTEN,
		      .return_mask = PAGE_IS_WRITTEN);
	ASSERT_EQ(1, pagemap_scan(mem.range.pagemap, &arg));
	ASSERT_EQ(arg.start, vec[0].start);
	ASSERT_EQ(arg.end, vec[0].end);
	close(uffd);
	memory_free(&mem);
}

TEST(nothing_mapped_is_nothing)
{
	struct page_region vec[2];
	struct memory mem;
	struct pm_scan_arg arg;

	SKIP_IF(missing_scan());
	SKIP_IF(memory_make(&mem, &memory_anon, MEMORY_WRITTEN));
	/* The fourth page goes, and with it its mapping. */
	ASSERT_EQ(0, munmap(mem.range.addr + 3 * mem.range.unit,
			    mem.range.unit));
	ASSERT_STREQ("0-2,4-7", pages_with(&mem.range, PRESENT));
	/* Even a query that every page matches finds no page there. */
	arg = SCAN_OF(&mem.range, .vec = to_u64(vec), .vec_len = 2);
	ASSERT_EQ(2, pagemap_scan(mem.range.pagemap, &arg));
	ASSERT_EQ(addr_of(&mem.range, 3), vec[0].end);
	ASSERT_EQ(addr_of(&mem.range, 4), vec[1].start);
	memory_free(&mem);
}

TEST(special_mappings_are_skipped)
{
	struct page_region vec[4];
	struct range vvar;
	unsigned long start = 0, end = 0;
	struct pm_scan_arg arg;
	char line[256];
	FILE *maps;

	SKIP_IF(missing_scan());
	maps = fopen("/proc/self/maps", "r");
	ASSERT_TRUE(!!maps);
	while (fgets(line, sizeof(line), maps)) {
		if (strstr(line, "[vvar]"))
			sscanf(line, "%lx-%lx", &start, &end);
	}
	fclose(maps);
	SKIP_IF(end ? NULL : "no vvar, which is VM_PFNMAP");
	vvar = (struct range) {
		.addr = (char *)start,
		.unit = base_page(),
		.nr = (end - start) / base_page(),
		.pagemap = pagemap_open(0),
	};
	arg = SCAN_OF(&vvar, .vec = to_u64(vec), .vec_len = 4);
	ASSERT_EQ(0, pagemap_scan(vvar.pagemap, &arg));
	ASSERT_EQ(arg.end, arg.walk_end);
	close(vvar.pagemap);
}

static bool kernel_has_soft_dirty(const struct range *range)
{
	/* Without CONFIG_MEM_SOFT_DIRTY a page just written has no such bit. */
	store(range, 0);
	return !strncmp(pages_bit(range, 55), "0", 1);
}

/* Asking for it is no error, and no page has it. */
TEST(soft_dirty_that_the_kernel_lacks_is_accepted_and_never_set)
{
	struct pm_scan_arg without;
	struct memory mem;

	SKIP_IF(missing_scan());
	SKIP_IF(memory_make(&mem, &memory_anon, MEMORY_WRITTEN));
	SKIP_IF(kernel_has_soft_dirty(&mem.range) ?
		"this kernel has CONFIG_MEM_SOFT_DIRTY" : NULL);
	ASSERT_STREQ("", pages_with(&mem.range, PAGE_IS_SOFT_DIRTY));
	without = SCAN_OF(&mem.range,
			  .category_inverted = PAGE_IS_SOFT_DIRTY,
			  .category_mask = PAGE_IS_SOFT_DIRTY);
	ASSERT_STREQ("0-7", pages_matching(&mem.range, &without));
	memory_free(&mem);
}

TEST(soft_dirty_is_what_pagemap_says)
{
	struct memory mem;
	int fd;

	SKIP_IF(missing_scan());
	SKIP_IF(memory_make(&mem, &memory_anon, MEMORY_WRITTEN));
	SKIP_IF(kernel_has_soft_dirty(&mem.range) ? NULL :
		"no CONFIG_MEM_SOFT_DIRTY");
	ASSERT_STREQ("0-7", pages_with(&mem.range, PAGE_IS_SOFT_DIRTY));

	fd = open("/proc/self/clear_refs", O_WRONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(1, write(fd, "4", 1));
	close(fd);
	ASSERT_STREQ("", pages_with(&mem.range, PAGE_IS_SOFT_DIRTY));
	store(&mem.range, 2);
	ASSERT_STREQ("2", pages_with(&mem.range, PAGE_IS_SOFT_DIRTY));
	memory_free(&mem);
}

TEST(soft_dirty_and_tracking_do_not_disturb_each_other)
{
	struct memory mem;
	int fd, uffd;

	SKIP_IF(missing_wp_async());
	SKIP_IF(memory_make(&mem, &memory_anon, MEMORY_WRITTEN));
	SKIP_IF(kernel_has_soft_dirty(&mem.range) ? NULL :
		"no CONFIG_MEM_SOFT_DIRTY");
	uffd = uffd_track(&mem.range, 0, 0);
	ASSERT_LE(0, uffd);
	ASSERT_STREQ("0-7", pages_take(&mem.range));
	ASSERT_STREQ("0-7", pages_with(&mem.range, PAGE_IS_SOFT_DIRTY));

	fd = open("/proc/self/clear_refs", O_WRONLY);
	ASSERT_LE(0, fd);
	store(&mem.range, 1);
	ASSERT_EQ(1, write(fd, "4", 1));
	ASSERT_WRITTEN("1", &mem.range);
	store(&mem.range, 2);
	ASSERT_WRITTEN("1-2", &mem.range);
	ASSERT_STREQ("2", pages_with(&mem.range, PAGE_IS_SOFT_DIRTY));
	ASSERT_STREQ("1-2", pages_take(&mem.range));
	ASSERT_STREQ("2", pages_with(&mem.range, PAGE_IS_SOFT_DIRTY));
	close(fd);
	close(uffd);
	memory_free(&mem);
}

TEST_HARNESS_MAIN
