// SPDX-License-Identifier: GPL-2.0
/*
 * Write tracking beside the modes of userfaultfd that do ask somebody: memory
 * that is tracked may be missing, or be in its file and not mapped yet, and is
 * filled through the same descriptor.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>

#include "tracked.h"

#ifndef UFFDIO_CONTINUE_MODE_WP
#define UFFDIO_CONTINUE_MODE_WP	2	/* of mainline */
#endif

#define FILLED			0x33

/* A thread that touches one unit, and may have to wait for it. */
struct toucher {
	pthread_t thread;
	const struct range *range;
	size_t index;
	bool stores;
};

static void *toucher_main(void *data)
{
	struct toucher *toucher = data;

	if (toucher->stores)
		store(toucher->range, toucher->index);
	else
		load(toucher->range, toucher->index);
	return NULL;
}

/* Starts it, and returns the flags of the fault that it is waiting for. */
static long touch(struct toucher *toucher, const struct range *range,
		  size_t index, bool stores, int uffd)
{
	struct uffd_msg msg;

	*toucher = (struct toucher) {
		.range = range, .index = index, .stores = stores,
	};
	if (pthread_create(&toucher->thread, NULL, toucher_main, toucher))
		return -EAGAIN;
	if (fcntl(uffd, F_SETFL, 0) ||
	    read(uffd, &msg, sizeof(msg)) != sizeof(msg))
		return -errno;
	if (msg.event != UFFD_EVENT_PAGEFAULT ||
	    msg.arg.pagefault.address / range->unit !=
	    addr_of(range, index) / range->unit)
		return -EPROTO;
	return msg.arg.pagefault.flags;
}

static bool anybody_asked(int uffd)
{
	struct uffd_msg msg;

	fcntl(uffd, F_SETFL, O_NONBLOCK);
	return read(uffd, &msg, sizeof(msg)) > 0;
}

static int copy_to(int uffd, const struct range *range, size_t index,
		   const void *from, __u64 mode)
{
	struct uffdio_copy arg = {
		.dst = addr_of(range, index),
		.src = to_u64(from),
		.len = range->unit,
		.mode = mode,
	};

	return ioctl(uffd, UFFDIO_COPY, &arg) ? -errno : 0;
}

static int zero_at(int uffd, const struct range *range, size_t index)
{
	struct uffdio_zeropage arg = {
		.range.start = addr_of(range, index),
		.range.len = range->unit,
	};

	return ioctl(uffd, UFFDIO_ZEROPAGE, &arg) ? -errno : 0;
}

static int continue_at(int uffd, const struct range *range, size_t index,
		       __u64 mode)
{
	struct uffdio_continue arg = {
		.range.start = addr_of(range, index),
		.range.len = range->unit,
		.mode = mode,
	};

	return ioctl(uffd, UFFDIO_CONTINUE, &arg) ? -errno : 0;
}

/* Nothing is there yet, and all of it is armed. */
FIXTURE(missing)
{
	struct memory mem;
	struct range *range;
	char *page;		/* to fill units with */
	struct toucher toucher;
	size_t target;
	size_t neighbour;
	int uffd;
};

FIXTURE_VARIANT(missing)
{
	const struct memory_kind *kind;
	bool zeropage;		/* has UFFDIO_ZEROPAGE */
};

FIXTURE_VARIANT_ADD(missing, anon) { .kind = &memory_anon, .zeropage = true };
FIXTURE_VARIANT_ADD(missing, thp) { .kind = &memory_anon_thp, .zeropage = true };
FIXTURE_VARIANT_ADD(missing, anon_shared) { .kind = &memory_anon_shared, .zeropage = true };
FIXTURE_VARIANT_ADD(missing, memfd_shared) { .kind = &memory_memfd_shared, .zeropage = true };
FIXTURE_VARIANT_ADD(missing, memfd_private) { .kind = &memory_memfd_private, .zeropage = true };
FIXTURE_VARIANT_ADD(missing, hugetlb_shared) { .kind = &memory_hugetlb_shared };
FIXTURE_VARIANT_ADD(missing, hugetlb_private) { .kind = &memory_hugetlb_private };

FIXTURE_SETUP(missing)
{
	SKIP_SETUP_IF(missing_wp_async());
	SKIP_SETUP_IF(mainline_lacks(variant->kind, MEMORY_HOLE));
	self->range = &self->mem.range;
	SKIP_SETUP_IF(memory_make(&self->mem, variant->kind, MEMORY_HOLE));
	self->page = malloc(self->range->unit);
	ASSERT_TRUE(!!self->page);
	memset(self->page, FILLED, self->range->unit);
	self->uffd = uffd_open(0, UFFD_FEATURE_WP_ASYNC);
	ASSERT_LE(0, self->uffd);
	ASSERT_EQ(0, uffd_register(self->uffd, self->range,
				   UFFDIO_REGISTER_MODE_WP |
				   UFFDIO_REGISTER_MODE_MISSING));
	self->target = self->range->nr * 5 / 8;
	self->neighbour = (self->target + 1) % self->range->nr;
	ASSERT_STREQ(pages_all(self->range), pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
}

FIXTURE_TEARDOWN(missing)
{
	free(self->page);
	close(self->uffd);
	memory_free(&self->mem);
}

#define ASSERT_FILLED(index)						\
	ASSERT_EQ(FILLED, *(self->range->addr + (index) * self->range->unit))

TEST_F(missing, load_of_a_marker_is_asked_for_and_none)
{
	long flags = touch(&self->toucher, self->range, self->target, false,
			   self->uffd);

	ASSERT_EQ(0, flags);
	ASSERT_EQ(0, copy_to(self->uffd, self->range, self->target, self->page,
			     UFFDIO_COPY_MODE_WP));
	pthread_join(self->toucher.thread, NULL);
	ASSERT_WRITTEN("", self->range);
	ASSERT_FILLED(self->target);
	store(self->range, self->target);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_FALSE(anybody_asked(self->uffd));
}

TEST_F(missing, store_to_a_marker_is_asked_for_and_written)
{
	long flags = touch(&self->toucher, self->range, self->target, true,
			   self->uffd);

	ASSERT_EQ(UFFD_PAGEFAULT_FLAG_WRITE, flags);
	ASSERT_EQ(0, copy_to(self->uffd, self->range, self->target, self->page,
			     0));
	pthread_join(self->toucher.thread, NULL);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_FILLED(self->target);
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
}

/* Who is asked gives a page that is armed; of the store nobody is asked again. */
TEST_F(missing, store_to_a_marker_filled_armed_is_written)
{
	long flags = touch(&self->toucher, self->range, self->target, true,
			   self->uffd);

	ASSERT_EQ(UFFD_PAGEFAULT_FLAG_WRITE, flags);
	ASSERT_EQ(0, copy_to(self->uffd, self->range, self->target, self->page,
			     UFFDIO_COPY_MODE_WP));
	pthread_join(self->toucher.thread, NULL);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_FILLED(self->target);
	ASSERT_FALSE(anybody_asked(self->uffd));
}

TEST_F(missing, filled_before_anybody_asks)
{
	char both[64];

	ASSERT_EQ(0, copy_to(self->uffd, self->range, 0, self->page,
			     UFFDIO_COPY_MODE_WP));
	ASSERT_WRITTEN("", self->range);
	ASSERT_EQ(0, copy_to(self->uffd, self->range, self->target, self->page,
			     0));
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_FILLED(0);
	ASSERT_FILLED(self->target);
	ASSERT_WRITTEN(pages_one(self->target), self->range);

	store(self->range, 0);
	snprintf(both, sizeof(both), self->target == 1 ? "0-%zu" : "0,%zu",
		 self->target);
	ASSERT_WRITTEN(both, self->range);
	ASSERT_STREQ(both, pages_take(self->range));
	ASSERT_FALSE(anybody_asked(self->uffd));
}

TEST_F(missing, filled_with_zeroes_is_written)
{
	int ret = zero_at(self->uffd, self->range, self->target);

	if (!variant->zeropage) {
		ASSERT_EQ(-EINVAL, ret);
		ASSERT_WRITTEN("", self->range);
		return;
	}
	if (!memory_is_shared(variant->kind))
		MAINLINE_DIFFERS("a marker is something already", -EEXIST, ret);
	ASSERT_EQ(0, ret);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	load(self->range, self->target);
	ASSERT_EQ(0, *(self->range->addr + self->target * self->range->unit));
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	store(self->range, self->target);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
}

/* What is there is not filled again, and nothing happens to it. */
TEST_F(missing, filled_twice_keeps_the_state)
{
	ASSERT_EQ(0, copy_to(self->uffd, self->range, 0, self->page, 0));
	ASSERT_EQ(0, copy_to(self->uffd, self->range, self->target, self->page,
			     UFFDIO_COPY_MODE_WP));
	memset(self->page, FILLED + 1, self->range->unit);
	ASSERT_EQ(-EEXIST, copy_to(self->uffd, self->range, self->target,
				   self->page, 0));
	ASSERT_EQ(-EEXIST, copy_to(self->uffd, self->range, 0, self->page,
				   UFFDIO_COPY_MODE_WP));
	ASSERT_WRITTEN("0", self->range);
	ASSERT_FILLED(self->target);
}

TEST_F(missing, forgotten_is_missing_again)
{
	char *unit = self->range->addr + self->target * self->range->unit;
	const char *expected = pages_one(self->target);
	long flags;

	ASSERT_EQ(0, copy_to(self->uffd, self->range, self->target, self->page,
			     UFFDIO_COPY_MODE_WP));
	if (memory_is_shared(variant->kind)) {
		/* The file has it, so that it is not missing. */
		ASSERT_EQ(0, madvise(unit, self->range->unit, MADV_DONTNEED));
		ASSERT_WRITTEN("", self->range);
		load(self->range, self->target);
		ASSERT_FALSE(anybody_asked(self->uffd));
		ASSERT_WRITTEN("", self->range);
		return;
	}
	ASSERT_EQ(0, madvise(unit, self->range->unit, MADV_DONTNEED));
	if (variant->kind->backing || variant->kind->hugetlb)
		MAINLINE_DIFFERS_STR("forgets what was private", "",
				     pages_written(self->range));
	ASSERT_WRITTEN(expected, self->range);
	flags = touch(&self->toucher, self->range, self->target, false,
		      self->uffd);
	ASSERT_EQ(0, flags);
	ASSERT_EQ(0, copy_to(self->uffd, self->range, self->target, self->page,
			     UFFDIO_COPY_MODE_WP));
	pthread_join(self->toucher.thread, NULL);
	ASSERT_WRITTEN("", self->range);
}

/* In its file, armed, and not mapped any more. */
FIXTURE(minor)
{
	struct memory mem;
	struct range *range;
	struct toucher toucher;
	size_t target;
	int uffd;
};

FIXTURE_VARIANT(minor)
{
	const struct memory_kind *kind;
	__u64 feature;
};

FIXTURE_VARIANT_ADD(minor, memfd)
{
	.kind = &memory_memfd_shared,
	.feature = UFFD_FEATURE_MINOR_SHMEM,
};

FIXTURE_VARIANT_ADD(minor, memfd_thp)
{
	.kind = &memory_memfd_shared_thp,
	.feature = UFFD_FEATURE_MINOR_SHMEM,
};

FIXTURE_VARIANT_ADD(minor, hugetlb)
{
	.kind = &memory_hugetlb_shared,
	.feature = UFFD_FEATURE_MINOR_HUGETLBFS,
};

FIXTURE_SETUP(minor)
{
	size_t len;

	SKIP_SETUP_IF(missing_wp_async());
	SKIP_SETUP_IF(mainline_lacks(variant->kind, MEMORY_WRITTEN));
	self->range = &self->mem.range;
	SKIP_SETUP_IF(memory_make(&self->mem, variant->kind, MEMORY_WRITTEN));
	self->uffd = uffd_open(0, UFFD_FEATURE_WP_ASYNC | variant->feature);
	if (self->uffd < 0)
		memory_free(&self->mem);
	SKIP_SETUP_IF(self->uffd < 0 ? "no minor faults here" : NULL);
	ASSERT_EQ(0, uffd_register(self->uffd, self->range,
				   UFFDIO_REGISTER_MODE_WP |
				   UFFDIO_REGISTER_MODE_MINOR));
	self->target = self->range->nr * 5 / 8;
	len = self->range->nr * self->range->unit;
	ASSERT_STREQ(pages_all(self->range), pages_take(self->range));
	ASSERT_EQ(0, madvise(self->range->addr, len, MADV_DONTNEED));
	ASSERT_STREQ("", pages_bit(self->range, PAGEMAP_PRESENT));
	ASSERT_WRITTEN("", self->range);
}

FIXTURE_TEARDOWN(minor)
{
	close(self->uffd);
	memory_free(&self->mem);
}

/* Mapped without protection, so that nobody can tell what is written. */
TEST_F(minor, load_of_a_marker_continued_is_written)
{
	long flags = touch(&self->toucher, self->range, self->target, false,
			   self->uffd);

	ASSERT_EQ(UFFD_PAGEFAULT_FLAG_MINOR, flags);
	ASSERT_WRITTEN("", self->range);
	ASSERT_EQ(0, continue_at(self->uffd, self->range, self->target, 0));
	pthread_join(self->toucher.thread, NULL);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	load(self->range, self->target);
	ASSERT_WRITTEN("", self->range);
	store(self->range, self->target);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_FALSE(anybody_asked(self->uffd));
}

TEST_F(minor, store_to_a_marker_continued_is_written)
{
	long flags = touch(&self->toucher, self->range, self->target, true,
			   self->uffd);

	ASSERT_EQ(UFFD_PAGEFAULT_FLAG_MINOR | UFFD_PAGEFAULT_FLAG_WRITE, flags);
	ASSERT_EQ(0, continue_at(self->uffd, self->range, self->target, 0));
	pthread_join(self->toucher.thread, NULL);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_FALSE(anybody_asked(self->uffd));
}

/* 6.1 has no UFFDIO_CONTINUE_MODE_WP: refused, with nothing changed. */
TEST_F(minor, continued_with_protection)
{
	int ret = continue_at(self->uffd, self->range, self->target,
			      UFFDIO_CONTINUE_MODE_WP);

	if (!mainline_kernel()) {
		ASSERT_EQ(-EINVAL, ret);
		ASSERT_STREQ("", pages_bit(self->range, PAGEMAP_PRESENT));
		ASSERT_WRITTEN("", self->range);
		return;
	}
	ASSERT_EQ(0, ret);
	ASSERT_WRITTEN("", self->range);
	store(self->range, self->target);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_FALSE(anybody_asked(self->uffd));
}

TEST_F(minor, continued_twice_keeps_the_state)
{
	ASSERT_EQ(0, continue_at(self->uffd, self->range, self->target, 0));
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	ASSERT_EQ(-EEXIST, continue_at(self->uffd, self->range, self->target,
				       0));
	ASSERT_WRITTEN("", self->range);
}

/* One half is tracked, the other is filled on demand: each by its own uffd. */
TEST(two_uffds_of_one_process_mind_their_own)
{
	struct toucher toucher;
	struct range low, high;
	int tracking, filling;
	struct memory mem;
	char page[4096];

	SKIP_IF(missing_wp_async());
	SKIP_IF(memory_make(&mem, &memory_anon, MEMORY_HOLE));
	SKIP_IF(mem.range.unit > sizeof(page) ? "larger pages" : NULL);
	memset(page, FILLED, sizeof(page));
	low = mem.range;
	low.nr /= 2;
	high = low;
	high.addr += low.nr * low.unit;
	tracking = uffd_track(&low, 0, 0);
	ASSERT_LE(0, tracking);
	filling = uffd_open(0, 0);
	ASSERT_LE(0, filling);
	ASSERT_EQ(0, uffd_register(filling, &high,
				   UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_STREQ("0-3", pages_take(&low));

	ASSERT_EQ(0, touch(&toucher, &high, 2, false, filling));
	ASSERT_EQ(0, copy_to(filling, &high, 2, page, 0));
	pthread_join(toucher.thread, NULL);
	store(&low, 1);
	ASSERT_WRITTEN("1", &low);
	ASSERT_FALSE(anybody_asked(tracking));
	ASSERT_FALSE(anybody_asked(filling));
	ASSERT_STREQ("error: Operation not permitted", pages_take(&high));
	/* To fill what is the other's is not refused, and seen. */
	ASSERT_EQ(0, copy_to(filling, &low, 2, page, 0));
	ASSERT_WRITTEN("1-2", &low);
	ASSERT_GT(0, uffd_writeprotect(filling, &high, true));
	ASSERT_STREQ("0-3", pages_with(&mem.range, PAGE_IS_WPALLOWED));
	close(filling);
	close(tracking);
	memory_free(&mem);
}

TEST_HARNESS_MAIN
