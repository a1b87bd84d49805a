// SPDX-License-Identifier: GPL-2.0
/*
 * PAGEMAP_SCAN and UFFD_FEATURE_WP_ASYNC in the ways in which programs are
 * known to use them.  Each test is the interface as one of them needs it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/syscall.h>

#include "tracked.h"

#define VEC_LEN		64

FIXTURE(caller)
{
	struct memory mem;
	struct range *range;
	size_t len;
	int uffd;
	struct page_region vec[VEC_LEN];
};

FIXTURE_SETUP(caller)
{
	SKIP_SETUP_IF(missing_wp_async());
	self->range = &self->mem.range;
	SKIP_SETUP_IF(memory_make(&self->mem, &memory_anon, MEMORY_HOLE));
	self->len = self->range->nr * self->range->unit;
	self->uffd = -1;
}

FIXTURE_TEARDOWN(caller)
{
	close(self->uffd);
	memory_free(&self->mem);
}

/* Opens a uffd step by step, as programs do that look at the answers. */
static int open_and_register(FIXTURE_DATA(caller) *self, int flags,
			     __u64 features)
{
	struct uffdio_register reg = {
		.range.start = addr_of(self->range, 0),
		.range.len = self->len,
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = features,
	};

	self->uffd = syscall(__NR_userfaultfd, flags);
	if (self->uffd < 0)
		return -errno;
	if (ioctl(self->uffd, UFFDIO_API, &api))
		return -errno;
	if (api.api != UFFD_API || (api.features & features) != features)
		return -ENOTSUP;
	if (ioctl(self->uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	return reg.ioctls & 1ULL << _UFFDIO_WRITEPROTECT ? 0 : -ENOTSUP;
}

/*
 * Wine keeps write watches on views of many protections: it arms them by
 * UFFDIO_WRITEPROTECT over all of a view, reads them with or without reset
 * through a vec of the caller's size, and resets them without one.
 */
static int wine_get(FIXTURE_DATA(caller) *self, __u64 flags, size_t max)
{
	struct pm_scan_arg arg = SCAN_OF(self->range,
		.flags = flags,
		.vec = to_u64(self->vec),
		.vec_len = VEC_LEN,
		.max_pages = max,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN);

	return pagemap_scan(self->range->pagemap, &arg);
}

static int wine_reset(FIXTURE_DATA(caller) *self)
{
	struct pm_scan_arg arg = SCAN_OF(self->range,
		.flags = PM_SCAN_WP_MATCHING,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN);

	return pagemap_scan(self->range->pagemap, &arg);
}

TEST_F(caller, wine_write_watch)
{
	struct range view = *self->range;

	ASSERT_EQ(0, open_and_register(self, O_CLOEXEC | O_NONBLOCK |
				       UFFD_USER_MODE_ONLY,
				       UFFD_FEATURE_WP_ASYNC |
				       UFFD_FEATURE_WP_UNPOPULATED));
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, true));
	ASSERT_EQ(0, wine_get(self, 0, 0));

	/* Never touched until now. */
	store(self->range, 1);
	store(self->range, 2);
	store(self->range, 6);
	ASSERT_EQ(2, wine_get(self, 0, 0));
	ASSERT_EQ(addr_of(self->range, 1), self->vec[0].start);
	ASSERT_EQ(addr_of(self->range, 3), self->vec[0].end);
	ASSERT_EQ(addr_of(self->range, 6), self->vec[1].start);
	ASSERT_EQ(addr_of(self->range, 7), self->vec[1].end);

	/* Room for two pages: these are reset, the third waits. */
	ASSERT_EQ(1, wine_get(self, PM_SCAN_WP_MATCHING, 2));
	ASSERT_EQ(addr_of(self->range, 3), self->vec[0].end);
	ASSERT_EQ(1, wine_get(self, PM_SCAN_WP_MATCHING, 2));
	ASSERT_EQ(addr_of(self->range, 6), self->vec[0].start);
	ASSERT_EQ(0, wine_get(self, PM_SCAN_WP_MATCHING, 2));

	store(self->range, 4);
	ASSERT_EQ(0, wine_reset(self));
	ASSERT_EQ(0, wine_get(self, 0, 0));

	/* A page of the view gets another protection, then all is armed. */
	ASSERT_EQ(0, mprotect(self->range->addr + 3 * view.unit, view.unit,
			      PROT_READ));
	store(self->range, 5);
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, true));
	ASSERT_EQ(0, wine_get(self, 0, 0));
}

/*
 * Wine also resets where only some of the range is watched: it asks for no
 * check, and what is not watched must not stand in the way.
 */
TEST_F(caller, wine_reset_over_what_is_not_watched)
{
	struct range middle = *self->range;

	ASSERT_EQ(0, open_and_register(self, O_CLOEXEC | UFFD_USER_MODE_ONLY,
				       UFFD_FEATURE_WP_ASYNC |
				       UFFD_FEATURE_WP_UNPOPULATED));
	middle.addr += 3 * middle.unit;
	middle.nr = 2;
	ASSERT_EQ(0, uffd_unregister(self->uffd, &middle));
	store(self->range, 1);
	store(self->range, 3);
	ASSERT_EQ(0, wine_reset(self));
	ASSERT_STREQ("0-2,5-7", pages_armed(self->range));
}

/*
 * gVisor takes what was written since it last looked, over a whole mapping, and
 * takes a walk_end that does not advance for a kernel that does not work.
 */
TEST_F(caller, gvisor_collects_dirty_pages)
{
	struct pm_scan_arg arg;
	__u64 expected = 0x52, seen = 0;
	size_t i;
	int nr;

	ASSERT_EQ(0, open_and_register(self, O_CLOEXEC | O_NONBLOCK,
				       UFFD_FEATURE_WP_ASYNC |
				       UFFD_FEATURE_WP_UNPOPULATED));
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, true));
	for (i = 0; i < self->range->nr; i++) {
		if (expected >> i & 1)
			store(self->range, i);
	}
	arg = SCAN_OF(self->range,
		      .flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		      .vec = to_u64(self->vec),
		      .vec_len = 2,
		      .category_mask = PAGE_IS_WRITTEN,
		      .return_mask = PAGE_IS_WRITTEN);
	while (arg.start < arg.end) {
		nr = pagemap_scan(self->range->pagemap, &arg);
		ASSERT_LE(0, nr);
		ASSERT_LT(arg.start, arg.walk_end);
		while (nr--) {
			i = (self->vec[nr].start - addr_of(self->range, 0)) /
			    self->range->unit;
			for (; addr_of(self->range, i) < self->vec[nr].end; i++)
				seen |= 1ULL << i;
		}
		arg.start = arg.walk_end;
	}
	ASSERT_EQ(expected, seen);
	ASSERT_STREQ("", pages_written(self->range));
}

static struct pm_scan_arg criu_query(FIXTURE_DATA(caller) *self)
{
	return SCAN_OF(self->range,
		.vec = to_u64(self->vec),
		.vec_len = VEC_LEN,
		.category_inverted = PAGE_IS_PFNZERO | PAGE_IS_FILE,
		.category_mask = PAGE_IS_PFNZERO | PAGE_IS_FILE,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED |
			       PAGE_IS_SOFT_DIRTY);
}

/* CRIU dumps what is there and not in a file; it tracks nothing. */
TEST_F(caller, criu_dumps_what_is_there)
{
	struct pm_scan_arg arg = criu_query(self);

	load(self->range, 0);
	load(self->range, 7);
	store(self->range, 2);
	store(self->range, 3);
	ASSERT_EQ(1, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(addr_of(self->range, 2), self->vec[0].start);
	ASSERT_EQ(addr_of(self->range, 4), self->vec[0].end);
	ASSERT_EQ(PAGE_IS_PRESENT,
		  self->vec[0].categories & ~PAGE_IS_SOFT_DIRTY);
	ASSERT_EQ(arg.end, arg.walk_end);
}

/* Armed holes hold nothing: there is nothing to dump. */
TEST_F(caller, criu_dumps_no_markers)
{
	struct pm_scan_arg arg = criu_query(self);

	ASSERT_EQ(0, open_and_register(self, O_CLOEXEC,
				       UFFD_FEATURE_WP_ASYNC));
	ASSERT_STREQ("0-7", pages_take(self->range));
	store(self->range, 2);
	MAINLINE_DIFFERS_STR("takes a marker for a swapped page", "0-7",
			     pages_matching(self->range, &arg));
	ASSERT_STREQ("2", pages_matching(self->range, &arg));
}

TEST_F(caller, criu_dumps_private_copies_of_files)
{
	struct pm_scan_arg arg;
	struct memory file;

	SKIP_IF(memory_make(&file, &memory_memfd_private, MEMORY_READ));
	store(&file.range, 4);
	arg = criu_query(self);
	arg.start = addr_of(&file.range, 0);
	arg.end = addr_of(&file.range, file.range.nr);
	ASSERT_EQ(1, pagemap_scan(file.range.pagemap, &arg));
	ASSERT_EQ(addr_of(&file.range, 4), self->vec[0].start);
	ASSERT_EQ(addr_of(&file.range, 5), self->vec[0].end);
	memory_free(&file);
}

/*
 * wasmtime resets an instance's memory: it looks for pages that are not those
 * of the image, in memory that nobody registered, 32 regions at a time and no
 * more pages than it is worth, and goes on at walk_end.
 */
TEST_F(caller, wasmtime_finds_its_own_pages)
{
	struct pm_scan_arg arg = SCAN_OF(self->range,
		.vec = to_u64(self->vec),
		.vec_len = 32,
		.max_pages = 3,
		.category_inverted = PAGE_IS_PFNZERO | PAGE_IS_FILE,
		.category_mask = PAGE_IS_WRITTEN | PAGE_IS_PRESENT |
				 PAGE_IS_PFNZERO | PAGE_IS_FILE);

	load(self->range, 0);
	store(self->range, 1);
	store(self->range, 3);
	store(self->range, 4);
	store(self->range, 5);
	ASSERT_EQ(2, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(addr_of(self->range, 1), self->vec[0].start);
	ASSERT_EQ(addr_of(self->range, 2), self->vec[0].end);
	ASSERT_EQ(0, self->vec[0].categories);
	ASSERT_EQ(addr_of(self->range, 3), self->vec[1].start);
	ASSERT_EQ(addr_of(self->range, 5), self->vec[1].end);
	ASSERT_EQ(addr_of(self->range, 5), arg.walk_end);
	arg.start = arg.walk_end;
	ASSERT_EQ(1, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(addr_of(self->range, 5), self->vec[0].start);
	ASSERT_EQ(arg.end, arg.walk_end);
}

/* Does this kernel have it?  An empty scan must say so, and nothing else. */
TEST_F(caller, wasmtime_probes)
{
	struct pm_scan_arg arg = { .size = sizeof(arg) };
	int fd;

	ASSERT_EQ(0, pagemap_scan(self->range->pagemap, &arg));
	arg.start = addr_of(self->range, 0);
	arg.end = arg.start;
	ASSERT_EQ(0, pagemap_scan(self->range->pagemap, &arg));

	/* Only /proc/PID/pagemap knows this ioctl. */
	fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(-ENOTTY, pagemap_scan(fd, &arg));
	close(fd);
}

/*
 * A checkpointing loop, whoever runs it: a copy that is kept up to date with
 * nothing but what the scans report is at every step the same as the memory.
 */
TEST_F(caller, incremental_copies_are_complete)
{
	unsigned int round, seed = 1, i;
	struct pm_scan_arg arg;
	char *copy;
	int nr;

	ASSERT_EQ(0, open_and_register(self, O_CLOEXEC,
				       UFFD_FEATURE_WP_ASYNC));
	copy = calloc(1, self->len);
	ASSERT_TRUE(!!copy);
	for (round = 0; round < 200; round++) {
		for (i = 0; i < round % 7; i++) {
			seed = seed * 1103515245 + 12345;
			self->range->addr[(seed >> 8) % self->len] = seed >> 24;
		}
		if (round % 13 == 5)
			madvise(self->range->addr + (round % 8) *
				self->range->unit, self->range->unit,
				MADV_DONTNEED);
		arg = SCAN_OF(self->range,
			      .flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
			      .vec = to_u64(self->vec),
			      .vec_len = VEC_LEN,
			      .category_mask = PAGE_IS_WRITTEN,
			      .return_mask = PAGE_IS_WRITTEN);
		nr = pagemap_scan(self->range->pagemap, &arg);
		ASSERT_LE(0, nr);
		ASSERT_EQ(arg.end, arg.walk_end);
		while (nr--) {
			char *from = (char *)(uintptr_t)self->vec[nr].start;

			memcpy(copy + (from - self->range->addr), from,
			       self->vec[nr].end - self->vec[nr].start);
		}
		ASSERT_EQ(0, memcmp(copy, self->range->addr, self->len));
		ASSERT_STREQ("", pages_written(self->range));
	}
	free(copy);
}

TEST_HARNESS_MAIN
