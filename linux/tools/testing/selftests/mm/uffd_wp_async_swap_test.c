// SPDX-License-Identifier: GPL-2.0
/*
 * Tracking of pages that are reclaimed: swapped out and back, swapped in all at
 * once by swapoff(), or freed because their owner had said they may be.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>

#include "swap_area.h"
#include "tracked.h"

#define SWAP_SIZE	(16UL << 20)
#define TRIES		100

FIXTURE(swap)
{
	struct memory mem;
	struct range *range;
	struct swap_area area;
	size_t len;
	size_t target;		/* written since it was armed */
	size_t neighbour;	/* armed */
	int uffd;
};

FIXTURE_VARIANT(swap)
{
	const struct memory_kind *kind;
	enum memory_state state;
};

FIXTURE_VARIANT_ADD(swap, anon) { KIND(anon, WRITTEN) };
FIXTURE_VARIANT_ADD(swap, stack) { KIND(stack, WRITTEN) };
FIXTURE_VARIANT_ADD(swap, thp) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(swap, anon_shared) { KIND(anon_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(swap, sysv) { KIND(sysv, WRITTEN) };
FIXTURE_VARIANT_ADD(swap, memfd_shared) { KIND(memfd_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(swap, memfd_private) { KIND(memfd_private, WRITTEN) };
FIXTURE_VARIANT_ADD(swap, memfd_shared_thp) { KIND(memfd_shared_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(swap, file_private) { KIND(file_private, WRITTEN) };

/*
 * Swaps all of it out.  Reclaim may pass over a page that is busy; returns
 * NULL, or why there are still pages in memory.
 */
static const char *swap_out(FIXTURE_DATA(swap) *self)
{
	int i;

	for (i = 0; i < TRIES; i++) {
		if (madvise(self->range->addr, self->len, MADV_PAGEOUT))
			return "no MADV_PAGEOUT here";
		if (!strcmp("", pages_bit(self->range, PAGEMAP_PRESENT)))
			return NULL;
		sched_yield();
	}
	return "the kernel did not swap it all out";
}

FIXTURE_SETUP(swap)
{
	const char *reason;

	SKIP_SETUP_IF(mainline_lacks(variant->kind, variant->state));
	SKIP_SETUP_IF(missing_wp_async());
	stay_here();
	self->range = &self->mem.range;
	self->uffd = track(_metadata, &self->mem, variant->kind,
			   variant->state, 0, 0);
	self->len = self->range->nr * self->range->unit;
	self->target = self->range->nr * 5 / 8;
	self->neighbour = self->target + 1;
	store(self->range, self->target);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	reason = swap_area_on(&self->area, SWAP_SIZE);
	if (reason)
		memory_free(&self->mem);
	SKIP_SETUP_IF(reason);
}

FIXTURE_TEARDOWN(swap)
{
	close(self->uffd);
	memory_free(&self->mem);
	swap_area_off(&self->area);
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

TEST_F(swap, out_and_in_keeps_the_state)
{
	SKIP_IF(swap_out(self));
	ASSERT_STATE_KEPT();
}

TEST_F(swap, out_is_swapped_or_nothing)
{
	const char *swapped = pages_all(self->range);

	SKIP_IF(swap_out(self));
	/*
	 * Shared memory is swapped out of its file: the page table has markers
	 * for what was armed, nothing for what was written, and knows no more.
	 */
	if (memory_is_shared(variant->kind)) {
		swapped = "";
		MAINLINE_DIFFERS_STR("SWAPPED for a marker",
				     pages_not(self->range,
					       pages_one(self->target)),
				     pages_with(self->range, PAGE_IS_SWAPPED));
	} else if (variant->kind->backing == BACKING_MEMFD ||
		   variant->kind->backing == BACKING_FILE) {
		/* Copies of a file's pages are anonymous. */
		swapped = pages_all(self->range);
	}
	ASSERT_STREQ(swapped, pages_with(self->range, PAGE_IS_SWAPPED));
	ASSERT_STREQ("", pages_with(self->range, PAGE_IS_PRESENT));
	ASSERT_WRITTEN(pages_one(self->target), self->range);
}

TEST_F(swap, store_brings_in_and_is_written)
{
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	SKIP_IF(swap_out(self));
	ASSERT_WRITTEN("", self->range);
	store(self->range, self->neighbour);
	ASSERT_WRITTEN(pages_one(self->neighbour), self->range);
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
	ASSERT_WRITTEN(pages_one(self->neighbour), self->range);
}

TEST_F(swap, load_brings_in_and_is_none)
{
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	SKIP_IF(swap_out(self));
	load_all(self->range);
	ASSERT_WRITTEN("", self->range);
	store(self->range, self->target);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
}

TEST_F(swap, armed_while_out)
{
	SKIP_IF(swap_out(self));
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
	ASSERT_STREQ("", pages_with(self->range, PAGE_IS_PRESENT));
	load_all(self->range);
	ASSERT_WRITTEN("", self->range);
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
	store(self->range, self->target);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
}

TEST_F(swap, disarmed_while_out)
{
	SKIP_IF(swap_out(self));
	ASSERT_EQ(0, uffd_unregister(self->uffd, self->range));
	ASSERT_STREQ("", pages_armed(self->range));
	/* Nobody tracks it now, so what is there is written, swapped or not. */
	if (!memory_is_shared(variant->kind)) {
		ASSERT_STREQ(pages_all(self->range),
			     pages_with(self->range, PAGE_IS_WRITTEN |
					PAGE_IS_SWAPPED));
	}
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
	ASSERT_STREQ("", pages_armed(self->range));
}

TEST_F(swap, swapoff_keeps_the_state)
{
	SKIP_IF(swap_out(self));
	ASSERT_EQ(0, swap_area_off(&self->area));
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	if (!mainline_kernel()) {
		ASSERT_STREQ("", pages_with(self->range, PAGE_IS_SWAPPED));
	}
	ASSERT_STATE_KEPT();
}

TEST_F(swap, protection_round_trip_while_out)
{
	SKIP_IF(swap_out(self));
	ASSERT_EQ(0, mprotect(self->range->addr, self->len, PROT_NONE));
	ASSERT_EQ(0, mprotect(self->range->addr, self->len,
			      PROT_READ | PROT_WRITE));
	ASSERT_STATE_KEPT();
}

TEST_F(swap, dontneed_while_out)
{
	const char *expected = pages_all(self->range);

	SKIP_IF(swap_out(self));
	ASSERT_EQ(0, madvise(self->range->addr, self->len, MADV_DONTNEED));
	if (memory_is_shared(variant->kind))
		expected = pages_one(self->target);
	else if (variant->kind->backing)
		MAINLINE_DIFFERS_STR("forgets what was private",
				     pages_one(self->target),
				     pages_written(self->range));
	ASSERT_WRITTEN(expected, self->range);
}

/* What fork() copies is the parent's state of the parent's pages. */
TEST_F(swap, fork_while_out)
{
	int status;
	pid_t pid;

	SKIP_IF(swap_out(self));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		self->range->pagemap = pagemap_open(0);
		if (strcmp("", pages_armed(self->range)) ||
		    !memory_intact(&self->mem, variant->state) ||
		    strcmp("", pages_armed(self->range)))
			_exit(1);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_EQ(0, WEXITSTATUS(status));
	ASSERT_STATE_KEPT();
}

/* MADV_FREE is for private anonymous memory, and needs no swap. */
FIXTURE(freed)
{
	struct memory mem;
	struct range *range;
	size_t len;
	int uffd;
};

FIXTURE_VARIANT(freed)
{
	const struct memory_kind *kind;
};

FIXTURE_VARIANT_ADD(freed, anon)
{
	.kind = &memory_anon,
};

FIXTURE_VARIANT_ADD(freed, stack)
{
	.kind = &memory_stack,
};

FIXTURE_VARIANT_ADD(freed, thp)
{
	.kind = &memory_anon_thp,
};

FIXTURE_SETUP(freed)
{
	SKIP_SETUP_IF(missing_wp_async());
	stay_here();
	self->range = &self->mem.range;
	self->uffd = track(_metadata, &self->mem, variant->kind,
			   MEMORY_WRITTEN, 0, 0);
	self->len = self->range->nr * self->range->unit;
	ASSERT_EQ(0, madvise(self->range->addr, self->len, MADV_FREE));
}

FIXTURE_TEARDOWN(freed)
{
	close(self->uffd);
	memory_free(&self->mem);
}

/* As long as they are there, they have what they had. */
TEST_F(freed, not_reclaimed_keeps_the_state)
{
	ASSERT_WRITTEN("", self->range);
	ASSERT_TRUE(memory_intact(&self->mem, MEMORY_WRITTEN));
	ASSERT_WRITTEN("", self->range);
}

TEST_F(freed, store_is_written_exactly)
{
	store(self->range, 5);
	ASSERT_WRITTEN("5", self->range);
	/* And keeps the page from being freed. */
	madvise(self->range->addr, self->len, MADV_PAGEOUT);
	ASSERT_TRUE(pages_have(pages_written(self->range), 5));
	ASSERT_EQ(0x5a, self->range->addr[5 * self->range->unit +
					  self->range->unit / 2]);
}

TEST_F(freed, reclaimed_is_written)
{
	const char *present;
	int i;

	for (i = 0; i < TRIES; i++) {
		ASSERT_EQ(0, madvise(self->range->addr, self->len,
				     MADV_PAGEOUT));
		present = pages_bit(self->range, PAGEMAP_PRESENT);
		if (!strcmp("", present))
			break;
		sched_yield();
	}
	SKIP_IF(i == TRIES ? "the kernel did not free it all" : NULL);
	/* Zeroes now, and nobody wrote them. */
	ASSERT_WRITTEN(pages_all(self->range), self->range);
	ASSERT_STREQ(pages_all(self->range), pages_take(self->range));
	store(self->range, 5);
	ASSERT_WRITTEN("5", self->range);
}

/*
 * On the machine's first swap device: its entries are the ones that have the
 * fewest bits, with neither state to keep.
 */
TEST(empty_beside_what_is_swapped_is_empty)
{
	struct range *range;
	struct memory mem;
	const char *swapped = "";
	size_t i, tries;
	int fd;

	SKIP_IF(memory_make(&mem, &memory_anon, MEMORY_HOLE));
	range = &mem.range;
	stay_here();
	for (i = 0; i < range->nr / 2; i++)
		store(range, i);
	fd = open("/proc/self/clear_refs", O_WRONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(1, write(fd, "4", 1));
	close(fd);
	for (tries = 0; tries < 100 && !*swapped; tries++) {
		if (madvise(range->addr, range->nr * range->unit, MADV_PAGEOUT))
			break;
		swapped = pages_bit(range, PAGEMAP_SWAPPED);
	}
	if (!*swapped)
		memory_free(&mem);
	SKIP_IF(*swapped ? NULL : "there is no swap, or it is not used");
	ASSERT_STREQ(swapped, pages_with(range, PAGE_IS_SWAPPED));
	memory_free(&mem);
}

TEST_HARNESS_MAIN
