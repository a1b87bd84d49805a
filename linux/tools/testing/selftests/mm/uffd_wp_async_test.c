// SPDX-License-Identifier: GPL-2.0
/*
 * UFFD_FEATURE_WP_ASYNC and UFFD_FEATURE_WP_UNPOPULATED as an interface: what
 * is offered, what can be registered, and whose it is then.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tracked.h"

/* Feature bits that mainline gave to other things, and that are ours to keep. */
#define MAINLINE_BITS	0x74000

FIXTURE(api)
{
	struct memory mem;
	struct range *range;
	int uffd;
};

FIXTURE_SETUP(api)
{
	SKIP_SETUP_IF(missing_wp_async());
	self->range = &self->mem.range;
	SKIP_SETUP_IF(memory_make(&self->mem, &memory_anon, MEMORY_WRITTEN));
	self->uffd = -1;
}

FIXTURE_TEARDOWN(api)
{
	close(self->uffd);
	memory_free(&self->mem);
}

static struct range part_of(const struct range *range, size_t first, size_t nr)
{
	struct range part = *range;

	part.addr += first * part.unit;
	part.nr = nr;
	return part;
}

TEST_F(api, features_are_offered_and_echoed)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_ASYNC,
	};

	ASSERT_EQ(0x2000, UFFD_FEATURE_WP_UNPOPULATED);
	ASSERT_EQ(0x8000, UFFD_FEATURE_WP_ASYNC);
	self->uffd = syscall(__NR_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	ASSERT_LE(0, self->uffd);
	ASSERT_EQ(0, ioctl(self->uffd, UFFDIO_API, &api));
	ASSERT_EQ(UFFD_FEATURE_WP_ASYNC, api.features & UFFD_FEATURE_WP_ASYNC);
	ASSERT_EQ(UFFD_FEATURE_WP_UNPOPULATED,
		  api.features & UFFD_FEATURE_WP_UNPOPULATED);
	if (!mainline_kernel()) {
		ASSERT_EQ(0, api.features & MAINLINE_BITS);
	}
}

TEST_F(api, unknown_features_are_einval)
{
	const __u64 mainline = mainline_kernel() ? MAINLINE_BITS : 0;
	int bit;

	for (bit = 14; bit < 64; bit++) {
		if ((mainline | UFFD_FEATURE_WP_ASYNC) >> bit & 1)
			continue;
		ASSERT_EQ(-EINVAL, uffd_open(0, UFFD_FEATURE_WP_ASYNC |
					     1ULL << bit));
	}
}

TEST_F(api, async_implies_unpopulated)
{
	struct memory hole;

	SKIP_IF(memory_make(&hole, &memory_anon, MEMORY_HOLE));
	self->uffd = uffd_open(0, UFFD_FEATURE_WP_ASYNC);
	ASSERT_LE(0, self->uffd);
	ASSERT_EQ(0, uffd_register(self->uffd, &hole.range,
				   UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, &hole.range, true));
	ASSERT_WRITTEN("", &hole.range);
	memory_free(&hole);
}

TEST_F(api, without_unpopulated_holes_are_left_alone)
{
	struct memory hole;

	SKIP_IF(memory_make(&hole, &memory_anon, MEMORY_HOLE));
	self->uffd = uffd_open(0, UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	ASSERT_LE(0, self->uffd);
	ASSERT_EQ(0, uffd_register(self->uffd, &hole.range,
				   UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, &hole.range, true));
	ASSERT_STREQ("", pages_armed(&hole.range));
	memory_free(&hole);
}

static void *store_in_thread(void *range)
{
	store(range, 3);
	return NULL;
}

/* Synchronous write protection asks as before, now on holes too. */
TEST_F(api, unpopulated_without_async_asks)
{
	struct range third;
	struct uffd_msg msg;
	struct memory hole;
	struct pollfd ready;
	pthread_t thread;

	SKIP_IF(memory_make(&hole, &memory_anon, MEMORY_HOLE));
	third = part_of(&hole.range, 3, 1);
	self->uffd = uffd_open(0, UFFD_FEATURE_WP_UNPOPULATED);
	ASSERT_LE(0, self->uffd);
	ASSERT_EQ(0, uffd_register(self->uffd, &hole.range,
				   UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, &hole.range, true));
	ASSERT_STREQ("0-7", pages_armed(&hole.range));
	ASSERT_STREQ("", pages_with(&hole.range, PAGE_IS_WPALLOWED));
	ASSERT_STREQ("error: Operation not permitted", pages_take(&hole.range));

	ASSERT_EQ(0, pthread_create(&thread, NULL, store_in_thread,
				    &hole.range));
	ready = (struct pollfd) { .fd = self->uffd, .events = POLLIN };
	ASSERT_EQ(1, poll(&ready, 1, -1));
	ASSERT_EQ(sizeof(msg), read(self->uffd, &msg, sizeof(msg)));
	ASSERT_EQ(UFFD_EVENT_PAGEFAULT, msg.event);
	ASSERT_EQ(UFFD_PAGEFAULT_FLAG_WP,
		  msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP);
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, &third, false));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_STREQ("0-2,4-7", pages_armed(&hole.range));
	memory_free(&hole);
}

TEST_F(api, async_never_sends_a_message)
{
	struct uffd_msg msg;

	self->uffd = uffd_track(self->range, O_NONBLOCK, 0);
	ASSERT_LE(0, self->uffd);
	ASSERT_STREQ("0-7", pages_take(self->range));
	store(self->range, 1);
	store(self->range, 6);
	ASSERT_EQ(-1, read(self->uffd, &msg, sizeof(msg)));
	ASSERT_EQ(EAGAIN, errno);
	ASSERT_WRITTEN("1,6", self->range);
}

TEST_F(api, register_offers_writeprotect_for_any_memory)
{
	const struct memory_kind *kinds[] = {
		&memory_anon, &memory_memfd_shared, &memory_file_shared,
		&memory_file_private, &memory_hugetlb_shared,
	};
	struct memory mem;
	size_t i;

	self->uffd = uffd_open(0, UFFD_FEATURE_WP_ASYNC);
	ASSERT_LE(0, self->uffd);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct uffdio_register arg = {
			.mode = UFFDIO_REGISTER_MODE_WP,
		};

		if (memory_make(&mem, kinds[i], MEMORY_HOLE)) {
			TH_LOG("not tried: %s", kinds[i]->name);
			continue;
		}
		arg.range.start = addr_of(&mem.range, 0);
		arg.range.len = mem.range.nr * mem.range.unit;
		ASSERT_EQ(0, ioctl(self->uffd, UFFDIO_REGISTER, &arg));
		ASSERT_NE(0, arg.ioctls & 1ULL << _UFFDIO_WRITEPROTECT);
		memory_free(&mem);
	}
}

/* Files that have no missing mode do not get one from being tracked. */
TEST_F(api, missing_mode_of_a_file_is_einval)
{
	struct memory file;

	SKIP_IF(memory_make(&file, &memory_file_shared, MEMORY_WRITTEN));
	self->uffd = uffd_open(0, UFFD_FEATURE_WP_ASYNC);
	ASSERT_LE(0, self->uffd);
	ASSERT_EQ(-EINVAL, uffd_register(self->uffd, &file.range,
					 UFFDIO_REGISTER_MODE_WP |
					 UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(-EINVAL, uffd_register(self->uffd, &file.range,
					 UFFDIO_REGISTER_MODE_MISSING));
	memory_free(&file);
}

TEST_F(api, file_without_async_is_einval)
{
	struct memory file;

	SKIP_IF(memory_make(&file, &memory_file_shared, MEMORY_WRITTEN));
	self->uffd = uffd_open(0, UFFD_FEATURE_WP_UNPOPULATED);
	ASSERT_LE(0, self->uffd);
	ASSERT_EQ(-EINVAL, uffd_register(self->uffd, &file.range,
					 UFFDIO_REGISTER_MODE_WP));
	memory_free(&file);
}

static int register_named(int uffd, const char *name)
{
	unsigned long start = 0, end = 0;
	struct range range;
	char line[256];
	FILE *maps;

	maps = fopen("/proc/self/maps", "r");
	if (!maps)
		return -errno;
	while (fgets(line, sizeof(line), maps)) {
		if (strstr(line, name))
			sscanf(line, "%lx-%lx", &start, &end);
	}
	fclose(maps);
	if (!end)
		return -ENXIO;
	range = (struct range) {
		.addr = (char *)start,
		.unit = base_page(),
		.nr = (end - start) / base_page(),
	};
	return uffd_register(uffd, &range, UFFDIO_REGISTER_MODE_WP);
}

TEST_F(api, special_mappings_are_refused)
{
	int ret;

	self->uffd = uffd_open(0, UFFD_FEATURE_WP_ASYNC);
	ASSERT_LE(0, self->uffd);
	ret = register_named(self->uffd, "[vdso]");
	SKIP_IF(ret == -ENXIO ? "no vdso in this process" : NULL);
	ASSERT_GT(0, ret);
	ASSERT_GT(0, register_named(self->uffd, "[vvar]"));
}

#ifndef STATX_ATTR_DAX
#define STATX_ATTR_DAX	0x200000
#endif

/* A mapping of a file without a page cache, or why there is none. */
static const char *map_dax(struct range *range)
{
	const char *dir = getenv("TEST_DAX");
	struct statx stat;
	int fd;

	if (!dir)
		return "TEST_DAX names no directory on a file system with DAX";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return "TEST_DAX cannot be written";
	range->unit = base_page();
	range->nr = 4;
	if (ftruncate(fd, range->nr * range->unit) ||
	    statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stat) ||
	    !(stat.stx_attributes & STATX_ATTR_DAX)) {
		close(fd);
		return "TEST_DAX is not on a file system with DAX";
	}
	range->addr = mmap(NULL, range->nr * range->unit, PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);
	close(fd);
	return range->addr == MAP_FAILED ? "a file with DAX cannot be mapped" : NULL;
}

/* The entries are not only of the mm's making: see uffd_wp_async_can_track() */
TEST_F(api, dax_is_refused_and_scanned)
{
	struct range dax = { .pagemap = self->range->pagemap };

	SKIP_IF(map_dax(&dax));
	MAINLINE_SKIPS("takes DAX, and it is not safe to write to it then");
	self->uffd = uffd_open(0, UFFD_FEATURE_WP_ASYNC);
	ASSERT_LE(0, self->uffd);
	ASSERT_EQ(-EINVAL, uffd_register(self->uffd, &dax,
					 UFFDIO_REGISTER_MODE_WP));
	store(&dax, 1);
	load(&dax, 3);
	ASSERT_EQ(-EINVAL, uffd_register(self->uffd, &dax,
					 UFFDIO_REGISTER_MODE_WP));
	ASSERT_STREQ("1,3", pages_with(&dax, PAGE_IS_PRESENT));
	ASSERT_STREQ("1,3", pages_written(&dax));
	ASSERT_STREQ("", pages_with(&dax, PAGE_IS_WPALLOWED));
	ASSERT_STREQ("error: Operation not permitted", pages_take(&dax));
	ASSERT_EQ(0, munmap(dax.addr, dax.nr * dax.unit));
}

TEST_F(api, second_uffd_is_ebusy)
{
	struct range middle = part_of(self->range, 2, 2);
	int other;

	self->uffd = uffd_track(self->range, 0, 0);
	ASSERT_LE(0, self->uffd);
	ASSERT_STREQ("0-7", pages_take(self->range));
	store(self->range, 3);
	ASSERT_EQ(-EBUSY, uffd_track(self->range, 0, 0));
	ASSERT_EQ(-EBUSY, uffd_track(&middle, 0, 0));
	ASSERT_WRITTEN("3", self->range);

	/* Nor is anything done through the other's descriptor. */
	other = uffd_open(0, UFFD_FEATURE_WP_ASYNC);
	ASSERT_LE(0, other);
	ASSERT_GT(0, uffd_unregister(other, self->range));
	ASSERT_WRITTEN("3", self->range);
	if (!mainline_kernel()) {
		ASSERT_GT(0, uffd_writeprotect(other, self->range, true));
		ASSERT_WRITTEN("3", self->range);
		ASSERT_GT(0, uffd_writeprotect(other, self->range, false));
		ASSERT_WRITTEN("3", self->range);
	}
	close(other);
	ASSERT_WRITTEN("3", self->range);
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, true));
	ASSERT_WRITTEN("", self->range);
}

TEST_F(api, two_uffds_side_by_side)
{
	struct range low = part_of(self->range, 0, 4);
	struct range high = part_of(self->range, 4, 4);
	int other;

	self->uffd = uffd_track(&low, 0, 0);
	ASSERT_LE(0, self->uffd);
	other = uffd_track(&high, 0, 0);
	ASSERT_LE(0, other);
	ASSERT_STREQ("0-7", pages_take(self->range));
	store(self->range, 2);
	store(self->range, 6);
	ASSERT_WRITTEN("2,6", self->range);

	/* A range of both is neither's to unregister or to protect. */
	if (!mainline_kernel()) {
		ASSERT_GT(0, uffd_unregister(self->uffd, self->range));
		ASSERT_GT(0, uffd_writeprotect(self->uffd, self->range, true));
	}
	ASSERT_WRITTEN("2,6", self->range);
	close(other);
	ASSERT_STREQ("0-1,3", pages_armed(self->range));
	ASSERT_STREQ("0-3", pages_with(self->range, PAGE_IS_WPALLOWED));
}

TEST_F(api, writeprotect_over_several_mappings_works)
{
	struct range low = part_of(self->range, 0, 3);

	self->uffd = uffd_track(self->range, 0, 0);
	ASSERT_LE(0, self->uffd);
	/* Another protection makes another mapping; a memfd a third one. */
	ASSERT_EQ(0, mprotect(low.addr, low.unit, PROT_READ));
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, true));
	ASSERT_WRITTEN("", self->range);
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, &low, false));
	ASSERT_WRITTEN("0-2", self->range);
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, false));
	ASSERT_WRITTEN("0-7", self->range);
}

TEST_F(api, writeprotect_checks_before_it_changes)
{
	struct range middle = part_of(self->range, 3, 2);

	self->uffd = uffd_track(self->range, 0, 0);
	ASSERT_LE(0, self->uffd);
	ASSERT_EQ(0, uffd_unregister(self->uffd, &middle));
	ASSERT_EQ(-ENOENT, uffd_writeprotect(self->uffd, self->range, true));
	MAINLINE_DIFFERS_STR("protects up to what it cannot", "0-2",
			     pages_armed(self->range));
	ASSERT_STREQ("", pages_armed(self->range));

	/* Where nothing is mapped there is nothing that it cannot protect. */
	ASSERT_EQ(0, munmap(middle.addr, middle.nr * middle.unit));
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, true));
	ASSERT_STREQ("0-2,5-7", pages_armed(self->range));
}

TEST_F(api, dropping_write_protection_drops_its_bits)
{
	struct uffd_msg msg;

	self->uffd = uffd_track(self->range, O_NONBLOCK, 0);
	ASSERT_LE(0, self->uffd);
	ASSERT_STREQ("0-7", pages_take(self->range));
	ASSERT_EQ(0, uffd_register(self->uffd, self->range,
				   UFFDIO_REGISTER_MODE_MISSING));
	MAINLINE_DIFFERS_STR("keeps the bits", "0-7", pages_armed(self->range));
	ASSERT_STREQ("", pages_armed(self->range));
	ASSERT_STREQ("", pages_with(self->range, PAGE_IS_WPALLOWED));
	store(self->range, 3);
	ASSERT_EQ(-1, read(self->uffd, &msg, sizeof(msg)));
	ASSERT_EQ(EAGAIN, errno);
}

/* With UFFD_FEATURE_SIGBUS a fault that is still asked about is a signal. */
TEST_F_SIGNAL(api, missing_mode_is_asked_for, SIGBUS)
{
	struct memory hole;

	SKIP_IF(memory_make(&hole, &memory_anon, MEMORY_HOLE));
	self->uffd = uffd_open(0, UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_SIGBUS);
	ASSERT_LE(0, self->uffd);
	ASSERT_EQ(0, uffd_register(self->uffd, &hole.range,
				   UFFDIO_REGISTER_MODE_WP |
				   UFFDIO_REGISTER_MODE_MISSING));
	load(&hole.range, 3);
}

TEST_F(api, dropping_missing_mode_stops_asking)
{
	struct memory hole;

	SKIP_IF(memory_make(&hole, &memory_anon, MEMORY_HOLE));
	MAINLINE_SKIPS("goes on asking");
	self->uffd = uffd_open(0, UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_SIGBUS);
	ASSERT_LE(0, self->uffd);
	ASSERT_EQ(0, uffd_register(self->uffd, &hole.range,
				   UFFDIO_REGISTER_MODE_WP |
				   UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, uffd_register(self->uffd, &hole.range,
				   UFFDIO_REGISTER_MODE_WP));
	ASSERT_STREQ("0-7", pages_take(&hole.range));
	load(&hole.range, 3);
	store(&hole.range, 4);
	ASSERT_WRITTEN("4", &hole.range);
	memory_free(&hole);
}

TEST_HARNESS_MAIN
