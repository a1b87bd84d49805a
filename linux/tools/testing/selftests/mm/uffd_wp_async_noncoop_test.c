// SPDX-License-Identifier: GPL-2.0
/*
 * Tracking across fork(), mremap() and munmap(), with the events of userfaultfd
 * and without them.
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include "event_monitor.h"
#include "tracked.h"

FIXTURE(noncoop)
{
	struct memory mem;
	struct range *range;
	size_t len;
	size_t target;		/* written since it was armed */
	size_t neighbour;	/* armed */
	int uffd;
	struct event_monitor monitor;
};

FIXTURE_VARIANT(noncoop)
{
	const struct memory_kind *kind;
	enum memory_state state;
	__u64 features;
};

#define EVENTS								\
	.features = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP | \
		    UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP

FIXTURE_VARIANT_ADD(noncoop, anon_hole) { KIND(anon, HOLE) };
FIXTURE_VARIANT_ADD(noncoop, anon_hole_events) { KIND(anon, HOLE), EVENTS };
FIXTURE_VARIANT_ADD(noncoop, zero_page) { KIND(anon, READ) };
FIXTURE_VARIANT_ADD(noncoop, zero_page_events) { KIND(anon, READ), EVENTS };
FIXTURE_VARIANT_ADD(noncoop, anon) { KIND(anon, WRITTEN) };
FIXTURE_VARIANT_ADD(noncoop, anon_events) { KIND(anon, WRITTEN), EVENTS };
FIXTURE_VARIANT_ADD(noncoop, huge_zero_page) { KIND(anon_thp, READ) };
FIXTURE_VARIANT_ADD(noncoop, huge_zero_page_events) { KIND(anon_thp, READ), EVENTS };
FIXTURE_VARIANT_ADD(noncoop, thp) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(noncoop, thp_events) { KIND(anon_thp, WRITTEN), EVENTS };
FIXTURE_VARIANT_ADD(noncoop, memfd_shared_hole) { KIND(memfd_shared, HOLE) };
FIXTURE_VARIANT_ADD(noncoop, memfd_shared_hole_events) { KIND(memfd_shared, HOLE), EVENTS };
FIXTURE_VARIANT_ADD(noncoop, memfd_shared) { KIND(memfd_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(noncoop, memfd_shared_events) { KIND(memfd_shared, WRITTEN), EVENTS };
FIXTURE_VARIANT_ADD(noncoop, memfd_private_read) { KIND(memfd_private, READ) };
FIXTURE_VARIANT_ADD(noncoop, memfd_private_read_events) { KIND(memfd_private, READ), EVENTS };
FIXTURE_VARIANT_ADD(noncoop, memfd_private) { KIND(memfd_private, WRITTEN) };
FIXTURE_VARIANT_ADD(noncoop, memfd_private_events) { KIND(memfd_private, WRITTEN), EVENTS };
FIXTURE_VARIANT_ADD(noncoop, memfd_shared_thp) { KIND(memfd_shared_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(noncoop, memfd_shared_thp_events) { KIND(memfd_shared_thp, WRITTEN), EVENTS };
FIXTURE_VARIANT_ADD(noncoop, file_shared) { KIND(file_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(noncoop, file_shared_events) { KIND(file_shared, WRITTEN), EVENTS };
FIXTURE_VARIANT_ADD(noncoop, file_private) { KIND(file_private, WRITTEN) };
FIXTURE_VARIANT_ADD(noncoop, file_private_events) { KIND(file_private, WRITTEN), EVENTS };
FIXTURE_VARIANT_ADD(noncoop, hugetlb_shared) { KIND(hugetlb_shared, WRITTEN) };
FIXTURE_VARIANT_ADD(noncoop, hugetlb_shared_events) { KIND(hugetlb_shared, WRITTEN), EVENTS };
FIXTURE_VARIANT_ADD(noncoop, hugetlb_private_hole) { KIND(hugetlb_private, HOLE) };
FIXTURE_VARIANT_ADD(noncoop, hugetlb_private_hole_events) { KIND(hugetlb_private, HOLE), EVENTS };
FIXTURE_VARIANT_ADD(noncoop, hugetlb_private) { KIND(hugetlb_private, WRITTEN) };
FIXTURE_VARIANT_ADD(noncoop, hugetlb_private_events) { KIND(hugetlb_private, WRITTEN), EVENTS };

FIXTURE_SETUP(noncoop)
{
	SKIP_SETUP_IF(mainline_lacks(variant->kind, variant->state));
	self->range = &self->mem.range;
	self->uffd = track(_metadata, &self->mem, variant->kind,
			   variant->state, 0, variant->features);
	self->len = self->range->nr * self->range->unit;
	self->target = self->range->nr * 5 / 8;
	self->neighbour = self->target + 1;
	store(self->range, self->target);
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_EQ(0, event_monitor_start(&self->monitor, self->uffd));
}

FIXTURE_TEARDOWN(noncoop)
{
	event_monitor_stop(&self->monitor);
	close(self->uffd);
	memory_free(&self->mem);
}

#define CHILD_CHECK(condition)						\
do {									\
	if (!(condition)) {						\
		fprintf(stderr, "# child: not true: %s\n", #condition);	\
		_exit(1);						\
	}								\
} while (0)

/* The child of a parent that did not ask for EVENT_FORK: nothing is tracked. */
static void untracked_child(struct memory *mem, enum memory_state state,
			    size_t target)
{
	struct range *range = &mem->range;

	range->pagemap = pagemap_open(0);
	CHILD_CHECK(!strcmp("", pages_armed(range)));
	CHILD_CHECK(!strcmp("", pages_with(range, PAGE_IS_WPALLOWED)));
	CHILD_CHECK(!strcmp("error: Operation not permitted",
			    pages_take(range)));
	CHILD_CHECK(memory_intact(mem, state));
	store(range, target);
	CHILD_CHECK(!strcmp("", pages_armed(range)));
	_exit(0);
}

/* The child of one that did: it has the state of its parent, and tracks. */
static void tracked_child(struct memory *mem, enum memory_state state,
			  size_t target, size_t neighbour)
{
	struct range *range = &mem->range;

	range->pagemap = pagemap_open(0);
	CHILD_CHECK(!strcmp(pages_one(target), pages_written(range)));
	CHILD_CHECK(!strcmp(pages_not(range, pages_one(target)),
			    pages_armed(range)));
	CHILD_CHECK(memory_intact(mem, state));
	CHILD_CHECK(!strcmp(pages_one(target), pages_take(range)));
	CHILD_CHECK(!strcmp("", pages_written(range)));
	store(range, neighbour);
	CHILD_CHECK(!strcmp(pages_one(neighbour), pages_written(range)));
	_exit(0);
}

TEST_F(noncoop, fork)
{
	const bool tracked = variant->features & UFFD_FEATURE_EVENT_FORK;
	struct uffd_msg *msg = &self->monitor.msgs[0];
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid && tracked)
		tracked_child(&self->mem, variant->state, self->target,
			      self->neighbour);
	else if (!pid)
		untracked_child(&self->mem, variant->state, self->target);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_EQ(0, WEXITSTATUS(status));

	/* The parent goes on as if nothing had been; so do its pages. */
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
	ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
	store(self->range, self->neighbour);
	ASSERT_WRITTEN(pages_one(self->neighbour), self->range);
	if (tracked) {
		ASSERT_EQ(1, event_monitor_nr(&self->monitor));
		ASSERT_EQ(UFFD_EVENT_FORK, msg->event);
		close(msg->arg.fork.ufd);
	} else {
		ASSERT_EQ(0, event_monitor_nr(&self->monitor));
	}
}

/* While the pages are shared with a child, the parent's stores still count. */
TEST_F(noncoop, store_while_a_child_shares_the_pages)
{
	int pipe_fds[2], status;
	char byte, both[64];
	pid_t pid;

	ASSERT_EQ(0, pipe(pipe_fds));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(pipe_fds[1]);
		_exit(read(pipe_fds[0], &byte, 1));
	}
	ASSERT_WRITTEN(pages_one(self->target), self->range);
	store(self->range, self->target);
	store(self->range, self->neighbour);
	close(pipe_fds[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	snprintf(both, sizeof(both), "%zu-%zu", self->target, self->neighbour);
	ASSERT_WRITTEN(both, self->range);
	ASSERT_STREQ(both, pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
	close(pipe_fds[0]);
}

static bool events_say_remap(FIXTURE_DATA(noncoop) *self, __u64 from, __u64 to)
{
	const unsigned int nr = event_monitor_nr(&self->monitor);
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (self->monitor.msgs[i].event == UFFD_EVENT_REMAP &&
		    self->monitor.msgs[i].arg.remap.from == from &&
		    self->monitor.msgs[i].arg.remap.to == to)
			return true;
	return false;
}

TEST_F(noncoop, moved)
{
	const bool tracked = variant->features & UFFD_FEATURE_EVENT_REMAP;
	size_t align = self->range->unit;
	char *room, *from = self->range->addr, *to;

	if (variant->kind->thp)
		align = pmd_size();
	room = mmap(NULL, self->len + align, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_TRUE(room != MAP_FAILED);
	to = (char *)(((uintptr_t)room + align - 1) / align * align);
	self->range->addr = mremap(from, self->len, self->len,
				   MREMAP_MAYMOVE | MREMAP_FIXED, to);
	ASSERT_TRUE(self->range->addr == to);
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
	if (tracked) {
		ASSERT_WRITTEN(pages_one(self->target), self->range);
		ASSERT_STREQ(pages_one(self->target), pages_take(self->range));
		store(self->range, self->neighbour);
		ASSERT_WRITTEN(pages_one(self->neighbour), self->range);
		ASSERT_TRUE(events_say_remap(self, to_u64(from), to_u64(to)));
	} else {
		ASSERT_STREQ("", pages_armed(self->range));
		ASSERT_STREQ("", pages_with(self->range, PAGE_IS_WPALLOWED));
		ASSERT_STREQ("error: Operation not permitted",
			     pages_take(self->range));
		store(self->range, self->neighbour);
		ASSERT_STREQ("", pages_armed(self->range));
		ASSERT_EQ(0, event_monitor_nr(&self->monitor));
	}
	munmap(room, self->len + align);
}

TEST_F(noncoop, unmapped_and_mapped_again)
{
	ASSERT_EQ(0, munmap(self->range->addr, self->len));
	ASSERT_TRUE(mmap(self->range->addr, self->len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		    self->range->addr);
	ASSERT_STREQ("", pages_armed(self->range));
	ASSERT_STREQ("", pages_with(self->range, PAGE_IS_WPALLOWED));
	store(self->range, self->neighbour);
	ASSERT_STREQ("", pages_armed(self->range));
}

static long kb_of(const char *what)
{
	char line[128], name[64];
	long kb, found = -1;
	FILE *file;

	file = fopen("/proc/meminfo", "re");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%63[^:]: %ld kB", name, &kb) == 2 &&
		    !strcmp(name, what))
			found = kb;
	fclose(file);
	return found;
}

/*
 * Have the kernel give out no more memory than there is, which is to be little.
 * Returns how many bytes are left, or -1.
 */
static long limit_memory(struct memory *settings)
{
	char kb[32];

	snprintf(kb, sizeof(kb), "%ld", kb_of("Committed_AS") + (256L << 10));
	/* Each of the two sets the other to 0: this is only to be put back. */
	if (memory_set(settings, "/proc/sys/vm/overcommit_ratio", "49") ||
	    memory_set(settings, "/proc/sys/vm/overcommit_kbytes", kb) ||
	    memory_set(settings, "/proc/sys/vm/overcommit_memory", "2"))
		return -1;
	return (kb_of("CommitLimit") - kb_of("Committed_AS")) << 10;
}

/* A fork that fails for want of memory, above what is tracked; its errno. */
static int fork_without_memory(struct memory *settings, char *where)
{
	long room = limit_memory(settings) / 3 * 2;
	int error = 0;
	pid_t pid;

	if (room <= 0 || mmap(where, room, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			      -1, 0) != where) {
		memory_free(settings);
		return -1;
	}
	pid = fork();
	if (!pid)
		_exit(0);
	if (pid < 0)
		error = errno;
	else
		waitpid(pid, NULL, 0);
	munmap(where, room);
	memory_free(settings);
	return error;
}

/* Nobody hears of a child that is not to be, nor waits for it. */
TEST(fork_that_fails_is_not_announced)
{
	struct memory settings = { .fd = -1, .range.pagemap = -1 }, mem;
	const size_t space = 1UL << 30;
	struct event_monitor monitor;
	int uffd, error;
	size_t len;
	char *room;

	MAINLINE_SKIPS("not for a machine that has other things to do");
	SKIP_IF(missing_wp_async());
	room = mmap(NULL, space, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_TRUE(room != MAP_FAILED);
	SKIP_IF(memory_make_at(&mem, &memory_anon, MEMORY_WRITTEN, room));
	uffd = uffd_track(&mem.range, 0, UFFD_FEATURE_EVENT_FORK);
	ASSERT_LE(0, uffd);
	ASSERT_STREQ(pages_all(&mem.range), pages_take(&mem.range));
	store(&mem.range, 2);
	len = mem.range.nr * mem.range.unit;
	ASSERT_EQ(0, munmap(room + len, space - len));

	ASSERT_EQ(0, event_monitor_start(&monitor, uffd));
	error = fork_without_memory(&settings, room + len);
	event_monitor_stop(&monitor);
	ASSERT_EQ(ENOMEM, error);
	ASSERT_EQ(0, monitor.nr);
	ASSERT_WRITTEN("2", &mem.range);
	/* EAGAIN: a fork is being announced */
	ASSERT_EQ(0, uffd_writeprotect(uffd, &mem.range, true));
	ASSERT_WRITTEN("", &mem.range);
	close(uffd);
	memory_free(&mem);
}

TEST(growth_is_written)
{
	struct memory mem;
	struct event_monitor monitor;
	size_t len;
	char *room;
	int uffd;

	uffd = track(_metadata, &mem, &memory_anon, MEMORY_WRITTEN, 0,
		     UFFD_FEATURE_EVENT_REMAP);
	ASSERT_EQ(0, event_monitor_start(&monitor, uffd));
	len = mem.range.nr * mem.range.unit;
	room = mmap(NULL, 2 * len, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_TRUE(room != MAP_FAILED);
	store(&mem.range, 2);
	mem.range.addr = mremap(mem.range.addr, len, 2 * len,
				MREMAP_MAYMOVE | MREMAP_FIXED, room);
	ASSERT_TRUE(mem.range.addr == room);
	mem.range.nr *= 2;
	ASSERT_STREQ("2,8-15", pages_written(&mem.range));
	ASSERT_STREQ("2,8-15", pages_take(&mem.range));
	store(&mem.range, 12);
	ASSERT_WRITTEN("12", &mem.range);
	event_monitor_stop(&monitor);
	close(uffd);
	munmap(room, 2 * len);
	memory_free(&mem);
}

/* What is left behind by the move is empty: another content, if tracked. */
TEST_F(noncoop, moved_and_left_mapped)
{
	char *old = self->range->addr, *new;
	const char *tracked;

	new = mremap(old, self->len, self->len,
		     MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	SKIP_IF(new == MAP_FAILED ? "no MREMAP_DONTUNMAP here" : NULL);
	tracked = pages_with(self->range, PAGE_IS_WPALLOWED);
	if (memory_is_shared(variant->kind) ||
	    (variant->state != MEMORY_WRITTEN && variant->kind->backing)) {
		/* What was the file's page is the file's page again. */
		ASSERT_TRUE(pages_have(pages_written(self->range),
				       self->target));
	} else if (strcmp("", tracked)) {
		ASSERT_WRITTEN(pages_all(self->range), self->range);
	}
	self->range->addr = new;
	ASSERT_TRUE(memory_intact(&self->mem, variant->state));
	if (!(variant->features & UFFD_FEATURE_EVENT_REMAP)) {
		ASSERT_STREQ("", pages_armed(self->range));
	} else {
		ASSERT_WRITTEN(pages_one(self->target), self->range);
	}
	munmap(new, self->len);
	self->range->addr = old;
}

/* Events come in the order of what caused them. */
TEST(events_are_in_order)
{
	struct event_monitor monitor;
	struct memory mem;
	int uffd, status;
	size_t len;
	pid_t pid;

	uffd = track(_metadata, &mem, &memory_anon, MEMORY_WRITTEN, 0,
		     UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMOVE |
		     UFFD_FEATURE_EVENT_UNMAP);
	ASSERT_EQ(0, event_monitor_start(&monitor, uffd));
	len = mem.range.nr * mem.range.unit;
	ASSERT_EQ(0, madvise(mem.range.addr, mem.range.unit, MADV_DONTNEED));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_WRITTEN("0", &mem.range);
	ASSERT_EQ(0, munmap(mem.range.addr, len));
	event_monitor_stop(&monitor);
	ASSERT_EQ(3, monitor.nr);
	ASSERT_EQ(UFFD_EVENT_REMOVE, monitor.msgs[0].event);
	ASSERT_EQ(UFFD_EVENT_FORK, monitor.msgs[1].event);
	ASSERT_EQ(UFFD_EVENT_UNMAP, monitor.msgs[2].event);
	close(monitor.msgs[1].arg.fork.ufd);
	close(uffd);
	memory_free(&mem);
}

/* Stores to page 5 for each byte that it is sent. */
static void obedient_child(const struct range *range, int commands, int answers)
{
	char byte;

	while (read(commands, &byte, 1) == 1) {
		store(range, 5);
		CHILD_CHECK(write(answers, &byte, 1) == 1);
	}
	_exit(0);
}

/* The parent has the child's, from the event; each is tracked by itself. */
TEST(another_process_holds_the_descriptor)
{
	int uffd, theirs_uffd, commands[2], answers[2];
	struct event_monitor monitor;
	struct range theirs;
	struct memory mem;
	char byte = 's';
	pid_t pid;

	ASSERT_EQ(0, pipe(commands));
	ASSERT_EQ(0, pipe(answers));
	uffd = track(_metadata, &mem, &memory_anon, MEMORY_WRITTEN, 0,
		     UFFD_FEATURE_EVENT_FORK);
	store(&mem.range, 2);
	ASSERT_EQ(0, event_monitor_start(&monitor, uffd));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(monitor.stop[1]);
		close(commands[1]);
		obedient_child(&mem.range, commands[0], answers[1]);
	}
	event_monitor_stop(&monitor);
	ASSERT_EQ(1, monitor.nr);
	theirs_uffd = monitor.msgs[0].arg.fork.ufd;
	theirs = mem.range;
	theirs.pagemap = pagemap_open(pid);
	ASSERT_LE(0, theirs.pagemap);

	ASSERT_WRITTEN("2", &theirs);
	ASSERT_EQ(0, uffd_writeprotect(theirs_uffd, &theirs, true));
	ASSERT_WRITTEN("", &theirs);
	ASSERT_WRITTEN("2", &mem.range);
	store(&mem.range, 3);
	ASSERT_EQ(1, write(commands[1], &byte, 1));
	ASSERT_EQ(1, read(answers[0], &byte, 1));
	ASSERT_WRITTEN("5", &theirs);
	ASSERT_WRITTEN("2-3", &mem.range);
	ASSERT_STREQ("5", pages_take(&theirs));
	ASSERT_STREQ("2-3", pages_take(&mem.range));
	ASSERT_WRITTEN("", &theirs);

	/* The last one to hold it gone, nobody tracks the child. */
	store(&mem.range, 1);
	close(theirs_uffd);
	ASSERT_STREQ("", pages_armed(&theirs));
	ASSERT_STREQ("", pages_with(&theirs, PAGE_IS_WPALLOWED));
	ASSERT_WRITTEN("1", &mem.range);
	close(commands[1]);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	close(theirs.pagemap);
	close(uffd);
	memory_free(&mem);
}

TEST_HARNESS_MAIN
