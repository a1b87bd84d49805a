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
#define NR_SCANS	50
#define VEC_LEN		32
#define SWAP_SIZE	(16UL << 20)

/* What goes on besides writing and scanning. */
enum disturbance {
	NOTHING,
	RECLAIM,
	COLLAPSE,
	FORK,
	SCAN,
};

FIXTURE(race)
{
	struct memory mem;
	struct range *range;
	size_t len;
	int uffd;
	char *copy;
	pthread_mutex_t copy_lock;
	struct swap_area area;
	enum disturbance with;
	atomic_bool stop;
	atomic_ulong nr_writes;
	pthread_t writers[NR_WRITERS];
	pthread_t disturber;
};

FIXTURE_VARIANT(race)
{
	const struct memory_kind *kind;
	enum memory_state state;
	enum disturbance with;
};

FIXTURE_VARIANT_ADD(race, anon) { KIND(anon, HOLE) };
FIXTURE_VARIANT_ADD(race, anon_reclaimed) { KIND(anon, WRITTEN), .with = RECLAIM };
FIXTURE_VARIANT_ADD(race, anon_forked) { KIND(anon, WRITTEN), .with = FORK };
FIXTURE_VARIANT_ADD(race, anon_scanned_twice) { KIND(anon, WRITTEN), .with = SCAN };
FIXTURE_VARIANT_ADD(race, zero_page) { KIND(anon, READ) };
FIXTURE_VARIANT_ADD(race, thp) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(race, thp_reclaimed) { KIND(anon_thp, WRITTEN), .with = RECLAIM };
FIXTURE_VARIANT_ADD(race, thp_collapsed) { KIND(anon_thp, WRITTEN), .with = COLLAPSE };
FIXTURE_VARIANT_ADD(race, thp_forked) { KIND(anon_thp, WRITTEN), .with = FORK };
FIXTURE_VARIANT_ADD(race, thp_scanned_twice) { KIND(anon_thp, WRITTEN), .with = SCAN };
FIXTURE_VARIANT_ADD(race, huge_zero_page) { KIND(anon_thp, READ), .with = COLLAPSE };
FIXTURE_VARIANT_ADD(race, memfd_shared) { KIND(memfd_shared, HOLE) };
FIXTURE_VARIANT_ADD(race, memfd_shared_reclaimed) { KIND(memfd_shared, WRITTEN), .with = RECLAIM };
FIXTURE_VARIANT_ADD(race, memfd_scanned_twice) { KIND(memfd_shared, HOLE), .with = SCAN };
FIXTURE_VARIANT_ADD(race, memfd_private) { KIND(memfd_private, READ), .with = FORK };
FIXTURE_VARIANT_ADD(race, memfd_thp) { KIND(memfd_shared_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(race, memfd_collapsed) { KIND(memfd_shared_thp, WRITTEN), .with = COLLAPSE };
FIXTURE_VARIANT_ADD(race, memfd_reclaimed) { KIND(memfd_shared_thp, WRITTEN), .with = RECLAIM };
FIXTURE_VARIANT_ADD(race, file_shared) { KIND(file_shared, HOLE) };
FIXTURE_VARIANT_ADD(race, file_shared_reclaimed) { KIND(file_shared, WRITTEN), .with = RECLAIM };
FIXTURE_VARIANT_ADD(race, file_scanned_twice) { KIND(file_shared, WRITTEN), .with = SCAN };
FIXTURE_VARIANT_ADD(race, file_private) { KIND(file_private, READ), .with = FORK };
FIXTURE_VARIANT_ADD(race, hugetlb_shared) { KIND(hugetlb_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(race, hugetlb_private) { KIND(hugetlb_private, WRITTEN) };
FIXTURE_VARIANT_ADD(race, hugetlb_scanned_twice) { KIND(hugetlb_private, WRITTEN), .with = SCAN };
FIXTURE_VARIANT_ADD(race, hugetlb_private_hole) { KIND(hugetlb_private, HOLE) };

FIXTURE_SETUP(race)
{
	const char *reason = NULL;

	if (!variant->kind->thp)
		SKIP_SETUP_IF(mainline_lacks(variant->kind, variant->state));
	self->range = &self->mem.range;
	self->with = variant->with;
	self->uffd = track(_metadata, &self->mem, variant->kind,
			   variant->state, 0, 0);
	self->len = self->range->nr * self->range->unit;
	ASSERT_EQ(0, pthread_mutex_init(&self->copy_lock, NULL));
	self->copy = malloc(self->len);
	ASSERT_TRUE(!!self->copy);
	/* The copy starts as the memory is, and nothing is written. */
	memcpy(self->copy, self->range->addr, self->len);
	ASSERT_STREQ("", pages_written(self->range));
	if (self->with == RECLAIM)
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
	unsigned int seed = atomic_fetch_add(&next_seed, 1), page;
	FIXTURE_DATA(race) *self = data;
	size_t pages;

	pages = self->len / base_page();
	while (!atomic_load(&self->stop)) {
		page = next_random(&seed) % pages;
		poke(self->range->addr + page * base_page() +
		     next_random(&seed) % base_page(), seed);
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

/* Two may do it at a time: the last to copy a page has its latest content. */
static void copy_region(void *data, size_t first, size_t nr)
{
	FIXTURE_DATA(race) *self = data;
	size_t at = first * self->range->unit;

	pthread_mutex_lock(&self->copy_lock);
	memcpy(self->copy + at, self->range->addr + at, nr * self->range->unit);
	pthread_mutex_unlock(&self->copy_lock);
}

static int update_copy(FIXTURE_DATA(race) *self)
{
	return pages_take_each(self->range, copy_region, self);
}

static void *disturber_main(void *data)
{
	FIXTURE_DATA(race) *self = data;
	pid_t pid;

	while (!atomic_load(&self->stop)) {
		switch (self->with) {
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
		case SCAN:
			if (update_copy(self))
				return "the second scanner failed";
			break;
		default:
			scan_in_vain(self);
		}
		sched_yield();
	}
	return NULL;
}

TEST_F_TIMEOUT(race, no_write_is_lost, 300)
{
	void *wrong;
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
	ASSERT_EQ(0, pthread_join(self->disturber, &wrong));
	ASSERT_TRUE(!wrong) TH_LOG("%s", (char *)wrong);

	ASSERT_EQ(0, update_copy(self));
	ASSERT_EQ(0, memcmp(self->copy, self->range->addr, self->len));
	ASSERT_STREQ("", pages_written(self->range));
}

TEST_HARNESS_MAIN
