// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel that has PAGEMAP_SCAN and cannot track writes, for want of PTE
 * markers, of userfaultfd, or of an architecture that write-protects with it:
 * nothing is offered, nothing can be armed, and the scan works all the same.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "tracked.h"

/* Why this is the wrong kernel for it, or NULL. */
static const char *tracking_or_no_scan(void)
{
	if (!missing_wp_async())
		return "this kernel tracks writes";
	return missing_scan();
}

/* What UFFDIO_API offers; all bits if there is no userfaultfd. */
static __u64 features_offered(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int uffd, err;

	uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	if (uffd < 0)
		return -1ULL;
	err = ioctl(uffd, UFFDIO_API, &api);
	close(uffd);
	return err ? -1ULL : api.features;
}

TEST(neither_feature_is_offered)
{
	const __u64 both = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED;
	__u64 offered = features_offered();

	SKIP_IF(tracking_or_no_scan());
	SKIP_IF(offered == -1ULL ? "no userfaultfd" : NULL);
	ASSERT_EQ(0, offered & both);
	ASSERT_EQ(-EINVAL, uffd_open(0, UFFD_FEATURE_WP_ASYNC));
	ASSERT_EQ(-EINVAL, uffd_open(0, UFFD_FEATURE_WP_UNPOPULATED));
	ASSERT_EQ(-EINVAL, uffd_open(0, both));
}

/* Write protection that asks: x86-64 has it without markers, others never. */
TEST(write_protection_is_as_the_architecture_has_it)
{
	__u64 offered = features_offered();
	struct utsname name;
	struct memory mem;
	int uffd, has;

	SKIP_IF(tracking_or_no_scan());
	SKIP_IF(offered == -1ULL ? "no userfaultfd" : NULL);
	ASSERT_EQ(0, uname(&name));
	has = !strcmp(name.machine, "x86_64");
	ASSERT_EQ(has, !!(offered & UFFD_FEATURE_PAGEFAULT_FLAG_WP));

	SKIP_IF(memory_make(&mem, &memory_anon, MEMORY_WRITTEN));
	uffd = uffd_open(0, 0);
	ASSERT_LE(0, uffd);
	ASSERT_EQ(has ? 0 : -EINVAL, uffd_register(uffd, &mem.range,
						   UFFDIO_REGISTER_MODE_WP));
	ASSERT_STREQ("", pages_with(&mem.range, PAGE_IS_WPALLOWED));
	/* What has to ask cannot be armed by a scan either. */
	ASSERT_STREQ("error: Operation not permitted", pages_take(&mem.range));
	close(uffd);
	memory_free(&mem);
}

FIXTURE(untracked)
{
	struct memory mem;
	struct range *range;
	const char *there;	/* the pages that are not a hole */
};

FIXTURE_VARIANT(untracked)
{
	const struct memory_kind *kind;
	enum memory_state state;
};

FIXTURE_VARIANT_ADD(untracked, anon) { KIND(anon, WRITTEN) };
FIXTURE_VARIANT_ADD(untracked, anon_hole) { KIND(anon, HOLE) };
FIXTURE_VARIANT_ADD(untracked, zero_page) { KIND(anon, READ) };
FIXTURE_VARIANT_ADD(untracked, thp) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(untracked, memfd_shared) { KIND(memfd_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(untracked, memfd_private) { KIND(memfd_private, READ) };
FIXTURE_VARIANT_ADD(untracked, file_shared) { KIND(file_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(untracked, hugetlb) { KIND(hugetlb_private, WRITTEN) };
FIXTURE_VARIANT_ADD(untracked, hugetlb_hole) { KIND(hugetlb_shared, HOLE) };

FIXTURE_SETUP(untracked)
{
	SKIP_SETUP_IF(tracking_or_no_scan());
	SKIP_SETUP_IF(memory_make(&self->mem, variant->kind, variant->state));
	self->range = &self->mem.range;
	self->there = variant->state == MEMORY_HOLE ?
		"" : strdup(pages_all(self->range));
}

FIXTURE_TEARDOWN(untracked)
{
	/* Not before: to look at a hole fills it */
	EXPECT_TRUE(memory_intact(&self->mem, variant->state));
	memory_free(&self->mem);
}

/* What is there counts as written, and goes on to do so. */
#define ASSERT_NOTHING_CHANGED()					\
do {									\
	ASSERT_STREQ(self->there, pages_written(self->range));		\
	ASSERT_STREQ("", pages_armed(self->range));			\
} while (0)

TEST_F(untracked, looking_works)
{
	ASSERT_STREQ(self->there, pages_written(self->range));
	ASSERT_STREQ(self->there, pages_with(self->range, PAGE_IS_PRESENT));
	ASSERT_STREQ("", pages_with(self->range, PAGE_IS_WPALLOWED));
	ASSERT_NOTHING_CHANGED();
}

/* As on any kernel where a range is not tracked: it is skipped. */
TEST_F(untracked, arming_skips_it)
{
	struct page_region vec[2];
	struct pm_scan_arg arg = SCAN_OF(self->range,
		.flags = PM_SCAN_WP_MATCHING,
		.vec = to_u64(vec),
		.vec_len = 2,
		.return_mask = ALL_CATEGORIES);

	ASSERT_EQ(0, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(arg.end, arg.walk_end);
	ASSERT_NOTHING_CHANGED();

	arg.vec = 0;
	arg.vec_len = 0;
	ASSERT_EQ(0, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(arg.end, arg.walk_end);
	ASSERT_NOTHING_CHANGED();
}

TEST_F(untracked, arming_with_the_check_is_eperm)
{
	struct page_region vec[2];
	struct pm_scan_arg arg = SCAN_OF(self->range,
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.vec = to_u64(vec),
		.vec_len = 2,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN);

	ASSERT_EQ(-EPERM, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(arg.start, arg.walk_end);
	arg.flags = PM_SCAN_CHECK_WPASYNC;
	ASSERT_EQ(-EPERM, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(arg.start, arg.walk_end);
	ASSERT_NOTHING_CHANGED();
}

/* A gap holds nothing that would have to be tracked. */
TEST_F(untracked, gaps_pass_the_check)
{
	struct range gap = *self->range;
	struct pm_scan_arg arg;

	gap.addr = mmap(NULL, gap.nr * gap.unit, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(gap.addr != MAP_FAILED);
	ASSERT_EQ(0, munmap(gap.addr, gap.nr * gap.unit));
	arg = SCAN_OF(&gap,
		      .flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC);
	ASSERT_EQ(0, pagemap_scan(gap.pagemap, &arg));
	ASSERT_EQ(arg.end, arg.walk_end);
}

TEST_HARNESS_MAIN
