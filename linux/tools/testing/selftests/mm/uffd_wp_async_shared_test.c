// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that two processes share: each has tracked its own view of it, and
 * both views together know of every write.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "tracked.h"
#include "tracked_child.h"

#define NR_SCANS	100

FIXTURE(shared)
{
	struct tracked_child child;
	struct range *theirs;
	struct range ours;
	int uffd;
	char *copy;
	atomic_bool stop;
};

FIXTURE_VARIANT(shared)
{
	const struct memory_kind *kind;
};

FIXTURE_VARIANT_ADD(shared, anon) { .kind = &memory_anon_shared };
FIXTURE_VARIANT_ADD(shared, sysv) { .kind = &memory_sysv };
FIXTURE_VARIANT_ADD(shared, memfd) { .kind = &memory_memfd_shared };
FIXTURE_VARIANT_ADD(shared, memfd_thp) { .kind = &memory_memfd_shared_thp };
FIXTURE_VARIANT_ADD(shared, file) { .kind = &memory_file_shared };
FIXTURE_VARIANT_ADD(shared, hugetlb) { .kind = &memory_hugetlb_shared };

/* Two views, all of both armed. */
FIXTURE_SETUP(shared)
{
	size_t len;

	SKIP_SETUP_IF(missing_wp_async());
	SKIP_SETUP_IF(mainline_lacks(variant->kind, MEMORY_HOLE));
	SKIP_SETUP_IF(mainline_lacks(variant->kind, MEMORY_WRITTEN));
	/* It writes to none: there is none behind the last. */
	SKIP_SETUP_IF(tracked_child_start(&self->child, variant->kind, -1, 1,
					  NULL, NULL));
	self->theirs = &self->child.mem.range;
	self->ours = *self->theirs;
	self->ours.pagemap = pagemap_open(0);
	ASSERT_LE(0, self->ours.pagemap);
	self->uffd = uffd_track(&self->ours, 0, 0);
	ASSERT_LE(0, self->uffd);
	len = self->ours.nr * self->ours.unit;
	self->copy = malloc(len);
	ASSERT_TRUE(!!self->copy);
	memcpy(self->copy, self->ours.addr, len);
	pages_take(&self->ours);
	ASSERT_WRITTEN("", &self->ours);
	ASSERT_WRITTEN("", self->theirs);
}

FIXTURE_TEARDOWN(shared)
{
	free(self->copy);
	close(self->uffd);
	close(self->ours.pagemap);
	tracked_child_end(&self->child);
}

TEST_F(shared, each_tracks_its_own_view)
{
	const size_t theirs = 5 % self->ours.nr;
	const char *at = self->ours.addr + theirs * self->ours.unit +
			 self->ours.unit / 2;

	store(&self->ours, 0);
	ASSERT_WRITTEN("0", &self->ours);
	ASSERT_WRITTEN("", self->theirs);
	ASSERT_TRUE(tracked_child_does(&self->child, CHILD_STORE));
	ASSERT_EQ(0x5a, *at);
	ASSERT_WRITTEN("0", &self->ours);
	ASSERT_WRITTEN(pages_one(theirs), self->theirs);

	/* What one takes, the other still has. */
	ASSERT_STREQ("0", pages_take(&self->ours));
	ASSERT_WRITTEN(pages_one(theirs), self->theirs);
	ASSERT_STREQ(pages_one(theirs), pages_take(self->theirs));
	ASSERT_WRITTEN("", &self->ours);
	store(&self->ours, theirs);
	ASSERT_WRITTEN(pages_one(theirs), &self->ours);
	ASSERT_WRITTEN("", self->theirs);
}

TEST_F(shared, one_that_stops_tracking_leaves_the_other)
{
	store(&self->ours, 1);
	ASSERT_EQ(0, uffd_unregister(self->uffd, &self->ours));
	ASSERT_STREQ("", pages_armed(&self->ours));
	ASSERT_WRITTEN("", self->theirs);
	ASSERT_TRUE(tracked_child_does(&self->child, CHILD_STORE));
	ASSERT_WRITTEN(pages_one(5 % self->ours.nr), self->theirs);
}

static void copy_region(void *data, size_t first, size_t nr)
{
	FIXTURE_DATA(shared) *self = data;
	size_t at = first * self->ours.unit;

	memcpy(self->copy + at, self->ours.addr + at, nr * self->ours.unit);
}

/* What one view reports, taken from our own into the copy. */
static int update_copy(FIXTURE_DATA(shared) *self, const struct range *view)
{
	return pages_take_each(view, copy_region, self);
}

static void *writer_main(void *data)
{
	FIXTURE_DATA(shared) *self = data;
	const size_t len = self->ours.nr * self->ours.unit;
	size_t at = 0;

	while (!atomic_load(&self->stop)) {
		at = (at + 40961) % len;
		poke(self->ours.addr + at, at);
		sched_yield();
	}
	return NULL;
}

TEST_F_TIMEOUT(shared, both_views_together_lose_no_write, 120)
{
	pthread_t writer;
	int i;

	ASSERT_TRUE(tracked_child_does(&self->child, CHILD_WRITE_ON));
	ASSERT_EQ(0, pthread_create(&writer, NULL, writer_main, self));
	for (i = 0; i < NR_SCANS; i++) {
		ASSERT_EQ(0, update_copy(self, &self->ours));
		ASSERT_EQ(0, update_copy(self, self->theirs));
		sched_yield();
	}
	atomic_store(&self->stop, true);
	pthread_join(writer, NULL);
	/* The next command ends the last. */
	ASSERT_TRUE(tracked_child_does(&self->child, CHILD_STORE));
	ASSERT_EQ(0, update_copy(self, &self->ours));
	ASSERT_EQ(0, update_copy(self, self->theirs));
	ASSERT_EQ(0, memcmp(self->copy, self->ours.addr,
			    self->ours.nr * self->ours.unit));
	ASSERT_WRITTEN("", &self->ours);
	ASSERT_WRITTEN("", self->theirs);
}

/*
 * A snapshot in the background, as hypervisors take it, with write protection
 * that does ask: both views are protected at one moment, and a page is saved
 * before the first of the two may write to it.  What is saved is that moment.
 */
FIXTURE(snapshot)
{
	struct memory mem;
	struct range *range;
	int uffds[2];
	int sock;
	pid_t child;
	pthread_t writer;
	char *then;		/* the memory as it was */
	char *saved;
	bool *is_saved;
};

FIXTURE_VARIANT(snapshot)
{
	const struct memory_kind *kind;
};

FIXTURE_VARIANT_ADD(snapshot, anon) { .kind = &memory_anon_shared };
FIXTURE_VARIANT_ADD(snapshot, memfd) { .kind = &memory_memfd_shared };
FIXTURE_VARIANT_ADD(snapshot, memfd_thp) { .kind = &memory_memfd_shared_thp };
FIXTURE_VARIANT_ADD(snapshot, hugetlb) { .kind = &memory_hugetlb_shared };

static int open_view(const struct range *range)
{
	int uffd = uffd_open(O_NONBLOCK, UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			     UFFD_FEATURE_WP_HUGETLBFS_SHMEM);

	if (uffd >= 0 && uffd_register(uffd, range, UFFDIO_REGISTER_MODE_WP))
		return -EIO;
	return uffd;
}

static bool pass_fd(int sock, int *fd, bool get)
{
	char room[CMSG_SPACE(sizeof(int))] = { }, byte = 'f';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	if (get) {
		if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
			return false;
		memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(*fd));
		return true;
	}
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(*fd));
	memcpy(CMSG_DATA(cmsg), fd, sizeof(*fd));
	return sendmsg(sock, &msg, 0) == 1;
}

/* From the first to the last, or back; the two meet in the middle. */
static void write_units(const struct range *range, bool back)
{
	size_t i;

	for (i = 0; i < range->nr; i++)
		store(range, back ? range->nr - 1 - i : i);
}

static void *snapshot_writer(void *range)
{
	write_units(range, false);
	return NULL;
}

static void other_main(const struct range *range, int sock)
{
	int uffd = open_view(range);
	char byte = 'd';

	if (uffd < 0 || !pass_fd(sock, &uffd, false) || read(sock, &byte, 1) != 1)
		_exit(1);
	write_units(range, true);
	_exit(write(sock, &byte, 1) != 1);
}

FIXTURE_SETUP(snapshot)
{
	int socks[2];
	size_t len;

	SKIP_SETUP_IF(missing_wp_async());
	self->range = &self->mem.range;
	SKIP_SETUP_IF(memory_make(&self->mem, variant->kind, MEMORY_WRITTEN));
	len = self->range->nr * self->range->unit;
	self->then = malloc(len);
	self->saved = calloc(1, len);
	self->is_saved = calloc(self->range->nr, sizeof(bool));
	ASSERT_TRUE(self->then && self->saved && self->is_saved);
	memcpy(self->then, self->range->addr, len);

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	self->child = fork();
	ASSERT_LE(0, self->child);
	if (!self->child) {
		close(socks[0]);
		other_main(self->range, socks[1]);
	}
	close(socks[1]);
	self->sock = socks[0];
	ASSERT_TRUE(pass_fd(self->sock, &self->uffds[1], true));
	self->uffds[0] = open_view(self->range);
	ASSERT_LE(0, self->uffds[0]);
}

FIXTURE_TEARDOWN(snapshot)
{
	kill(self->child, SIGKILL);
	waitpid(self->child, NULL, 0);
	close(self->uffds[0]);
	close(self->uffds[1]);
	close(self->sock);
	free(self->then);
	free(self->saved);
	free(self->is_saved);
	memory_free(&self->mem);
}

static void save(FIXTURE_DATA(snapshot) *self, size_t index)
{
	const size_t at = index * self->range->unit;

	if (!self->is_saved[index])
		memcpy(self->saved + at, self->range->addr + at,
		       self->range->unit);
	self->is_saved[index] = true;
}

/* Saves what somebody wants to write to, and lets him; true if there was one. */
static bool serve(FIXTURE_DATA(snapshot) *self, int uffd)
{
	struct range one = *self->range;
	struct uffd_msg msg;
	size_t index;

	if (read(uffd, &msg, sizeof(msg)) != sizeof(msg))
		return false;
	index = (msg.arg.pagefault.address - addr_of(self->range, 0)) /
		self->range->unit;
	save(self, index);
	one.addr += index * one.unit;
	one.nr = 1;
	return !uffd_writeprotect(uffd, &one, false);
}

TEST_F_TIMEOUT(snapshot, is_of_one_moment, 120)
{
	struct pollfd fds[] = {
		{ .fd = self->uffds[0], .events = POLLIN },
		{ .fd = self->uffds[1], .events = POLLIN },
		{ .fd = self->sock, .events = POLLIN },
	};
	size_t next = 0, served = 0;
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, uffd_writeprotect(self->uffds[i], self->range,
					       true));
	ASSERT_EQ(1, write(self->sock, "g", 1));
	ASSERT_EQ(0, pthread_create(&self->writer, NULL, snapshot_writer,
				    self->range));
	/* One page in the background for each that is asked for. */
	while (!fds[2].revents) {
		ASSERT_LT(0, poll(fds, ARRAY_SIZE(fds), -1));
		for (i = 0; i < 2; i++)
			served += serve(self, self->uffds[i]);
		if (next < self->range->nr)
			save(self, next++);
	}
	/* The other process is done; we may not be. */
	for (i = 0; i < 2; i++)
		while (serve(self, self->uffds[i]))
			served++;
	for (; next < self->range->nr; next++)
		save(self, next);
	ASSERT_EQ(0, uffd_writeprotect(self->uffds[0], self->range, false));
	pthread_join(self->writer, NULL);

	/* Each page was asked for by the other process, at least. */
	ASSERT_LE(self->range->nr, served);
	ASSERT_EQ(0, memcmp(self->then, self->saved,
			    self->range->nr * self->range->unit));
	ASSERT_NE(0, memcmp(self->then, self->range->addr,
			    self->range->nr * self->range->unit));
}

TEST_HARNESS_MAIN
