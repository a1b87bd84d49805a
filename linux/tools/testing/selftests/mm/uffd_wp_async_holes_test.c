// SPDX-License-Identifier: GPL-2.0
/*
 * Holes that are made in a file while others scan or touch a mapping of it.
 *
 * Pages are unmapped before they are taken from the file, so there is a time in
 * which an entry is empty and can be armed, and the file still has the content
 * that is about to go.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "tracked.h"

#define NR_ROUNDS	10
#define NR_SMALL	2048
#define NR_HUGE		12

/* Writes to the file, through a mapping that is gone when it returns. */
static int fill(const struct memory *mem, unsigned int value)
{
	const struct range *range = &mem->range;
	unsigned int *word;
	size_t i;
	char *map;

	map = mmap(NULL, range->nr * range->unit, PROT_READ | PROT_WRITE,
		   MAP_SHARED, mem->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	for (i = 0; i < range->nr; i++) {
		word = (unsigned int *)(map + i * range->unit);
		*word = value;
	}
	return munmap(map, range->nr * range->unit) ? -errno : 0;
}

/* What is in the file, without touching a mapping; behind its end, zeroes. */
static unsigned int file_word(const struct memory *mem, size_t index)
{
	unsigned int word = 0;

	if (pread(mem->fd, &word, sizeof(word), index * mem->range.unit) < 0)
		return ~0U;
	return word;
}

FIXTURE(hole)
{
	struct memory_kind kind;
	struct memory mem;
	struct range *range;
	int uffd;
	unsigned int *copy;
	bool truncate;
	atomic_bool go;
	atomic_bool done;
	pthread_t puncher;
	pthread_t reader;
};

FIXTURE_VARIANT(hole)
{
	const struct memory_kind *kind;
	bool truncate;
	bool read;
};

FIXTURE_VARIANT_ADD(hole, memfd_shared) { .kind = &memory_memfd_shared };
FIXTURE_VARIANT_ADD(hole, memfd_private) { .kind = &memory_memfd_private };
FIXTURE_VARIANT_ADD(hole, memfd_shared_thp) { .kind = &memory_memfd_shared_thp };
FIXTURE_VARIANT_ADD(hole, memfd_truncated)
{
	.kind = &memory_memfd_shared,
	.truncate = true,
};

FIXTURE_VARIANT_ADD(hole, memfd_read)
{
	.kind = &memory_memfd_shared,
	.read = true,
};

FIXTURE_VARIANT_ADD(hole, file_shared) { .kind = &memory_file_shared };
FIXTURE_VARIANT_ADD(hole, file_private) { .kind = &memory_file_private };
FIXTURE_VARIANT_ADD(hole, file_truncated)
{
	.kind = &memory_file_shared,
	.truncate = true,
};

FIXTURE_VARIANT_ADD(hole, hugetlb_shared) { .kind = &memory_hugetlb_shared };
FIXTURE_VARIANT_ADD(hole, hugetlb_private) { .kind = &memory_hugetlb_memfd_private };
FIXTURE_VARIANT_ADD(hole, hugetlb_read)
{
	.kind = &memory_hugetlb_shared,
	.read = true,
};

FIXTURE_VARIANT_ADD(hole, hugetlb_truncated)
{
	.kind = &memory_hugetlb_shared,
	.truncate = true,
};

FIXTURE_SETUP(hole)
{
	self->kind = *variant->kind;
	self->truncate = variant->truncate;
	if (!self->kind.thp)
		self->kind.nr = self->kind.hugetlb ? NR_HUGE : NR_SMALL;
	self->range = &self->mem.range;
	self->uffd = track(_metadata, &self->mem, &self->kind, MEMORY_READ, 0, 0);
	self->copy = calloc(self->range->nr, sizeof(*self->copy));
	ASSERT_TRUE(!!self->copy);
}

FIXTURE_TEARDOWN(hole)
{
	close(self->uffd);
	memory_free(&self->mem);
	free(self->copy);
}

static void *puncher_main(void *data)
{
	FIXTURE_DATA(hole) *self = data;
	int ret;

	while (!atomic_load(&self->go))
		sched_yield();
	if (self->truncate)
		ret = ftruncate(self->mem.fd, 0) ||
		      ftruncate(self->mem.fd, self->range->nr * self->range->unit);
	else
		ret = memory_punch(&self->mem, 0, self->range->nr);
	atomic_store(&self->done, true);
	return ret ? "cannot make a hole" : NULL;
}

/* Brings back pages that are gone, while others are taken away. */
static void *reader_main(void *data)
{
	FIXTURE_DATA(hole) *self = data;
	size_t i;

	while (!atomic_load(&self->done))
		for (i = 0; i < self->range->nr; i++)
			if (!file_word(&self->mem, i))
				load(self->range, i);
	return NULL;
}

static void copy_words(void *data, size_t first, size_t nr)
{
	FIXTURE_DATA(hole) *self = data;
	size_t i;

	for (i = first; i < first + nr; i++)
		self->copy[i] = file_word(&self->mem, i);
}

/*
 * Who copies what is reported has, in the end, what is in the file.  It reads the
 * file by read(2): through the mapping, it would map the pages. A reader, where there
 * is one, maps what is new.
 */
TEST_F_TIMEOUT(hole, made_while_scanned, 300)
{
	unsigned int round;
	void *wrong;
	size_t i;

	MAINLINE_SKIPS("a hole is no write");
	for (round = 1; round <= NR_ROUNDS; round++) {
		ASSERT_EQ(0, fill(&self->mem, round));
		ASSERT_EQ(0, pages_take_each(self->range, copy_words, self));
		copy_words(self, 0, self->range->nr);
		ASSERT_EQ(round, self->copy[self->range->nr - 1]);

		atomic_store(&self->go, false);
		atomic_store(&self->done, false);
		ASSERT_EQ(0, pthread_create(&self->puncher, NULL, puncher_main,
					    self));
		if (variant->read) {
			ASSERT_EQ(0, pthread_create(&self->reader, NULL,
						    reader_main, self));
		}
		atomic_store(&self->go, true);
		while (!atomic_load(&self->done)) {
			ASSERT_EQ(0, pages_take_each(self->range, copy_words,
						     self));
		}
		ASSERT_EQ(0, pthread_join(self->puncher, &wrong));
		ASSERT_TRUE(!wrong) TH_LOG("%s", (char *)wrong);
		if (variant->read)
			ASSERT_EQ(0, pthread_join(self->reader, NULL));

		ASSERT_EQ(0, pages_take_each(self->range, copy_words, self));
		for (i = 0; i < self->range->nr; i++) {
			ASSERT_EQ(file_word(&self->mem, i), self->copy[i])
				TH_LOG("round %u: page %zu is lost", round, i);
		}
	}
}

/* Faults in one page of a private hugetlb mapping, beside a hole in another. */
FIXTURE(beside)
{
	struct memory mem;
	struct range *range;
	atomic_bool stop;
	pthread_t toucher;
};

FIXTURE_VARIANT(beside)
{
	const struct memory_kind *kind;
};

FIXTURE_VARIANT_ADD(beside, hugetlb_shared) { .kind = &memory_hugetlb_shared };
FIXTURE_VARIANT_ADD(beside, hugetlb_private) { .kind = &memory_hugetlb_memfd_private };

FIXTURE_SETUP(beside)
{
	SKIP_SETUP_IF(memory_make(&self->mem, variant->kind, MEMORY_READ));
	self->range = &self->mem.range;
}

FIXTURE_TEARDOWN(beside)
{
	memory_free(&self->mem);
}

static void *toucher_main(void *data)
{
	FIXTURE_DATA(beside) *self = data;

	while (!atomic_load(&self->stop)) {
		madvise(self->range->addr, self->range->unit, MADV_DONTNEED);
		load(self->range, 0);
	}
	return NULL;
}

TEST_F_TIMEOUT(beside, hole_is_punched, 300)
{
	const size_t unit = self->range->unit;
	unsigned int round;

	ASSERT_EQ(0, pthread_create(&self->toucher, NULL, toucher_main, self));
	for (round = 1; round <= 10 * NR_ROUNDS; round++) {
		ASSERT_EQ(0, fill(&self->mem, round));
		ASSERT_EQ(0, madvise(self->range->addr + unit, unit,
				     MADV_DONTNEED));
		load(self->range, 1);
		ASSERT_EQ(0, memory_punch(&self->mem, 1, 1));
		ASSERT_EQ(0, file_word(&self->mem, 1));
		ASSERT_EQ(round, file_word(&self->mem, 2));
	}
	atomic_store(&self->stop, true);
	ASSERT_EQ(0, pthread_join(self->toucher, NULL));
}

TEST_HARNESS_MAIN
