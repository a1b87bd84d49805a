// SPDX-License-Identifier: GPL-2.0
/*
 * PAGEMAP_SCAN on another process: what it may do, and what becomes of it when
 * that process goes away; and signals to the one that scans.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "tracked.h"

#define NOBODY		65534
#define REPORT_DONE	'd'

/*
 * A child with memory at an address known to both, all armed but for page 2.
 * It takes one command at a time from the socket, and answers.
 */
FIXTURE(process)
{
	struct memory mem;
	struct range *range;
	int uffd;
	int sock;
	pid_t child;
};

static void child_main(struct memory *mem, int sock)
{
	char command;
	int uffd;

	close(mem->range.pagemap);
	mem->range.pagemap = pagemap_open(0);
	uffd = uffd_track(&mem->range, 0, 0);
	pages_take(&mem->range);
	store(&mem->range, 2);
	command = REPORT_DONE;
	while (uffd >= 0 && write(sock, &command, 1) == 1 &&
	       read(sock, &command, 1) == 1) {
		switch (command) {
		case 's':
			store(&mem->range, 5);
			break;
		case 'e':
			execl("/proc/self/exe", "test", "--wait", NULL);
			_exit(1);
		default:
			_exit(0);
		}
		command = REPORT_DONE;
	}
	_exit(0);
}

static bool child_does(int sock, char command)
{
	char answer;

	return write(sock, &command, 1) == 1 &&
	       read(sock, &answer, 1) == 1 && answer == REPORT_DONE;
}

FIXTURE_SETUP(process)
{
	int socks[2];
	char answer;

	SKIP_SETUP_IF(missing_wp_async());
	self->range = &self->mem.range;
	SKIP_SETUP_IF(memory_make(&self->mem, &memory_anon, MEMORY_WRITTEN));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	self->child = fork();
	ASSERT_LE(0, self->child);
	if (!self->child) {
		close(socks[0]);
		child_main(&self->mem, socks[1]);
	}
	close(socks[1]);
	self->sock = socks[0];
	ASSERT_EQ(1, read(self->sock, &answer, 1));
	close(self->range->pagemap);
	self->range->pagemap = pagemap_open(self->child);
	ASSERT_LE(0, self->range->pagemap);
}

FIXTURE_TEARDOWN(process)
{
	close(self->sock);
	kill(self->child, SIGKILL);
	waitpid(self->child, NULL, 0);
	memory_free(&self->mem);
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
	ASSERT_TRUE(child_does(self->sock, 's'));
	ASSERT_WRITTEN("5", self->range);
}

TEST_F(process, exited_is_esrch)
{
	struct pm_scan_arg arg = whole(self, 0);

	kill(self->child, SIGKILL);
	ASSERT_EQ(self->child, waitpid(self->child, NULL, 0));
	MAINLINE_DIFFERS("finds nothing where there was a process", 0,
			 pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(-ESRCH, pagemap_scan(self->range->pagemap, &arg));
	arg.flags = PM_SCAN_WP_MATCHING;
	ASSERT_EQ(-ESRCH, pagemap_scan(self->range->pagemap, &arg));
}

/* exec() is over, and the old address space gone, once the child is stopped. */
TEST_F(process, that_called_exec_is_esrch)
{
	struct pm_scan_arg arg = whole(self, 0);
	int status;

	ASSERT_EQ(1, write(self->sock, "e", 1));
	ASSERT_EQ(self->child, waitpid(self->child, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	MAINLINE_DIFFERS("finds nothing where there was a process", 0,
			 pagemap_scan(self->range->pagemap, &arg));
	ASSERT_EQ(-ESRCH, pagemap_scan(self->range->pagemap, &arg));
}

/*
 * Runs one scan of the child as somebody without rights, with the descriptor
 * that root opened; what pagemap_scan() returned comes back as exit status.
 */
static int scan_as_nobody(FIXTURE_DATA(process) *self, __u64 flags)
{
	struct page_region vec[8];
	struct pm_scan_arg arg = whole(self, flags);
	int status, ret;
	pid_t pid;

	arg.vec = to_u64(vec);
	arg.vec_len = 8;
	pid = fork();
	if (!pid) {
		if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
			_exit(100);
		ret = pagemap_scan(self->range->pagemap, &arg);
		_exit(ret < 0 ? 128 - ret : ret);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	ret = WEXITSTATUS(status);
	return ret > 128 ? 128 - ret : ret;
}

TEST_F(process, reading_takes_the_right_that_open_had)
{
	ASSERT_EQ(1, scan_as_nobody(self, 0));
	ASSERT_WRITTEN("2", self->range);
}

TEST_F(process, arming_without_the_right_to_attach_is_eperm)
{
	int ret = scan_as_nobody(self, PM_SCAN_WP_MATCHING);

	MAINLINE_DIFFERS("open() for reading is right enough", 1, ret);
	ASSERT_EQ(-EPERM, ret);
	ASSERT_WRITTEN("2", self->range);
}

TEST_F(process, arming_with_check_needs_the_right_too)
{
	int ret = scan_as_nobody(self, PM_SCAN_WP_MATCHING |
				 PM_SCAN_CHECK_WPASYNC);

	MAINLINE_DIFFERS("open() for reading is right enough", 1, ret);
	ASSERT_EQ(-EPERM, ret);
	ASSERT_WRITTEN("2", self->range);
}

/* A process always has this right on itself, whatever else it gave up. */
TEST(own_memory_is_armed_without_any_right)
{
	struct memory mem;
	int uffd, status;
	pid_t pid;

	SKIP_IF(missing_wp_async());
	SKIP_IF(memory_make(&mem, &memory_anon, MEMORY_WRITTEN));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		uffd = uffd_track(&mem.range, 0, 0);
		close(mem.range.pagemap);
		mem.range.pagemap = pagemap_open(0);
		if (uffd < 0 || mem.range.pagemap < 0 ||
		    setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY) ||
		    prctl(PR_SET_DUMPABLE, 0))
			_exit(1);
		if (strcmp("0-7", pages_take(&mem.range)))
			_exit(2);
		store(&mem.range, 4);
		if (strcmp("4", pages_take(&mem.range)))
			_exit(3);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_EQ(0, WEXITSTATUS(status));
	memory_free(&mem);
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

/* The program that the child of a test runs after exec(). */
static void __attribute__((constructor)) wait_if_told(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--wait")) {
		raise(SIGSTOP);
		_exit(0);
	}
}

TEST_HARNESS_MAIN
