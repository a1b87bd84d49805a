// SPDX-License-Identifier: GPL-2.0
/*
 * The arguments of PAGEMAP_SCAN: what is refused and with which error, that a
 * refused call has changed nothing, and what the odd but valid ones mean.
 */
#define _GNU_SOURCE
#include <linux/fs.h>
#include <stddef.h>

#include "tracked.h"

#define VEC_LEN		8
#define VEC_POISON	0xee
#define WALK_END_POISON	0x1234567890abcdefULL

/* Eight pages, of which some were written since they were armed. */
#define WRITTEN		"1,3,5"

FIXTURE(args)
{
	struct memory mem;
	struct range *range;
	int uffd;
	struct page_region vec[VEC_LEN];
};

FIXTURE_SETUP(args)
{
	self->range = &self->mem.range;
	self->uffd = track(_metadata, &self->mem, &memory_anon, MEMORY_WRITTEN,
			   0, 0);
	store(self->range, 1);
	store(self->range, 3);
	store(self->range, 5);
	memset(self->vec, VEC_POISON, sizeof(self->vec));
}

FIXTURE_TEARDOWN(args)
{
	close(self->uffd);
	memory_free(&self->mem);
}

/* A call that would report and arm the written pages. */
static struct pm_scan_arg valid(FIXTURE_DATA(args) *self)
{
	return SCAN_OF(self->range,
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.walk_end = WALK_END_POISON,
		.vec = to_u64(self->vec),
		.vec_len = VEC_LEN,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN);
}

static bool vec_untouched(FIXTURE_DATA(args) *self)
{
	const unsigned char *bytes = (const unsigned char *)self->vec;

	return *bytes == VEC_POISON &&
	       !memcmp(bytes, bytes + 1, sizeof(self->vec) - 1);
}

/* The call fails so, and neither the argument nor the memory changes. */
static void refused(struct __test_metadata *_metadata,
		    FIXTURE_DATA(args) *self, int error,
		    const struct pm_scan_arg *arg)
{
	struct pm_scan_arg used = *arg;

	ASSERT_EQ(-error, pagemap_scan(self->range->pagemap, &used));
	ASSERT_EQ(0, memcmp(&used, arg, sizeof(used)));
	ASSERT_TRUE(vec_untouched(self));
	ASSERT_WRITTEN(WRITTEN, self->range);
}

TEST(layout_is_the_abi)
{
	ASSERT_EQ(96, sizeof(struct pm_scan_arg));
	ASSERT_EQ(0, offsetof(struct pm_scan_arg, size));
	ASSERT_EQ(8, offsetof(struct pm_scan_arg, flags));
	ASSERT_EQ(16, offsetof(struct pm_scan_arg, start));
	ASSERT_EQ(24, offsetof(struct pm_scan_arg, end));
	ASSERT_EQ(32, offsetof(struct pm_scan_arg, walk_end));
	ASSERT_EQ(40, offsetof(struct pm_scan_arg, vec));
	ASSERT_EQ(48, offsetof(struct pm_scan_arg, vec_len));
	ASSERT_EQ(56, offsetof(struct pm_scan_arg, max_pages));
	ASSERT_EQ(64, offsetof(struct pm_scan_arg, category_inverted));
	ASSERT_EQ(72, offsetof(struct pm_scan_arg, category_mask));
	ASSERT_EQ(80, offsetof(struct pm_scan_arg, category_anyof_mask));
	ASSERT_EQ(88, offsetof(struct pm_scan_arg, return_mask));
	ASSERT_EQ(24, sizeof(struct page_region));
	ASSERT_EQ(0, offsetof(struct page_region, start));
	ASSERT_EQ(8, offsetof(struct page_region, end));
	ASSERT_EQ(16, offsetof(struct page_region, categories));
	ASSERT_EQ(0xc0606610U, (unsigned int)PAGEMAP_SCAN);

	ASSERT_EQ(0x1, PM_SCAN_WP_MATCHING);
	ASSERT_EQ(0x2, PM_SCAN_CHECK_WPASYNC);
	ASSERT_EQ(0x01, PAGE_IS_WPALLOWED);
	ASSERT_EQ(0x02, PAGE_IS_WRITTEN);
	ASSERT_EQ(0x04, PAGE_IS_FILE);
	ASSERT_EQ(0x08, PAGE_IS_PRESENT);
	ASSERT_EQ(0x10, PAGE_IS_SWAPPED);
	ASSERT_EQ(0x20, PAGE_IS_PFNZERO);
	ASSERT_EQ(0x40, PAGE_IS_HUGE);
	ASSERT_EQ(0x80, PAGE_IS_SOFT_DIRTY);
}

TEST_F(args, valid_call_reports_and_arms)
{
	struct pm_scan_arg arg = valid(self), before = arg;
	int i;

	ASSERT_EQ(3, pagemap_scan(self->range->pagemap, &arg));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(addr_of(self->range, 2 * i + 1), self->vec[i].start);
		ASSERT_EQ(addr_of(self->range, 2 * i + 2), self->vec[i].end);
		ASSERT_EQ(PAGE_IS_WRITTEN, self->vec[i].categories);
	}
	ASSERT_EQ(before.end, arg.walk_end);
	/* walk_end is all that the kernel writes. */
	before.walk_end = arg.walk_end;
	ASSERT_EQ(0, memcmp(&before, &arg, sizeof(arg)));
	ASSERT_WRITTEN("", self->range);
}

TEST_F(args, unknown_ioctl_is_enotty)
{
	struct pm_scan_arg arg = valid(self);

	ASSERT_EQ(-1, ioctl(self->range->pagemap,
			    _IOWR('f', 99, struct pm_scan_arg), &arg));
	MAINLINE_DIFFERS("EINVAL for an unknown ioctl", EINVAL, errno);
	ASSERT_EQ(ENOTTY, errno);
	ASSERT_WRITTEN(WRITTEN, self->range);
}

TEST_F(args, short_struct_is_einval)
{
	struct pm_scan_arg arg = valid(self);
	const __u64 sizes[] = { 0, 1, 8, 88, 95 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		arg.size = sizes[i];
		refused(_metadata, self, EINVAL, &arg);
	}
}

TEST_F(args, longer_struct_with_zero_tail_is_taken)
{
	struct {
		struct pm_scan_arg arg;
		__u64 tail[2];
	} longer = { .arg = valid(self) };

	longer.arg.size = sizeof(longer);
	MAINLINE_DIFFERS("takes no struct but its own", -EINVAL,
			 pagemap_scan(self->range->pagemap, &longer.arg));
	ASSERT_EQ(3, pagemap_scan(self->range->pagemap, &longer.arg));
	ASSERT_EQ(longer.arg.end, longer.arg.walk_end);
	ASSERT_WRITTEN("", self->range);
}

TEST_F(args, longer_struct_with_unknown_tail_is_e2big)
{
	struct {
		struct pm_scan_arg arg;
		__u64 tail[2];
	} longer = { .arg = valid(self), .tail = { 0, 1 } };

	longer.arg.size = sizeof(longer);
	MAINLINE_DIFFERS("takes no struct but its own", -EINVAL,
			 pagemap_scan(self->range->pagemap, &longer.arg));
	refused(_metadata, self, E2BIG, &longer.arg);
}

TEST_F(args, unknown_flag_is_einval)
{
	struct pm_scan_arg arg = valid(self);
	__u64 known = arg.flags;
	int bit;

	for (bit = 2; bit < 64; bit++) {
		arg.flags = known | 1ULL << bit;
		refused(_metadata, self, EINVAL, &arg);
	}
}

TEST_F(args, unknown_category_is_einval)
{
	/* Mainline took two more after the eight of the ABI. */
	int first = mainline_kernel() ? 10 : 8, bit;
	struct pm_scan_arg arg;

	for (bit = first; bit < 64; bit++) {
		arg = valid(self);
		arg.category_inverted |= 1ULL << bit;
		refused(_metadata, self, EINVAL, &arg);
		arg = valid(self);
		arg.category_mask |= 1ULL << bit;
		refused(_metadata, self, EINVAL, &arg);
		arg = valid(self);
		arg.category_anyof_mask |= 1ULL << bit;
		refused(_metadata, self, EINVAL, &arg);
		arg = valid(self);
		arg.return_mask |= 1ULL << bit;
		refused(_metadata, self, EINVAL, &arg);
	}
}

TEST_F(args, unaligned_start_is_einval)
{
	struct pm_scan_arg arg = valid(self);

	arg.start += 1;
	refused(_metadata, self, EINVAL, &arg);
	arg.start += base_page() - 2;
	refused(_metadata, self, EINVAL, &arg);
}

TEST_F(args, unaligned_end_is_rounded_up)
{
	struct pm_scan_arg arg = valid(self);

	arg.end = addr_of(self->range, 3) + 1;
	ASSERT_EQ(2, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(addr_of(self->range, 4), self->vec[1].end);
	ASSERT_EQ(addr_of(self->range, 4), arg.walk_end);
	ASSERT_WRITTEN("5", self->range);
}

TEST_F(args, empty_range_returns_nothing)
{
	struct pm_scan_arg arg = valid(self);

	arg.end = arg.start;
	ASSERT_EQ(0, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(arg.end, arg.walk_end);

	arg = valid(self);
	arg.start = 0;
	arg.end = 0;
	ASSERT_EQ(0, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(0, arg.walk_end);
	ASSERT_TRUE(vec_untouched(self));
	ASSERT_WRITTEN(WRITTEN, self->range);
}

TEST_F(args, backward_range_is_efault)
{
	struct pm_scan_arg arg = valid(self);

	arg.end = arg.start - base_page();
	refused(_metadata, self, EFAULT, &arg);
	arg.end = 0;
	refused(_metadata, self, EFAULT, &arg);
}

TEST_F(args, range_beyond_the_address_space_is_efault)
{
	struct pm_scan_arg arg = valid(self);
	const __u64 far[] = { 1ULL << 62, 1ULL << 63, -1ULL - 0xffff, -1ULL };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(far); i++) {
		arg.end = far[i];
		refused(_metadata, self, EFAULT, &arg);
	}
	arg.start = 1ULL << 63;
	arg.end = (1ULL << 63) + base_page();
	refused(_metadata, self, EFAULT, &arg);
}

TEST_F(args, length_without_vec_is_einval)
{
	struct pm_scan_arg arg = valid(self);

	arg.vec = 0;
	refused(_metadata, self, EINVAL, &arg);
}

TEST_F(args, vec_without_length_is_no_vec)
{
	struct pm_scan_arg arg = valid(self);

	arg.vec_len = 0;
	ASSERT_EQ(0, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(arg.end, arg.walk_end);
	ASSERT_TRUE(vec_untouched(self));
	ASSERT_WRITTEN("", self->range);
}

TEST_F(args, overflowing_length_is_efault)
{
	struct pm_scan_arg arg = valid(self);
	const __u64 lens[] = { -1ULL, -1ULL / 24 + 1, 1ULL << 63, 1ULL << 61 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		arg.vec_len = lens[i];
		refused(_metadata, self, EFAULT, &arg);
	}
}

TEST_F(args, vec_outside_the_address_space_is_efault)
{
	struct pm_scan_arg arg = valid(self);

	arg.vec = 1ULL << 63;
	refused(_metadata, self, EFAULT, &arg);
}

TEST_F(args, unreadable_argument_is_efault)
{
	ASSERT_EQ(-EFAULT, pagemap_scan(self->range->pagemap, NULL));
	ASSERT_EQ(-EFAULT, pagemap_scan(self->range->pagemap, (void *)8));
	ASSERT_WRITTEN(WRITTEN, self->range);
}

TEST_F(args, no_vec_arms_what_matches)
{
	struct pm_scan_arg arg = valid(self);

	/* Five pages are armed; arming the others leaves these alone. */
	arg.vec = 0;
	arg.vec_len = 0;
	ASSERT_EQ(0, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(arg.end, arg.walk_end);
	ASSERT_WRITTEN("", self->range);
}

TEST_F(args, no_vec_keeps_to_the_masks)
{
	struct pm_scan_arg arg = valid(self);

	ASSERT_EQ(0, madvise(self->range->addr + 3 * self->range->unit,
			     self->range->unit, MADV_DONTNEED));
	ASSERT_WRITTEN(WRITTEN, self->range);
	arg.vec = 0;
	arg.vec_len = 0;
	arg.category_mask = PAGE_IS_WRITTEN | PAGE_IS_PRESENT;
	ASSERT_EQ(0, pagemap_scan(self->range->pagemap, &arg));
	MAINLINE_DIFFERS_STR("arms without a look at the masks", "",
			     pages_written(self->range));
	ASSERT_WRITTEN("3", self->range);
}

TEST_F(args, no_vec_keeps_to_max_pages)
{
	struct pm_scan_arg arg = valid(self);

	arg.vec = 0;
	arg.vec_len = 0;
	arg.max_pages = 2;
	ASSERT_EQ(0, pagemap_scan(self->range->pagemap, &arg));
	MAINLINE_DIFFERS("arms beyond max_pages", arg.end, arg.walk_end);
	ASSERT_EQ(addr_of(self->range, 5), arg.walk_end);
	ASSERT_WRITTEN("5", self->range);
}

TEST_HARNESS_MAIN
