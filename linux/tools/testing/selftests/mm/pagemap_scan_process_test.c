// SPDX-License-Identifier: GPL-2.0
/*
 * PAGEMAP_SCAN on another process, and what becomes of it when that process goes
 * away; and signals to the one that scans.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

#include "tracked.h"
#include "tracked_child.h"

/* All of the child's memory is armed but for page 2. */
FIXTURE(process)
{
	struct tracked_child child;
	struct range *range;
};

FIXTURE_SETUP(process)
{
	SKIP_SETUP_IF(missing_wp_async());
	self->range = &self->child.mem.range;
	SKIP_SETUP_IF(tracked_child_start(&self->child, &memory_anon, 2, 8,
					  NULL, NULL));
}

FIXTURE_TEARDOWN(process)
{
	tracked_child_end(&self->child);
}

static struct pm_scan_arg whole(FIXTURE_DATA(process) *self, __u64 flags)
{
	return SCAN_OF(self->range,
		.flags = flags,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN);
}

TEST_F(process, is_read_and_armed_from_outside)
{
	ASSERT_WRITTEN("2", self->range);
	ASSERT_STREQ("2", pages_take(self->range));
	ASSERT_WRITTEN("", self->range);
	ASSERT_TRUE(tracked_child_does(&self->child, CHILD_STORE));
	ASSERT_WRITTEN("5", self->range);
}

/* Of mainline, 6.12 finds nothing there; 6.18 says what we say. */
#define ASSERT_GONE(result)						\
do {									\
	const int _result = (result);					\
									\
	if (_result != -ESRCH)						\
		MAINLINE_DIFFERS("finds nothing where there was a process", \
				 0, _result);				\
	ASSERT_EQ(-ESRCH, _result);					\
} while (0)

TEST_F(process, exited_is_esrch)
{
	struct pm_scan_arg arg = whole(self, 0);

	kill(self->child.pid, SIGKILL);
	ASSERT_EQ(self->child.pid, waitpid(self->child.pid, NULL, 0));
	self->child.pid = 0;
	ASSERT_GONE(pagemap_scan(self->range->pagemap, &arg));
	arg.flags = PM_SCAN_WP_MATCHING;
	ASSERT_EQ(-ESRCH, pagemap_scan(self->range->pagemap, &arg));
}

/* exec() is over, and the old address space gone, once the child is stopped. */
TEST_F(process, that_called_exec_is_esrch)
{
	struct pm_scan_arg arg = whole(self, 0);
	int status;

	ASSERT_FALSE(tracked_child_does(&self->child, CHILD_EXEC));
	ASSERT_EQ(self->child.pid,
		  waitpid(self->child.pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_GONE(pagemap_scan(self->range->pagemap, &arg));
}

static atomic_int nr_signals;

static void count_signal(int sig)
{
	atomic_fetch_add(&nr_signals, 1);
}

/* A signal with a handler must not cut a scan short: callers expect none. */
TEST_F_TIMEOUT(process, signals_do_not_cut_a_scan_short, 120)
{
	const struct itimerval often = {
		.it_interval.tv_usec = 2000,
		.it_value.tv_usec = 2000,
	}, never = { };
	const struct memory_kind many = {
		.map_flags = MAP_PRIVATE | MAP_ANONYMOUS,
		.nr = 4096,
	};
	const struct sigaction action = { .sa_handler = count_signal };
	struct memory mem;
	int uffd, i;

	SKIP_IF(memory_make(&mem, &many, MEMORY_WRITTEN));
	uffd = uffd_track(&mem.range, 0, 0);
	ASSERT_LE(0, uffd);
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	for (i = 0; i < 500 || atomic_load(&nr_signals) < 20; i++) {
		struct pm_scan_arg arg = SCAN_OF(&mem.range,
			.flags = PM_SCAN_WP_MATCHING,
			.category_mask = PAGE_IS_WRITTEN);

		ASSERT_EQ(0, pagemap_scan(mem.range.pagemap, &arg));
		ASSERT_EQ(arg.end, arg.walk_end);
	}
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
	ASSERT_STREQ("", pages_written(&mem.range));
	close(uffd);
	memory_free(&mem);
}

TEST_HARNESS_MAIN
