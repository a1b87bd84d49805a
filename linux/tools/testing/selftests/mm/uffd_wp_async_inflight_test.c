// SPDX-License-Identifier: GPL-2.0
/*
 * Reads that are in flight while the pages they go to are armed: the data comes
 * without a fault, later, so those pages stay written until it is there, and are
 * reported once more.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/uio.h>

#include "held_file.h"
#include "swap_area.h"
#include "tracked.h"

#define READ_LEN	64
#define SWAP_SIZE	(16UL << 20)
#define TRIES		100

/* A thread that is in readv(), to one unit or to two. */
struct reader {
	pthread_t thread;
	struct held_file file;
	struct iovec iov[2];
	int nr;
	ssize_t result;
};

static void *reader_main(void *data)
{
	struct reader *reader = data;

	reader->result = readv(reader->file.fd, reader->iov, reader->nr);
	return NULL;
}

static void read_into(struct reader *reader, const struct range *range,
		      size_t index)
{
	reader->iov[reader->nr++] = (struct iovec) {
		.iov_base = range->addr + index * range->unit + range->unit / 2,
		.iov_len = READ_LEN,
	};
}

/* Returns when the pages are taken, and nothing is in them yet. */
static int reader_start(struct reader *reader)
{
	int err;

	reader->result = -1;
	err = pthread_create(&reader->thread, NULL, reader_main, reader);
	return err ? -err : held_file_wait(&reader->file);
}

/* Returns when the data is there, and the pages are let go. */
static int reader_finish(struct reader *reader)
{
	int i, j, err;
	char *data;

	err = held_file_let_go(&reader->file);
	if (err)
		return err;
	pthread_join(reader->thread, NULL);
	if (reader->result != reader->nr * READ_LEN)
		return -EIO;
	for (i = 0; i < reader->nr; i++) {
		data = reader->iov[i].iov_base;
		for (j = 0; j < READ_LEN; j++)
			if (data[j] != HELD_BYTE)
				return -EILSEQ;
	}
	return 0;
}

FIXTURE(inflight)
{
	struct memory mem;
	struct range *range;
	struct reader reader;
	size_t target;
	size_t neighbour;
	bool by_writeprotect;
	int uffd;
};

FIXTURE_VARIANT(inflight)
{
	const struct memory_kind *kind;
	enum memory_state state;
	bool by_writeprotect;	/* or by a scan */
};

FIXTURE_VARIANT_ADD(inflight, anon_hole) { KIND(anon, HOLE) };
FIXTURE_VARIANT_ADD(inflight, zero_page) { KIND(anon, READ) };
FIXTURE_VARIANT_ADD(inflight, anon) { KIND(anon, WRITTEN) };
FIXTURE_VARIANT_ADD(inflight, anon_wp) { KIND(anon, WRITTEN), .by_writeprotect = true };
FIXTURE_VARIANT_ADD(inflight, stack) { KIND(stack, WRITTEN) };
FIXTURE_VARIANT_ADD(inflight, huge_zero_page) { KIND(anon_thp, READ) };
FIXTURE_VARIANT_ADD(inflight, thp) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(inflight, thp_wp) { KIND(anon_thp, WRITTEN), .by_writeprotect = true };
FIXTURE_VARIANT_ADD(inflight, anon_shared) { KIND(anon_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(inflight, sysv) { KIND(sysv, WRITTEN) };
FIXTURE_VARIANT_ADD(inflight, memfd_shared_hole) { KIND(memfd_shared, HOLE) };
FIXTURE_VARIANT_ADD(inflight, memfd_shared) { KIND(memfd_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(inflight, memfd_shared_wp)
{
	KIND(memfd_shared, WRITTEN), .by_writeprotect = true,
};

FIXTURE_VARIANT_ADD(inflight, memfd_shared_thp) { KIND(memfd_shared_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(inflight, memfd_shared_thp_wp)
{
	KIND(memfd_shared_thp, WRITTEN), .by_writeprotect = true,
};

FIXTURE_VARIANT_ADD(inflight, memfd_private_read) { KIND(memfd_private, READ) };
FIXTURE_VARIANT_ADD(inflight, memfd_private) { KIND(memfd_private, WRITTEN) };
FIXTURE_VARIANT_ADD(inflight, memfd_private_thp_read) { KIND(memfd_private_thp, READ) };
FIXTURE_VARIANT_ADD(inflight, file_shared) { KIND(file_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(inflight, file_shared_wp)
{
	KIND(file_shared, WRITTEN), .by_writeprotect = true,
};

FIXTURE_VARIANT_ADD(inflight, file_private_read) { KIND(file_private, READ) };
FIXTURE_VARIANT_ADD(inflight, file_private) { KIND(file_private, WRITTEN) };
FIXTURE_VARIANT_ADD(inflight, hugetlb_shared_hole) { KIND(hugetlb_shared, HOLE) };
FIXTURE_VARIANT_ADD(inflight, hugetlb_shared) { KIND(hugetlb_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(inflight, hugetlb_shared_wp)
{
	KIND(hugetlb_shared, WRITTEN), .by_writeprotect = true,
};

FIXTURE_VARIANT_ADD(inflight, hugetlb_private_hole) { KIND(hugetlb_private, HOLE) };
FIXTURE_VARIANT_ADD(inflight, hugetlb_private) { KIND(hugetlb_private, WRITTEN) };
FIXTURE_VARIANT_ADD(inflight, hugetlb_private_wp)
{
	KIND(hugetlb_private, WRITTEN), .by_writeprotect = true,
};

FIXTURE_VARIANT_ADD(inflight, hugetlb_private_file_read) { KIND(hugetlb_memfd_private, READ) };
FIXTURE_VARIANT_ADD(inflight, hugetlb_1g_private) { KIND(hugetlb_1g_private, WRITTEN) };

/* Tracked, but not armed. */
FIXTURE_SETUP(inflight)
{
	SKIP_SETUP_IF(missing_wp_async());
	SKIP_SETUP_IF(mainline_lacks(variant->kind, variant->state));
	SKIP_SETUP_IF(held_file_open(&self->reader.file));
	self->range = &self->mem.range;
	self->by_writeprotect = variant->by_writeprotect;
	SKIP_SETUP_IF(memory_make(&self->mem, variant->kind, variant->state));
	self->uffd = uffd_track(self->range, 0, 0);
	ASSERT_LE(0, self->uffd);
	self->target = self->range->nr * 5 / 8;
	self->neighbour = (self->target + 1) % self->range->nr;
}

FIXTURE_TEARDOWN(inflight)
{
	held_file_close(&self->reader.file);
	close(self->uffd);
	memory_free(&self->mem);
}

/* All that is written, and lets it be armed in the way of the variant. */
static const char *arm(FIXTURE_DATA(inflight) *self)
{
	const char *written;

	if (!self->by_writeprotect)
		return pages_take(self->range);
	written = pages_written(self->range);
	if (uffd_writeprotect(self->uffd, self->range, true))
		return "not protected";
	return written;
}

/* A huge page is taken as a whole: nobody can say which of it is written. */
#define ASSERT_STAYS_WRITTEN()						\
do {									\
	MAINLINE_DIFFERS_STR("arms it, and misses what arrives", "",	\
			     pages_written(self->range));		\
	if (variant->kind->thp) {					\
		ASSERT_TRUE(pages_have(pages_written(self->range),	\
				       self->target));			\
	} else {							\
		ASSERT_WRITTEN(pages_one(self->target), self->range);	\
	}								\
} while (0)

/* The data is there, which was reported; what comes after it is exact. */
#define ASSERT_REPORTED_AND_QUIET()					\
do {									\
	ASSERT_TRUE(pages_have(arm(self), self->target));		\
	ASSERT_WRITTEN("", self->range);				\
	load_all(self->range);						\
	ASSERT_WRITTEN("", self->range);				\
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));		\
	store(self->range, self->neighbour);				\
	ASSERT_WRITTEN(pages_one(self->neighbour), self->range);	\
	ASSERT_STREQ(pages_one(self->neighbour), arm(self));		\
	ASSERT_WRITTEN("", self->range);				\
} while (0)

TEST_F(inflight, begun_before_the_first_scan_stays_written)
{
	read_into(&self->reader, self->range, self->target);
	ASSERT_EQ(0, reader_start(&self->reader));
	ASSERT_STREQ(pages_all(self->range), arm(self));
	ASSERT_STAYS_WRITTEN();
	/* For as long as it takes. */
	ASSERT_TRUE(pages_have(arm(self), self->target));
	ASSERT_STAYS_WRITTEN();
	ASSERT_EQ(0, reader_finish(&self->reader));
	ASSERT_REPORTED_AND_QUIET();
}

TEST_F(inflight, begun_on_an_armed_page_stays_written)
{
	ASSERT_STREQ(pages_all(self->range), arm(self));
	ASSERT_WRITTEN("", self->range);
	read_into(&self->reader, self->range, self->target);
	ASSERT_EQ(0, reader_start(&self->reader));
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_STREQ(pages_one(self->target), arm(self));
	ASSERT_STAYS_WRITTEN();
	ASSERT_EQ(0, reader_finish(&self->reader));
	ASSERT_REPORTED_AND_QUIET();
}

/* Two of many: they stay, and they alone. */
TEST_F(inflight, only_those_in_flight_stay_written)
{
	char both[64];

	SKIP_IF(variant->kind->thp ? "a huge page is taken as a whole" : NULL);
	SKIP_IF(self->range->nr < 3 ? "too few pages" : NULL);
	read_into(&self->reader, self->range, 0);
	read_into(&self->reader, self->range, self->target);
	snprintf(both, sizeof(both), self->target == 1 ? "0-%zu" : "0,%zu",
		 self->target);
	ASSERT_EQ(0, reader_start(&self->reader));
	ASSERT_STREQ(pages_all(self->range), arm(self));
	MAINLINE_DIFFERS_STR("arms them, and misses what arrives", "",
			     pages_written(self->range));
	ASSERT_WRITTEN(both, self->range);
	store(self->range, self->neighbour);
	ASSERT_TRUE(pages_have(arm(self), self->neighbour));
	ASSERT_WRITTEN(both, self->range);
	ASSERT_EQ(0, reader_finish(&self->reader));
	ASSERT_STREQ(both, arm(self));
	ASSERT_WRITTEN("", self->range);
}

/* To take the protection away and give it back changes nothing of that. */
TEST_F(inflight, protected_again_stays_written)
{
	read_into(&self->reader, self->range, self->target);
	ASSERT_EQ(0, reader_start(&self->reader));
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, false));
	ASSERT_WRITTEN(pages_all(self->range), self->range);
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, true));
	ASSERT_STAYS_WRITTEN();
	ASSERT_EQ(0, reader_finish(&self->reader));
	ASSERT_REPORTED_AND_QUIET();
}

/*
 * A page that no entry maps while a read is in flight to it: it was to be
 * reclaimed, or its owner has forgotten it.  It will be back with the data.
 */
FIXTURE(unmapped)
{
	struct memory mem;
	struct range *range;
	struct reader reader;
	struct swap_area area;
	size_t target;
	int uffd;
};

FIXTURE_VARIANT(unmapped)
{
	const struct memory_kind *kind;
	enum memory_state state;
	int advice;
	bool mapped_again;	/* still in the swap cache, then */
};

FIXTURE_VARIANT_ADD(unmapped, anon_swap_cache) { KIND(anon, WRITTEN), .advice = MADV_PAGEOUT };
FIXTURE_VARIANT_ADD(unmapped, anon_swap_cache_mapped)
{
	KIND(anon, WRITTEN), .advice = MADV_PAGEOUT, .mapped_again = true,
};

FIXTURE_VARIANT_ADD(unmapped, memfd_private_swap_cache)
{
	KIND(memfd_private, WRITTEN), .advice = MADV_PAGEOUT,
};

FIXTURE_VARIANT_ADD(unmapped, memfd_shared_pageout)
{
	KIND(memfd_shared, WRITTEN), .advice = MADV_PAGEOUT,
};

FIXTURE_VARIANT_ADD(unmapped, memfd_shared_dontneed)
{
	KIND(memfd_shared, WRITTEN), .advice = MADV_DONTNEED,
};

FIXTURE_VARIANT_ADD(unmapped, file_shared_dontneed)
{
	KIND(file_shared, WRITTEN), .advice = MADV_DONTNEED,
};

FIXTURE_VARIANT_ADD(unmapped, hugetlb_shared_dontneed)
{
	KIND(hugetlb_shared, WRITTEN), .advice = MADV_DONTNEED,
};

FIXTURE_SETUP(unmapped)
{
	const char *reason;

	SKIP_SETUP_IF(missing_wp_async());
	SKIP_SETUP_IF(held_file_open(&self->reader.file));
	stay_here();
	self->range = &self->mem.range;
	SKIP_SETUP_IF(memory_make(&self->mem, variant->kind, variant->state));
	self->uffd = uffd_track(self->range, 0, 0);
	ASSERT_LE(0, self->uffd);
	self->target = self->range->nr * 5 / 8;
	reason = variant->advice == MADV_PAGEOUT ?
		 swap_area_on(&self->area, SWAP_SIZE) : NULL;
	if (reason)
		memory_free(&self->mem);
	SKIP_SETUP_IF(reason);
}

FIXTURE_TEARDOWN(unmapped)
{
	held_file_close(&self->reader.file);
	close(self->uffd);
	memory_free(&self->mem);
	swap_area_off(&self->area);
}

static const char *drop_entry(FIXTURE_DATA(unmapped) *self, int advice)
{
	char *unit = self->range->addr + self->target * self->range->unit;
	int i;

	for (i = 0; i < TRIES; i++) {
		if (madvise(unit, self->range->unit, advice))
			return "the kernel does not take this advice";
		if (!pages_have(pages_bit(self->range, PAGEMAP_PRESENT),
				self->target))
			return NULL;
		sched_yield();
	}
	return "the kernel did not unmap the page";
}

TEST_F(unmapped, stays_written)
{
	const char *reason;

	read_into(&self->reader, self->range, self->target);
	ASSERT_EQ(0, reader_start(&self->reader));
	reason = drop_entry(self, variant->advice);
	if (reason)
		reader_finish(&self->reader);
	SKIP_IF(reason);
	if (variant->mapped_again)
		load(self->range, self->target);
	if (variant->kind->hugetlb)
		MAINLINE_DIFFERS_STR("a hole in hugetlb is not WRITTEN", "0,2",
				     pages_written(self->range));
	ASSERT_STREQ(pages_all(self->range), pages_take(self->range));
	MAINLINE_DIFFERS_STR("arms it, and misses what arrives", "",
			     pages_written(self->range));
	ASSERT_EQ(0, reader_finish(&self->reader));
	ASSERT_TRUE(pages_have(pages_take(self->range), self->target));
	load_all(self->range);
	ASSERT_WRITTEN("", self->range);
	store(self->range, self->target);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
}

/*
 * An mm that has used direct I/O is looked at more closely from then on.  That
 * must not find writes that nobody made.
 */
FIXTURE(after_io)
{
	struct memory mem;
	struct range *range;
	size_t target;
	int uffd;
};

FIXTURE_VARIANT(after_io)
{
	const struct memory_kind *kind;
	enum memory_state state;
};

FIXTURE_VARIANT_ADD(after_io, anon_hole) { KIND(anon, HOLE) };
FIXTURE_VARIANT_ADD(after_io, zero_page) { KIND(anon, READ) };
FIXTURE_VARIANT_ADD(after_io, anon) { KIND(anon, WRITTEN) };
FIXTURE_VARIANT_ADD(after_io, thp_hole) { KIND(anon_thp, HOLE) };
FIXTURE_VARIANT_ADD(after_io, thp) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(after_io, memfd_shared_hole) { KIND(memfd_shared, HOLE) };
FIXTURE_VARIANT_ADD(after_io, memfd_shared) { KIND(memfd_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(after_io, memfd_shared_thp) { KIND(memfd_shared_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(after_io, memfd_private_read) { KIND(memfd_private, READ) };
FIXTURE_VARIANT_ADD(after_io, file_shared_hole) { KIND(file_shared, HOLE) };
FIXTURE_VARIANT_ADD(after_io, file_shared) { KIND(file_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(after_io, file_private) { KIND(file_private, WRITTEN) };
FIXTURE_VARIANT_ADD(after_io, hugetlb_shared) { KIND(hugetlb_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(after_io, hugetlb_private) { KIND(hugetlb_private, WRITTEN) };

/* Direct I/O from a disk into every unit, after which nothing is in flight. */
static int read_directly(const struct range *range, int fd)
{
	size_t i, page = base_page();

	for (i = 0; i < range->nr; i++)
		if (pread(fd, range->addr + i * range->unit, page, 0) !=
		    (ssize_t)page)
			return -EIO;
	return 0;
}

FIXTURE_SETUP(after_io)
{
	char *page;
	int fd;

	SKIP_SETUP_IF(mainline_lacks(variant->kind, variant->state));
	self->range = &self->mem.range;
	self->uffd = track(_metadata, &self->mem, variant->kind,
			   variant->state, 0, 0);
	self->target = self->range->nr * 5 / 8;
	fd = memory_file(O_DIRECT);
	if (fd < 0)
		memory_free(&self->mem);
	SKIP_SETUP_IF(fd < 0 ? "no file system with O_DIRECT" : NULL);
	page = mmap(NULL, base_page(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(page != MAP_FAILED);
	memset(page, HELD_BYTE, base_page());
	ASSERT_EQ(base_page(), pwrite(fd, page, base_page(), 0));
	ASSERT_EQ(base_page(), pread(fd, page, base_page(), 0));
	/* Holes are to be holes: there it is enough that the mm has used it. */
	if (variant->state != MEMORY_HOLE) {
		ASSERT_EQ(0, read_directly(self->range, fd));
		ASSERT_WRITTEN(pages_all(self->range), self->range);
		ASSERT_STREQ(pages_all(self->range), pages_take(self->range));
	}
	munmap(page, base_page());
	close(fd);
}

FIXTURE_TEARDOWN(after_io)
{
	close(self->uffd);
	memory_free(&self->mem);
}

TEST_F(after_io, nothing_is_written_that_was_not)
{
	int i;

	ASSERT_WRITTEN("", self->range);
	for (i = 0; i < 3; i++) {
		store(self->range, self->target);
		ASSERT_WRITTEN(pages_one(self->target), self->range);
		ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
		ASSERT_WRITTEN("", self->range);
		load_all(self->range);
		ASSERT_WRITTEN("", self->range);
	}
}

TEST_F(after_io, all_that_is_new_is_armed)
{
	size_t i;

	for (i = 0; i < self->range->nr; i++)
		store(self->range, i);
	ASSERT_STREQ(pages_all(self->range), pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
}

TEST_HARNESS_MAIN
