// SPDX-License-Identifier: GPL-2.0
/*
 * PAGEMAP_SCAN caught in the middle: what it writes its answer to is not there
 * yet, and while it waits, that goes away, or the process that is scanned does,
 * or the one that scans.  No write is forgotten that was not reported.
 *
 * What makes it wait is another userfaultfd, which is asked for the memory.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "tracked.h"
#include "tracked_child.h"

/*
 * Every second page was written, so that each is a region; the kernel copies out
 * as many at a time as fit in three pages, and the answer takes six.
 */
#define NR_PAGES	2048
#define NR_REGIONS	(NR_PAGES / 2)
#define NR_FIRST	512
#define NR_ANSWER	6

static const struct memory_kind many = {
	.name = "anonymous, many pages",
	.map_flags = MAP_PRIVATE | MAP_ANONYMOUS,
	.nr = NR_PAGES,
};

/* Where the answer goes: there up to some page, asked for from there on. */
struct answer {
	struct range range;
	struct range held;
	struct page_region *vec;
	int uffd;
	bool stop;	/* making it come and go */
};

static int answer_make(struct answer *answer, size_t first_held, __u64 mode)
{
	size_t page = base_page(), i;
	char *addr;

	addr = mmap(NULL, NR_ANSWER * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (addr == MAP_FAILED)
		return -errno;
	answer->vec = (void *)addr;
	answer->range = (struct range) {
		.addr = addr, .unit = page, .nr = NR_ANSWER,
	};
	answer->held = (struct range) {
		.addr = addr + first_held * page, .unit = page,
		.nr = NR_ANSWER - first_held,
	};
	for (i = 0; i < NR_ANSWER; i++)
		if (i < first_held || mode == UFFDIO_REGISTER_MODE_WP)
			store(&answer->range, i);
	answer->uffd = uffd_open(0, 0);
	if (answer->uffd < 0)
		return answer->uffd;
	if (uffd_register(answer->uffd, &answer->held, mode))
		return -EIO;
	return mode == UFFDIO_REGISTER_MODE_WP ?
	       uffd_writeprotect(answer->uffd, &answer->held, true) : 0;
}

static void answer_free(struct answer *answer)
{
	munmap(answer->vec, NR_ANSWER * base_page());
	close(answer->uffd);
}

/* Returns when somebody waits for a page of the answer. */
static int answer_wait(struct answer *answer)
{
	struct uffd_msg msg;

	if (read(answer->uffd, &msg, sizeof(msg)) != sizeof(msg))
		return -EIO;
	return msg.event == UFFD_EVENT_PAGEFAULT ? 0 : -EPROTO;
}

/* All of it is there now. */
static int answer_let_go(struct answer *answer)
{
	struct uffdio_zeropage zero = {
		.range.start = addr_of(&answer->held, 0),
		.range.len = answer->held.nr * answer->held.unit,
	};

	return ioctl(answer->uffd, UFFDIO_ZEROPAGE, &zero) ? -errno : 0;
}

/* Whoever waits looks again at what has become of it. */
static int answer_wake(struct answer *answer)
{
	struct uffdio_range range = {
		.start = addr_of(&answer->held, 0),
		.len = answer->held.nr * answer->held.unit,
	};

	return ioctl(answer->uffd, UFFDIO_WAKE, &range) ? -errno : 0;
}

/* A thread that gets and clears the written pages of a range. */
struct scanner {
	pthread_t thread;
	int pagemap;
	struct pm_scan_arg *arg;
	struct pm_scan_arg own_arg;
	int result;
};

static void *scanner_main(void *data)
{
	struct scanner *scanner = data;

	scanner->result = pagemap_scan(scanner->pagemap, scanner->arg);
	return NULL;
}

static struct pm_scan_arg take(const struct range *range, struct page_region *vec)
{
	return SCAN_OF(range,
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.vec = to_u64(vec),
		.vec_len = NR_REGIONS,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN);
}

static int scanner_start(struct scanner *scanner, const struct range *range,
			 struct page_region *vec)
{
	scanner->pagemap = range->pagemap;
	scanner->own_arg = take(range, vec);
	scanner->arg = &scanner->own_arg;
	return -pthread_create(&scanner->thread, NULL, scanner_main, scanner);
}

static int scanner_finish(struct scanner *scanner)
{
	pthread_join(scanner->thread, NULL);
	return scanner->result;
}

/* The first regions of the answer are those of the pages that were written. */
static bool are_reported(const struct range *range,
			 const struct page_region *vec, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		if (vec[i].start != addr_of(range, 2 * i) ||
		    vec[i].end != addr_of(range, 2 * i + 1))
			return false;
	return true;
}

/* How many of the pages that were written still read so. */
static int nr_written(const struct range *range)
{
	static struct page_region vec[NR_REGIONS];
	struct pm_scan_arg arg = take(range, vec);

	arg.flags = 0;
	return pagemap_scan(range->pagemap, &arg);
}

FIXTURE(midway)
{
	struct memory mem;
	struct range *range;
	struct answer answer;
	struct scanner scanner;
	int uffd;
};

FIXTURE_SETUP(midway)
{
	size_t i;

	self->range = &self->mem.range;
	self->uffd = track(_metadata, &self->mem, &many, MEMORY_WRITTEN, 0, 0);
	for (i = 0; i < NR_PAGES; i += 2)
		store(self->range, i);
	ASSERT_EQ(NR_REGIONS, nr_written(self->range));
}

FIXTURE_TEARDOWN(midway)
{
	answer_free(&self->answer);
	close(self->uffd);
	memory_free(&self->mem);
}

#define ASSERT_WAITS(first_held, mode)					\
do {									\
	ASSERT_EQ(0, answer_make(&self->answer, first_held, mode));	\
	ASSERT_EQ(0, scanner_start(&self->scanner, self->range,		\
				   self->answer.vec));			\
	ASSERT_EQ(0, answer_wait(&self->answer));			\
} while (0)

/* All that is not in the answer is written as before. */
#define ASSERT_DELIVERED(nr)						\
do {									\
	ASSERT_TRUE(are_reported(self->range, self->answer.vec, nr));	\
	ASSERT_EQ(NR_REGIONS - (nr), nr_written(self->range));		\
} while (0)

/* In more than one piece, but in one call. */
TEST_F(midway, nothing_in_the_way_ends_at_the_end)
{
	struct pm_scan_arg arg;

	ASSERT_EQ(0, answer_make(&self->answer, NR_ANSWER - 1,
				 UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_writeprotect(self->answer.uffd, &self->answer.held,
				       false));
	arg = take(self->range, self->answer.vec);
	ASSERT_EQ(NR_REGIONS, pagemap_scan(self->range->pagemap, &arg));
	ASSERT_DELIVERED(NR_REGIONS);
	MAINLINE_DIFFERS("walk_end is that of the last piece but one", true,
			 arg.walk_end < arg.end);
	ASSERT_EQ(arg.end, arg.walk_end);
}

TEST_F(midway, answer_that_is_asked_for_is_complete)
{
	ASSERT_WAITS(0, UFFDIO_REGISTER_MODE_MISSING);
	if (!mainline_kernel()) {
		/* Nobody arms what it may not be able to tell. */
		ASSERT_EQ(NR_REGIONS, nr_written(self->range));
	}
	ASSERT_EQ(0, answer_let_go(&self->answer));
	ASSERT_EQ(NR_REGIONS, scanner_finish(&self->scanner));
	ASSERT_DELIVERED(NR_REGIONS);
}

TEST_F(midway, rest_that_is_asked_for_is_complete)
{
	ASSERT_WAITS(3, UFFDIO_REGISTER_MODE_MISSING);
	if (!mainline_kernel()) {
		ASSERT_DELIVERED(NR_FIRST);
	}
	ASSERT_EQ(0, answer_let_go(&self->answer));
	ASSERT_EQ(NR_REGIONS, scanner_finish(&self->scanner));
	ASSERT_DELIVERED(NR_REGIONS);
}

TEST_F(midway, write_protected_rest_is_complete)
{
	ASSERT_WAITS(3, UFFDIO_REGISTER_MODE_WP);
	if (!mainline_kernel()) {
		ASSERT_DELIVERED(NR_FIRST);
	}
	ASSERT_EQ(0, uffd_writeprotect(self->answer.uffd, &self->answer.held,
				       false));
	ASSERT_EQ(NR_REGIONS, scanner_finish(&self->scanner));
	ASSERT_DELIVERED(NR_REGIONS);
}

TEST_F(midway, argument_that_is_asked_for_comes_before_anything)
{
	static struct page_region vec[NR_REGIONS];
	struct pm_scan_arg *arg;

	ASSERT_EQ(0, answer_make(&self->answer, 0, UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_writeprotect(self->answer.uffd, &self->answer.held,
				       false));
	arg = (void *)self->answer.vec;
	*arg = take(self->range, vec);
	ASSERT_EQ(0, uffd_writeprotect(self->answer.uffd, &self->answer.held,
				       true));
	self->scanner = (struct scanner) {
		.pagemap = self->range->pagemap, .arg = arg,
	};
	ASSERT_EQ(0, pthread_create(&self->scanner.thread, NULL, scanner_main,
				    &self->scanner));
	ASSERT_EQ(0, answer_wait(&self->answer));
	MAINLINE_DIFFERS("arms before it finds out", 0, nr_written(self->range));
	ASSERT_EQ(NR_REGIONS, nr_written(self->range));
	ASSERT_EQ(0, uffd_writeprotect(self->answer.uffd, &self->answer.held,
				       false));
	ASSERT_EQ(NR_REGIONS, scanner_finish(&self->scanner));
	ASSERT_EQ(addr_of(self->range, NR_PAGES), arg->walk_end);
	ASSERT_TRUE(are_reported(self->range, vec, NR_REGIONS));
	ASSERT_EQ(0, nr_written(self->range));
}

/* The part that was delivered counts, and the next call starts behind it. */
#define ASSERT_RESUMES_AFTER_FIRST()					\
do {									\
	int _ret = scanner_finish(&self->scanner);			\
									\
	MAINLINE_DIFFERS("forgets what it could not copy out",		\
			 -EFAULT, _ret);				\
	ASSERT_EQ(NR_FIRST, _ret);					\
	ASSERT_EQ(addr_of(self->range, 2 * NR_FIRST),			\
		  self->scanner.arg->walk_end);				\
	ASSERT_DELIVERED(NR_FIRST);					\
} while (0)

TEST_F(midway, rest_unmapped_meanwhile_stays_written)
{
	ASSERT_WAITS(3, UFFDIO_REGISTER_MODE_MISSING);
	ASSERT_EQ(0, munmap(self->answer.held.addr,
			    self->answer.held.nr * self->answer.held.unit));
	ASSERT_EQ(0, answer_wake(&self->answer));
	ASSERT_RESUMES_AFTER_FIRST();
}

TEST_F(midway, rest_made_read_only_meanwhile_stays_written)
{
	ASSERT_WAITS(3, UFFDIO_REGISTER_MODE_MISSING);
	ASSERT_EQ(0, mprotect(self->answer.held.addr,
			      self->answer.held.nr * self->answer.held.unit,
			      PROT_READ));
	ASSERT_EQ(0, answer_wake(&self->answer));
	ASSERT_RESUMES_AFTER_FIRST();
}

TEST_F(midway, answer_unmapped_meanwhile_changes_nothing)
{
	int ret;

	ASSERT_WAITS(0, UFFDIO_REGISTER_MODE_MISSING);
	ASSERT_EQ(0, munmap(self->answer.held.addr,
			    self->answer.held.nr * self->answer.held.unit));
	ASSERT_EQ(0, answer_wake(&self->answer));
	ret = scanner_finish(&self->scanner);
	ASSERT_EQ(-EFAULT, ret);
	MAINLINE_DIFFERS("forgets what it could not copy out", NR_REGIONS -
			 NR_FIRST, nr_written(self->range));
	ASSERT_EQ(NR_REGIONS, nr_written(self->range));
}

/* Who cannot be told where the scan ended cannot tell what it got, either. */
TEST_F(midway, argument_made_read_only_meanwhile_forgets_nothing)
{
	struct pm_scan_arg *arg;
	int ret;

	arg = mmap(NULL, base_page(), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(arg != MAP_FAILED);
	ASSERT_EQ(0, answer_make(&self->answer, 3,
				 UFFDIO_REGISTER_MODE_MISSING));
	*arg = take(self->range, self->answer.vec);
	self->scanner = (struct scanner) {
		.pagemap = self->range->pagemap, .arg = arg,
	};
	ASSERT_EQ(0, pthread_create(&self->scanner.thread, NULL, scanner_main,
				    &self->scanner));
	ASSERT_EQ(0, answer_wait(&self->answer));
	ASSERT_EQ(0, mprotect(arg, base_page(), PROT_READ));
	ASSERT_EQ(0, answer_let_go(&self->answer));
	ret = scanner_finish(&self->scanner);
	munmap(arg, base_page());
	ASSERT_EQ(-EFAULT, ret);
	MAINLINE_DIFFERS("forgets what it could not tell", 0,
			 nr_written(self->range));
	/* Nor can it be told which pages were none of these. */
	ASSERT_STREQ(pages_all(self->range), pages_written(self->range));
}

static void *toggle_main(void *data)
{
	struct answer *answer = data;
	size_t len = NR_ANSWER * base_page();

	while (!__atomic_load_n(&answer->stop, __ATOMIC_RELAXED)) {
		mprotect(answer->vec, len, PROT_READ);
		mprotect(answer->vec, len, PROT_READ | PROT_WRITE);
	}
	return NULL;
}

/*
 * What could be written to when it was tried, and not when there was something
 * to write: whoever waits for the mmap_lock gets it in the middle of a scan.
 */
TEST_F_TIMEOUT(midway, answer_that_comes_and_goes_forgets_nothing, 120)
{
	struct pm_scan_arg arg;
	pthread_t thread;
	int ret, round, i;

	MAINLINE_SKIPS("forgets what it could not copy out");
	ASSERT_EQ(0, answer_make(&self->answer, NR_ANSWER - 1,
				 UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, uffd_unregister(self->answer.uffd, &self->answer.held));
	ASSERT_EQ(0, pthread_create(&thread, NULL, toggle_main, &self->answer));
	for (round = 0; round < 100; round++) {
		arg = take(self->range, self->answer.vec);
		ret = pagemap_scan(self->range->pagemap, &arg);
		ASSERT_TRUE(ret == -EFAULT || ret > 0);
		if (ret > 0) {
			ASSERT_DELIVERED(ret);
		} else {
			ASSERT_DELIVERED(0);
		}
		for (i = 0; i < ret; i++)
			store(self->range, 2 * i);
	}
	__atomic_store_n(&self->answer.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

/* The writes that come while it waits are found, by it or by the next one. */
TEST_F(midway, stores_meanwhile_are_written)
{
	struct page_region *vec = self->answer.vec;

	ASSERT_WAITS(3, UFFDIO_REGISTER_MODE_MISSING);
	vec = self->answer.vec;
	MAINLINE_SKIPS("scans all of it before it waits");
	store(self->range, 0);			/* was reported already */
	store(self->range, NR_PAGES - 1);	/* is to be reported */
	ASSERT_EQ(0, answer_let_go(&self->answer));
	ASSERT_EQ(NR_REGIONS, scanner_finish(&self->scanner));
	ASSERT_EQ(addr_of(self->range, NR_PAGES - 2), vec[NR_REGIONS - 1].start);
	ASSERT_EQ(addr_of(self->range, NR_PAGES), vec[NR_REGIONS - 1].end);
	ASSERT_WRITTEN("0", self->range);
}

/*
 * The answer lies in what is scanned.  The first part of it is there when the
 * scan comes by, and reported; the last part is written after that.
 */
TEST_F(midway, answer_in_the_scanned_range_is_written)
{
	const size_t first = NR_PAGES - NR_ANSWER;
	struct page_region *vec = (void *)(uintptr_t)addr_of(self->range, first);
	struct pm_scan_arg arg = take(self->range, vec);
	const char *written;
	int ret, i, last;

	ASSERT_EQ(0, answer_make(&self->answer, 3, UFFDIO_REGISTER_MODE_WP));
	ret = pagemap_scan(self->range->pagemap, &arg);
	ASSERT_LT(NR_FIRST, ret);
	ASSERT_TRUE(are_reported(self->range, vec, first / 2));
	last = first + (ret * sizeof(*vec) - 1) / base_page();
	written = pages_written(self->range);
	for (i = first + 3; i <= last; i++)
		ASSERT_TRUE(pages_have(written, i)) TH_LOG("page %d", i);
	ASSERT_FALSE(pages_have(written, first - 2));
}

/* Killed while it waits: what it was told is gone with it, and no more. */
TEST_F(midway, scanner_that_is_killed_takes_nothing_along)
{
	int status;
	pid_t pid;

	ASSERT_EQ(0, answer_make(&self->answer, NR_ANSWER - 1,
				 UFFDIO_REGISTER_MODE_WP));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct answer answer;

		if (answer_make(&answer, 3, UFFDIO_REGISTER_MODE_MISSING) ||
		    scanner_start(&self->scanner, self->range, answer.vec) ||
		    answer_wait(&answer))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status)) TH_LOG("scanner: %x", status);
	MAINLINE_DIFFERS("forgets what it could not copy out", 0,
			 nr_written(self->range));
	ASSERT_EQ(NR_REGIONS - NR_FIRST, nr_written(self->range));
}

/* What is scanned is a child's, which goes away meanwhile. */
FIXTURE(going)
{
	struct tracked_child child;
	struct range *range;
	struct answer answer;
	struct scanner scanner;
};

FIXTURE_SETUP(going)
{
	SKIP_SETUP_IF(missing_wp_async());
	self->range = &self->child.mem.range;
	SKIP_SETUP_IF(tracked_child_start(&self->child, &many, 0, 2, NULL, NULL));
	ASSERT_EQ(NR_REGIONS, nr_written(self->range));
	ASSERT_WAITS(3, UFFDIO_REGISTER_MODE_MISSING);
}

FIXTURE_TEARDOWN(going)
{
	answer_free(&self->answer);
	tracked_child_end(&self->child);
}

/* The scan ends in order with what it has; then there is nothing to scan. */
#define ASSERT_ENDS_IN_ORDER()						\
do {									\
	int _ret;							\
									\
	ASSERT_EQ(0, answer_let_go(&self->answer));			\
	_ret = scanner_finish(&self->scanner);				\
	ASSERT_LE(NR_FIRST, _ret);					\
	ASSERT_TRUE(are_reported(self->range, self->answer.vec, _ret));	\
	/* Mainline's is stale after as many regions as it copies at a time */ \
	if (!mainline_kernel()) {					\
		ASSERT_EQ(addr_of(self->range, 2 * _ret),		\
			  self->scanner.arg->walk_end);			\
	}								\
	_ret = nr_written(self->range);					\
	if (_ret != -ESRCH)						\
		MAINLINE_DIFFERS("finds nothing where there was a process", \
				 0, _ret);				\
	ASSERT_EQ(-ESRCH, _ret);					\
} while (0)

TEST_F(going, killed_while_scanned)
{
	kill(self->child.pid, SIGKILL);
	ASSERT_EQ(self->child.pid, waitpid(self->child.pid, NULL, 0));
	self->child.pid = 0;
	ASSERT_ENDS_IN_ORDER();
}

TEST_F(going, exits_while_scanned)
{
	ASSERT_FALSE(tracked_child_does(&self->child, CHILD_EXIT));
	ASSERT_EQ(self->child.pid, waitpid(self->child.pid, NULL, 0));
	self->child.pid = 0;
	ASSERT_ENDS_IN_ORDER();
}

TEST_F(going, calls_exec_while_scanned)
{
	int status;

	ASSERT_FALSE(tracked_child_does(&self->child, CHILD_EXEC));
	ASSERT_EQ(self->child.pid,
		  waitpid(self->child.pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_ENDS_IN_ORDER();
}

/* Tables that were made for markers go as any others do. */
TEST(page_tables_of_markers_are_counted_and_given_back)
{
	const struct memory_kind huge_hole = {
		.map_flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		.nr = (256UL << 20) / base_page(),
	};
	const long tables = huge_hole.nr * 8 / 1024, slack = 64;
	struct memory mem;
	long before, armed;
	int uffd;

	SKIP_IF(missing_wp_async());
	before = page_tables();
	SKIP_IF(before < 0 ? "no VmPTE" : NULL);
	SKIP_IF(memory_make(&mem, &huge_hole, MEMORY_HOLE));
	uffd = uffd_track(&mem.range, 0, 0);
	ASSERT_LE(0, uffd);
	ASSERT_STREQ(pages_all(&mem.range), pages_take(&mem.range));
	armed = page_tables();
	ASSERT_LE(before + tables, armed);
	ASSERT_GE(before + tables + slack, armed);
	close(uffd);
	memory_free(&mem);
	ASSERT_GE(before + slack, page_tables());
}

TEST_HARNESS_MAIN
