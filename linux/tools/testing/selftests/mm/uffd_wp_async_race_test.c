// SPDX-License-Identifier: GPL-2.0
/*
 * The promise of it all, kept while everything happens at once: a copy that is
 * kept up to date with nothing but what scans report is, after the last writer
 * has stopped and a last scan has run, the same as the memory.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "swap_area.h"
#include "tracked.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define NR_WRITERS	2
#define NR_SCANS	400
#define VEC_LEN		32
#define SWAP_SIZE	(32UL << 20)

/* What goes on besides writing and scanning. */
enum disturbance {
	NOTHING,
	RECLAIM,
	COLLAPSE,
	FORK,
};

FIXTURE(race)
{
	struct memory mem;
	struct range *range;
	size_t len;
	int uffd;
	char *copy;
	struct swap_area area;
	enum disturbance disturbance;
	atomic_bool stop;
	atomic_ulong nr_writes;
	pthread_t writers[NR_WRITERS];
	pthread_t disturber;
};

FIXTURE_VARIANT(race)
{
	const struct memory_kind *kind;
	enum memory_state state;
	enum disturbance disturbance;
};

#define RACE(name, _kind, _state, _disturbance)				\
	FIXTURE_VARIANT_ADD(race, name) {				\
		.kind = &memory_##_kind,				\
		.state = MEMORY_##_state,				\
		.disturbance = _disturbance,				\
	}

RACE(anon, anon, HOLE, NOTHING);
RACE(anon_reclaimed, anon, WRITTEN, RECLAIM);
RACE(anon_forked, anon, WRITTEN, FORK);
RACE(zero_page, anon, READ, NOTHING);
RACE(thp, anon_thp, WRITTEN, NOTHING);
RACE(thp_reclaimed, anon_thp, WRITTEN, RECLAIM);
RACE(thp_collapsed, anon_thp, WRITTEN, COLLAPSE);
RACE(thp_forked, anon_thp, WRITTEN, FORK);
RACE(huge_zero_page, anon_thp, READ, COLLAPSE);
RACE(memfd_shared, memfd_shared, HOLE, NOTHING);
RACE(memfd_shared_reclaimed, memfd_shared, WRITTEN, RECLAIM);
RACE(memfd_private, memfd_private, READ, FORK);
RACE(memfd_shared_thp, memfd_shared_thp, WRITTEN, NOTHING);
RACE(memfd_shared_thp_collapsed, memfd_shared_thp, WRITTEN, COLLAPSE);
RACE(memfd_shared_thp_reclaimed, memfd_shared_thp, WRITTEN, RECLAIM);
RACE(file_shared, file_shared, HOLE, NOTHING);
RACE(file_shared_reclaimed, file_shared, WRITTEN, RECLAIM);
RACE(file_private, file_private, READ, FORK);
RACE(hugetlb_shared, hugetlb_shared, WRITTEN, NOTHING);
RACE(hugetlb_private, hugetlb_private, WRITTEN, NOTHING);
RACE(hugetlb_private_hole, hugetlb_private, HOLE, NOTHING);

FIXTURE_SETUP(race)
{
	const char *reason = NULL;

	SKIP_SETUP_IF(mainline_kernel() && variant->kind->hugetlb &&
		      variant->state == MEMORY_HOLE ?
		      "mainline: a hole in hugetlb is not WRITTEN" : NULL);
	self->range = &self->mem.range;
	self->disturbance = variant->disturbance;
	self->uffd = track(_metadata, &self->mem, variant->kind,
			   variant->state, 0, 0);
	self->len = self->range->nr * self->range->unit;
	self->copy = malloc(self->len);
	ASSERT_TRUE(self->copy != NULL);
	/* The copy starts as the memory is, and nothing is written. */
	memcpy(self->copy, self->range->addr, self->len);
	ASSERT_STREQ("", pages_written(self->range));
	if (self->disturbance == RECLAIM)
		reason = swap_area_on(&self->area, SWAP_SIZE);
	if (reason)
		memory_free(&self->mem);
	SKIP_SETUP_IF(reason);
}

FIXTURE_TEARDOWN(race)
{
	close(self->uffd);
	memory_free(&self->mem);
	swap_area_off(&self->area);
	free(self->copy);
}

static unsigned int next_random(unsigned int *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

/* Bytes all over the place, each writer with its own sequence. */
static void *writer_main(void *data)
{
	static atomic_uint next_seed = 1;
	FIXTURE_DATA(race) *self = data;
	unsigned int seed = atomic_fetch_add(&next_seed, 1), page;
	size_t pages = self->len / base_page();

	while (!atomic_load(&self->stop)) {
		page = next_random(&seed) % pages;
		*(volatile char *)(self->range->addr + page * base_page() +
				   next_random(&seed) % base_page()) = seed;
		if (!(atomic_fetch_add(&self->nr_writes, 1) % 64))
			sched_yield();
	}
	return NULL;
}

static void scan_in_vain(FIXTURE_DATA(race) *self)
{
	struct page_region vec[VEC_LEN];
	struct pm_scan_arg arg = SCAN_OF(self->range,
		.vec = to_u64(vec),
		.vec_len = VEC_LEN,
		.category_mask = PAGE_IS_WRITTEN);

	pagemap_scan(self->range->pagemap, &arg);
}

static void *disturber_main(void *data)
{
	FIXTURE_DATA(race) *self = data;
	pid_t pid;

	while (!atomic_load(&self->stop)) {
		switch (self->disturbance) {
		case RECLAIM:
			madvise(self->range->addr, self->len, MADV_PAGEOUT);
			break;
		case COLLAPSE:
			madvise(self->range->addr, self->len, MADV_COLLAPSE);
			break;
		case FORK:
			pid = fork();
			if (!pid)
				_exit(0);
			waitpid(pid, NULL, 0);
			break;
		default:
			scan_in_vain(self);
		}
		sched_yield();
	}
	return NULL;
}

/* Takes what was written, in as many calls as it takes, into the copy. */
static int update_copy(FIXTURE_DATA(race) *self)
{
	struct page_region vec[VEC_LEN];
	struct pm_scan_arg arg = SCAN_OF(self->range,
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.vec = to_u64(vec),
		.vec_len = VEC_LEN,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN);
	char *from;
	int nr;

	while (arg.start < arg.end) {
		nr = pagemap_scan(self->range->pagemap, &arg);
		if (nr < 0)
			return nr;
		while (nr--) {
			from = (char *)(uintptr_t)vec[nr].start;
			memcpy(self->copy + (from - self->range->addr), from,
			       vec[nr].end - vec[nr].start);
		}
		arg.start = arg.walk_end;
	}
	return 0;
}

TEST_F_TIMEOUT(race, no_write_is_lost, 300)
{
	int i;

	for (i = 0; i < NR_WRITERS; i++)
		ASSERT_EQ(0, pthread_create(&self->writers[i], NULL,
					    writer_main, self));
	ASSERT_EQ(0, pthread_create(&self->disturber, NULL, disturber_main,
				    self));
	for (i = 0; i < NR_SCANS; i++) {
		unsigned long before = atomic_load(&self->nr_writes);

		ASSERT_EQ(0, update_copy(self));
		/* Some writes between any two scans, on any machine. */
		while (atomic_load(&self->nr_writes) == before)
			sched_yield();
	}
	atomic_store(&self->stop, true);
	for (i = 0; i < NR_WRITERS; i++)
		ASSERT_EQ(0, pthread_join(self->writers[i], NULL));
	ASSERT_EQ(0, pthread_join(self->disturber, NULL));

	ASSERT_EQ(0, update_copy(self));
	ASSERT_EQ(0, memcmp(self->copy, self->range->addr, self->len));
	ASSERT_STREQ("", pages_written(self->range));
}

TEST_HARNESS_MAIN
