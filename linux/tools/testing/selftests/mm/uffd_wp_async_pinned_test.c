// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that a device may write to at any time, here fixed buffers of io_uring:
 * no fault tells of such a write, so they cannot be armed and stay written.
 */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "tracked.h"

/* One operation at a time is all that it takes. */
struct ring {
	int fd;
	char *sq;
	char *cq;
	struct io_uring_sqe *sqe;
	struct io_uring_params params;
	size_t sq_len;
	size_t cq_len;
};

static int ring_open(struct ring *ring)
{
	struct io_uring_params *p = &ring->params;

	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(__NR_io_uring_setup, 1, p);
	if (ring->fd < 0)
		return -errno;
	ring->sq_len = p->sq_off.array + p->sq_entries * sizeof(__u32);
	ring->cq_len = p->cq_off.cqes +
		       p->cq_entries * sizeof(struct io_uring_cqe);
	ring->sq = mmap(NULL, ring->sq_len, PROT_READ | PROT_WRITE, MAP_SHARED,
			ring->fd, IORING_OFF_SQ_RING);
	ring->cq = mmap(NULL, ring->cq_len, PROT_READ | PROT_WRITE, MAP_SHARED,
			ring->fd, IORING_OFF_CQ_RING);
	ring->sqe = mmap(NULL, sizeof(*ring->sqe), PROT_READ | PROT_WRITE,
			 MAP_SHARED, ring->fd, IORING_OFF_SQES);
	if (ring->sq == MAP_FAILED || ring->cq == MAP_FAILED ||
	    ring->sqe == MAP_FAILED)
		return -ENOMEM;
	return 0;
}

static void ring_close(struct ring *ring)
{
	munmap(ring->sq, ring->sq_len);
	munmap(ring->cq, ring->cq_len);
	munmap(ring->sqe, sizeof(*ring->sqe));
	close(ring->fd);
}

static __u32 *ring_word(char *base, __u32 offset)
{
	return (__u32 *)(base + offset);
}

/* Reads from a descriptor into the fixed buffer; the result of the read. */
static int ring_read_fixed(struct ring *ring, int fd, char *to, size_t len)
{
	struct io_uring_params *p = &ring->params;
	__u32 *sq_tail = ring_word(ring->sq, p->sq_off.tail);
	__u32 *cq_head = ring_word(ring->cq, p->cq_off.head);
	__u32 mask = *ring_word(ring->cq, p->cq_off.ring_mask);
	struct io_uring_cqe *cqes;

	*ring->sqe = (struct io_uring_sqe) {
		.opcode = IORING_OP_READ_FIXED,
		.fd = fd,
		.off = -1ULL,
		.addr = to_u64(to),
		.len = len,
	};
	*ring_word(ring->sq, p->sq_off.array) = 0;
	__atomic_store_n(sq_tail, *sq_tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring->fd, 1, 1,
		    IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return -errno;
	cqes = (struct io_uring_cqe *)(ring->cq + p->cq_off.cqes);
	len = cqes[*cq_head & mask].res;
	__atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
	return len;
}

FIXTURE(pinned)
{
	struct memory mem;
	struct range *range;
	struct ring ring;
	size_t target;
	char *to;
	int uffd;
	int pipe[2];
};

FIXTURE_VARIANT(pinned)
{
	const struct memory_kind *kind;
	enum memory_state state;
};

FIXTURE_VARIANT_ADD(pinned, anon_hole) { KIND(anon, HOLE) };
FIXTURE_VARIANT_ADD(pinned, anon) { KIND(anon, WRITTEN) };
FIXTURE_VARIANT_ADD(pinned, thp) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(pinned, memfd_shared) { KIND(memfd_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(pinned, memfd_private_read) { KIND(memfd_private, READ) };
FIXTURE_VARIANT_ADD(pinned, hugetlb_shared) { KIND(hugetlb_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(pinned, hugetlb_private) { KIND(hugetlb_private, WRITTEN) };

static int pin(FIXTURE_DATA(pinned) *self)
{
	struct iovec iov = { .iov_base = self->to, .iov_len = 4 };

	return syscall(__NR_io_uring_register, self->ring.fd,
		       IORING_REGISTER_BUFFERS, &iov, 1) ? -errno : 0;
}

static int unpin(FIXTURE_DATA(pinned) *self)
{
	return syscall(__NR_io_uring_register, self->ring.fd,
		       IORING_UNREGISTER_BUFFERS, NULL, 0) ? -errno : 0;
}

FIXTURE_SETUP(pinned)
{
	int err;

	SKIP_SETUP_IF(missing_wp_async());
	err = ring_open(&self->ring);
	SKIP_SETUP_IF(err == -ENOSYS || err == -EPERM ? "no io_uring" : NULL);
	ASSERT_EQ(0, err);
	self->range = &self->mem.range;
	SKIP_SETUP_IF(memory_make(&self->mem, variant->kind, variant->state));
	self->uffd = uffd_track(self->range, 0, 0);
	ASSERT_LE(0, self->uffd);
	self->target = self->range->nr * 5 / 8;
	self->to = self->range->addr + self->target * self->range->unit +
		   self->range->unit / 2;
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(4, write(self->pipe[1], "data", 4));
}

FIXTURE_TEARDOWN(pinned)
{
	unpin(self);
	close(self->pipe[0]);
	close(self->pipe[1]);
	ring_close(&self->ring);
	close(self->uffd);
	memory_free(&self->mem);
}

/* Pinned before anybody arms: the page is written now, and at any time. */
TEST_F(pinned, before_it_is_armed_stays_written)
{
	ASSERT_EQ(0, pin(self));
	ASSERT_STREQ(pages_all(self->range), pages_take(self->range));
	MAINLINE_DIFFERS_STR("arms it, and misses what the device writes", "",
			     pages_written(self->range));
	ASSERT_TRUE(pages_have(pages_written(self->range),
			       self->target));
	/* And again: reported with every scan. */
	ASSERT_TRUE(pages_have(pages_take(self->range), self->target));
	ASSERT_TRUE(pages_have(pages_written(self->range),
			       self->target));

	ASSERT_EQ(4, ring_read_fixed(&self->ring, self->pipe[0], self->to, 4));
	ASSERT_EQ(0, memcmp(self->to, "data", 4));
	ASSERT_TRUE(pages_have(pages_take(self->range), self->target));

	/* Let go, it is a page like any other. */
	ASSERT_EQ(0, unpin(self));
	ASSERT_TRUE(pages_have(pages_take(self->range), self->target));
	ASSERT_WRITTEN("", self->range);
	store(self->range, self->target);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
}

/* To pin it for writing is a write, as far as anybody can tell. */
TEST_F(pinned, after_it_is_armed_is_written)
{
	ASSERT_STREQ(pages_all(self->range), pages_take(self->range));
	ASSERT_EQ(0, pin(self));
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_EQ(4, ring_read_fixed(&self->ring, self->pipe[0], self->to, 4));
	ASSERT_EQ(0, memcmp(self->to, "data", 4));
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_EQ(0, unpin(self));
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
}

/* The neighbours of what is pinned are tracked as ever. */
TEST_F(pinned, neighbours_are_tracked)
{
	if (variant->kind->thp)
		SKIP(return, "a huge page is pinned as a whole");
	ASSERT_EQ(0, pin(self));
	ASSERT_STREQ(pages_all(self->range), pages_take(self->range));
	MAINLINE_SKIPS("arms it, and misses what the device writes");
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	store(self->range, self->target - 1);
	ASSERT_TRUE(pages_have(pages_take(self->range),
			       self->target - 1));
	ASSERT_WRITTEN(pages_one(self->target), self->range);
}

TEST_HARNESS_MAIN
