// SPDX-License-Identifier: GPL-2.0
/*
 * Tracking of mapped files: the file system is asked before a page of it gets
 * dirty, as ever, and what a hole punched or a truncation took is a change.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>

#include "tracked.h"

/*
 * A file system with page_mkwrite() hears of every page that is about to get
 * dirty; one sign of it is that the file's time of change is then.  A time long
 * ago stays in place for as long as nobody writes.
 */
#define LONG_AGO	1000000

FIXTURE(mkwrite)
{
	struct memory mem;
	struct range *range;
	int uffd;
};

FIXTURE_VARIANT(mkwrite)
{
	enum memory_state state;
};

FIXTURE_VARIANT_ADD(mkwrite, hole)
{
	.state = MEMORY_HOLE,
};

FIXTURE_VARIANT_ADD(mkwrite, read)
{
	.state = MEMORY_READ,
};

FIXTURE_VARIANT_ADD(mkwrite, written)
{
	.state = MEMORY_WRITTEN,
};

/* Everything on disk: whatever gets dirty from here on has to be announced. */
static int clean(struct memory *mem)
{
	const struct timespec times[2] = {
		{ .tv_sec = LONG_AGO }, { .tv_sec = LONG_AGO },
	};

	if (fsync(mem->fd) || futimens(mem->fd, times))
		return -errno;
	return 0;
}

static bool announced(struct memory *mem)
{
	struct stat st;

	return !fstat(mem->fd, &st) && st.st_mtime != LONG_AGO;
}

FIXTURE_SETUP(mkwrite)
{
	self->range = &self->mem.range;
	self->uffd = track(_metadata, &self->mem, &memory_file_shared,
			   variant->state, 0, 0);
	ASSERT_EQ(0, clean(&self->mem));
	ASSERT_FALSE(announced(&self->mem));
}

FIXTURE_TEARDOWN(mkwrite)
{
	close(self->uffd);
	memory_free(&self->mem);
}

TEST_F(mkwrite, store_to_an_armed_page)
{
	store(self->range, 5);
	ASSERT_TRUE(announced(&self->mem));
	ASSERT_WRITTEN("5", self->range);
}

TEST_F(mkwrite, load_of_an_armed_page_is_none)
{
	load_all(self->range);
	ASSERT_FALSE(announced(&self->mem));
	ASSERT_WRITTEN("", self->range);
}

TEST_F(mkwrite, disarmed_by_writeprotect)
{
	load_all(self->range);
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, false));
	ASSERT_FALSE(announced(&self->mem));
	store(self->range, 5);
	ASSERT_TRUE(announced(&self->mem));
}

TEST_F(mkwrite, disarmed_by_unregister)
{
	load_all(self->range);
	ASSERT_EQ(0, uffd_unregister(self->uffd, self->range));
	ASSERT_FALSE(announced(&self->mem));
	store(self->range, 5);
	ASSERT_TRUE(announced(&self->mem));
}

TEST_F(mkwrite, disarmed_by_close)
{
	load_all(self->range);
	close(self->uffd);
	self->uffd = -1;
	ASSERT_FALSE(announced(&self->mem));
	store(self->range, 5);
	ASSERT_TRUE(announced(&self->mem));
}

TEST_F(mkwrite, disarmed_by_protection)
{
	size_t len = self->range->nr * self->range->unit;

	load_all(self->range);
	ASSERT_EQ(0, mprotect(self->range->addr, len, PROT_READ));
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, false));
	ASSERT_EQ(0, mprotect(self->range->addr, len, PROT_READ | PROT_WRITE));
	ASSERT_FALSE(announced(&self->mem));
	store(self->range, 5);
	ASSERT_TRUE(announced(&self->mem));
}

/* Writeback makes the page read-only again, and disturbs no tracking. */
TEST_F(mkwrite, store_after_writeback)
{
	store(self->range, 5);
	ASSERT_EQ(0, clean(&self->mem));
	ASSERT_WRITTEN("5", self->range);
	ASSERT_FALSE(announced(&self->mem));
	store(self->range, 5);
	ASSERT_TRUE(announced(&self->mem));
	ASSERT_STREQ("5", pages_take(self->range));
	ASSERT_EQ(0, clean(&self->mem));
	ASSERT_WRITTEN("", self->range);
	store(self->range, 5);
	ASSERT_TRUE(announced(&self->mem));
	ASSERT_WRITTEN("5", self->range);
}

TEST_F(mkwrite, store_reaches_the_file)
{
	char byte = 0;

	store(self->range, 5);
	ASSERT_EQ(0, msync(self->range->addr,
			   self->range->nr * self->range->unit, MS_SYNC));
	ASSERT_EQ(1, pread(self->mem.fd, &byte, 1, 5 * self->range->unit +
			   self->range->unit / 2));
	ASSERT_EQ(0x5a, byte);
}

/* A page of a file taken away under an armed mapping of it. */
FIXTURE(taken)
{
	struct memory mem;
	struct range *range;
	size_t target;
	int uffd;
};

FIXTURE_VARIANT(taken)
{
	const struct memory_kind *kind;
	enum memory_state state;
};

FIXTURE_VARIANT_ADD(taken, memfd_shared) { KIND(memfd_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(taken, memfd_shared_thp) { KIND(memfd_shared_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(taken, memfd_private_read) { KIND(memfd_private, READ) };
FIXTURE_VARIANT_ADD(taken, memfd_private) { KIND(memfd_private, WRITTEN) };
FIXTURE_VARIANT_ADD(taken, file_shared) { KIND(file_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(taken, file_private_read) { KIND(file_private, READ) };
FIXTURE_VARIANT_ADD(taken, file_private) { KIND(file_private, WRITTEN) };
FIXTURE_VARIANT_ADD(taken, hugetlb_shared) { KIND(hugetlb_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(taken, hugetlb_private_file_read) { KIND(hugetlb_memfd_private, READ) };

FIXTURE_SETUP(taken)
{
	SKIP_SETUP_IF(mainline_lacks(variant->kind, variant->state));
	self->range = &self->mem.range;
	self->uffd = track(_metadata, &self->mem, variant->kind,
			   variant->state, 0, 0);
	self->target = self->range->nr * 5 / 8;
}

FIXTURE_TEARDOWN(taken)
{
	close(self->uffd);
	memory_free(&self->mem);
}

static bool is_zero(const struct range *range, size_t index)
{
	load(range, index);
	return !*(int *)(range->addr + index * range->unit);
}

/* Private copies outlive the page of the file, and are as they were. */
static bool is_copy(const struct memory_kind *kind, enum memory_state state)
{
	return !memory_is_shared(kind) && state == MEMORY_WRITTEN;
}

TEST_F(taken, hole_punched)
{
	struct range *range = self->range;
	int ret;

	ret = memory_punch(&self->mem, self->target, 1);
	if (ret)
		SKIP(return, "no holes punched: %s", strerror(-ret));
	if (is_copy(variant->kind, variant->state)) {
		ASSERT_WRITTEN("", range);
		ASSERT_TRUE(memory_intact(&self->mem, variant->state));
		return;
	}
	MAINLINE_DIFFERS_STR("keeps it armed", "", pages_written(range));
	ASSERT_STREQ(pages_one(self->target), pages_written(range));
	ASSERT_TRUE(is_zero(range, self->target));
	ASSERT_STREQ(pages_one(self->target), pages_take(range));
	store(range, self->target);
	ASSERT_WRITTEN(pages_one(self->target), range);
}

TEST_F(taken, removed_by_madvise)
{
	struct range *range = self->range;
	char *at = range->addr + self->target * range->unit;

	if (madvise(at, range->unit, MADV_REMOVE)) {
		/* It is for shared mappings, and changes nothing elsewhere. */
		ASSERT_FALSE(memory_is_shared(variant->kind));
		ASSERT_WRITTEN("", range);
		return;
	}
	MAINLINE_DIFFERS_STR("keeps it armed", "", pages_written(range));
	ASSERT_STREQ(pages_one(self->target), pages_written(range));
	ASSERT_TRUE(is_zero(range, self->target));
	ASSERT_STREQ(pages_one(self->target), pages_written(range));
}

TEST_F(taken, truncated_and_extended)
{
	struct range *range = self->range, kept;
	off_t len = range->nr * range->unit;
	size_t i;

	ASSERT_EQ(0, ftruncate(self->mem.fd, self->target * range->unit));
	ASSERT_EQ(0, ftruncate(self->mem.fd, len));
	/* Truncation takes private copies too: all from there on is zeroes. */
	for (i = self->target; i < range->nr; i++)
		ASSERT_TRUE(is_zero(range, i));
	for (i = 0; i < self->target; i++)
		load(range, i);
	if (!variant->kind->hugetlb)
		MAINLINE_DIFFERS_STR("keeps it armed", "",
				     pages_written(range));
	kept = *range;
	kept.nr = self->target;
	ASSERT_STREQ(pages_not(range, pages_all(&kept)), pages_written(range));
	store(range, self->target);
	ASSERT_STREQ(pages_not(range, pages_all(&kept)), pages_take(range));
	ASSERT_WRITTEN("", range);
}

TEST_HARNESS_MAIN
