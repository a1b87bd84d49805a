// SPDX-License-Identifier: GPL-2.0
/*
 * Who may do what to whom with PAGEMAP_SCAN: to look takes the right that
 * reading /proc/PID/pagemap takes, which open() asks for; to arm takes the right
 * to attach to the process, each time, whoever opened the file.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>

#include "tracked.h"
#include "tracked_child.h"

#define NOBODY		65534
#define SOMEBODY	65533
#define NS_USER		1	/* who is SOMEBODY outside of the namespace */
#define YAMA_SCOPE	"/proc/sys/kernel/yama/ptrace_scope"

/* Those who scan, and those who are scanned. */
enum who {
	ROOT,
	IS_NOBODY,
	IS_SOMEBODY,
	SETUID_ROOT,		/* nobody by birth, root by a setuid program */
	UNDUMPABLE,		/* nobody, and keeps its memory to itself */
	LETS_ANY,		/* nobody, and lets anybody trace it */
	IN_NS,			/* NS_USER of a user namespace of its own */
	NS_ROOT,		/* root there, nobody outside */
};

static int drop_to(uid_t uid)
{
	return setgroups(0, NULL) || setgid(uid) || setuid(uid);
}

/* Maps root of the namespace to NOBODY, for the caller, from outside. */
static int map_users(pid_t pid)
{
	static const char map[] = "0 65534 1\n1 65533 1\n";
	static const char * const names[] = { "gid_map", "uid_map" };
	char path[64];
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, names[i]);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, map, strlen(map)) < 0)
			return 1;
		close(fd);
	}
	return 0;
}

static int enter_new_namespace(void)
{
	int fds[2], status;
	char byte = 'u';
	pid_t helper;

	if (pipe(fds))
		return 1;
	helper = fork();
	if (!helper)
		_exit(read(fds[0], &byte, 1) != 1 || map_users(getppid()));
	if (unshare(CLONE_NEWUSER) || write(fds[1], &byte, 1) != 1 ||
	    waitpid(helper, &status, 0) != helper || status)
		return 1;
	close(fds[0]);
	close(fds[1]);
	/* To change users hides the memory; what is meant here is the user. */
	return drop_to(NS_USER) || prctl(PR_SET_DUMPABLE, 1);
}

static int join_namespace_of(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 || setns(fd, CLONE_NEWUSER) || drop_to(0);
}

/* Makes the process the one that it is to be; the other is for namespaces. */
static int become(enum who who, pid_t other)
{
	switch (who) {
	case ROOT:
		return 0;
	case IS_NOBODY:
		return drop_to(NOBODY) || prctl(PR_SET_DUMPABLE, 1);
	case IS_SOMEBODY:
		return drop_to(SOMEBODY) || prctl(PR_SET_DUMPABLE, 1);
	case SETUID_ROOT:
		return setresuid(NOBODY, 0, 0) || prctl(PR_SET_DUMPABLE, 0);
	case UNDUMPABLE:
		return drop_to(NOBODY) || prctl(PR_SET_DUMPABLE, 0);
	case LETS_ANY:
		return become(IS_NOBODY, 0) ||
		       prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	case IN_NS:
		return enter_new_namespace();
	case NS_ROOT:
		return join_namespace_of(other);
	}
	return 1;
}

static int become_target(void *who)
{
	return become(*(enum who *)who, 0);
}

FIXTURE(rights)
{
	struct tracked_child child;
	struct range *range;
};

FIXTURE_VARIANT(rights)
{
	enum who scanner;
	enum who target;
	const char *scope;	/* of Yama, or as if there were no Yama */
	bool may_open;
	bool may_arm;
};

#define MAY(scanner_is, target_is, scope_is, open_is, arm_is)		\
{									\
	.scanner = (scanner_is), .target = (target_is),			\
	.scope = (scope_is), .may_open = (open_is), .may_arm = (arm_is), \
}

FIXTURE_VARIANT_ADD(rights, root_may_all) MAY(ROOT, IS_NOBODY, "0", true, true);
FIXTURE_VARIANT_ADD(rights, root_may_all_of_setuid) MAY(ROOT, SETUID_ROOT, "0", true, true);
FIXTURE_VARIANT_ADD(rights, same_user_may_all) MAY(IS_NOBODY, IS_NOBODY, "0", true, true);
FIXTURE_VARIANT_ADD(rights, other_user_may_not) MAY(IS_SOMEBODY, IS_NOBODY, "0", false, false);
FIXTURE_VARIANT_ADD(rights, user_may_not_root) MAY(IS_NOBODY, ROOT, "0", false, false);
FIXTURE_VARIANT_ADD(rights, user_may_not_setuid) MAY(IS_NOBODY, SETUID_ROOT, "0", false, false);
FIXTURE_VARIANT_ADD(rights, undumpable_may_not) MAY(IS_NOBODY, UNDUMPABLE, "0", false, false);
FIXTURE_VARIANT_ADD(rights, ns_root_may_inside) MAY(NS_ROOT, IN_NS, "0", true, true);
FIXTURE_VARIANT_ADD(rights, ns_user_is_others) MAY(IS_NOBODY, IN_NS, "0", false, false);
FIXTURE_VARIANT_ADD(rights, root_may_into_ns) MAY(ROOT, IN_NS, "0", true, true);
FIXTURE_VARIANT_ADD(rights, yama_1_needs_descent) MAY(IS_NOBODY, IS_NOBODY, "1", true, false);
FIXTURE_VARIANT_ADD(rights, yama_1_may_be_waived) MAY(IS_NOBODY, LETS_ANY, "1", true, true);
FIXTURE_VARIANT_ADD(rights, yama_1_lets_root) MAY(ROOT, IS_NOBODY, "1", true, true);
FIXTURE_VARIANT_ADD(rights, yama_2_needs_root) MAY(IS_NOBODY, LETS_ANY, "2", true, false);
FIXTURE_VARIANT_ADD(rights, yama_2_lets_root) MAY(ROOT, IS_NOBODY, "2", true, true);
FIXTURE_VARIANT_ADD(rights, yama_3_lets_nobody) MAY(IS_NOBODY, LETS_ANY, "3", true, false);
FIXTURE_VARIANT_ADD(rights, yama_3_lets_not_even_root) MAY(ROOT, IS_NOBODY, "3", true, false);

/*
 * Returns NULL, or why Yama is not as it is to be.  A scope of 3 stays until the
 * machine is booted again, so it is not set here: sysctl.kernel.yama.ptrace_scope
 * on the kernel's command line does it.
 */
static const char *set_scope(struct memory *mem, const char *scope)
{
	char now = '0';
	int fd;

	fd = open(YAMA_SCOPE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return *scope == '0' ? NULL : "no Yama";
	if (read(fd, &now, 1) != 1)
		now = '?';
	close(fd);
	if (now == *scope)
		return NULL;
	if (now == '3')
		return "Yama's scope is 3, and stays";
	if (*scope == '3')
		return "Yama's scope is not 3, and would stay";
	return memory_set(mem, YAMA_SCOPE, scope) ? "may not set Yama's scope" :
						    NULL;
}

/* All is armed but for page 2. */
FIXTURE_SETUP(rights)
{
	enum who target = variant->target;
	const char *reason;

	SKIP_SETUP_IF(missing_wp_async());
	SKIP_SETUP_IF(geteuid() ? "it takes root to be others" : NULL);
	SKIP_SETUP_IF((target == IN_NS) &&
		      access("/proc/self/ns/user", F_OK) ?
		      "no user namespaces" : NULL);
	self->range = &self->child.mem.range;
	SKIP_SETUP_IF(tracked_child_start(&self->child, &memory_anon, 2, 8,
					  become_target, &target));
	reason = set_scope(&self->child.mem, variant->scope);
	if (reason)
		tracked_child_end(&self->child);
	SKIP_SETUP_IF(reason);
}

FIXTURE_TEARDOWN(rights)
{
	tracked_child_end(&self->child);
}

/* What a scan by the scanner returns; through its own descriptor, or root's. */
static int scan_as(FIXTURE_DATA(rights) *self, enum who who, bool own, __u64 flags)
{
	struct page_region vec[8];
	struct pm_scan_arg arg = SCAN_OF(self->range,
		.flags = flags,
		.vec = to_u64(vec),
		.vec_len = ARRAY_SIZE(vec),
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN);
	int pagemap = self->range->pagemap, status, ret;
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (become(who, self->child.pid))
			_exit(100);
		if (own)
			pagemap = pagemap_open(self->child.pid);
		ret = pagemap < 0 ? pagemap : pagemap_scan(pagemap, &arg);
		_exit(ret < 0 ? 128 - ret : ret);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1000;
	ret = WEXITSTATUS(status);
	return ret > 128 ? 128 - ret : ret;
}

TEST_F(rights, looking_takes_what_open_asks_for)
{
	const int expected = variant->may_open ? 1 : -EACCES;

	ASSERT_EQ(expected, scan_as(self, variant->scanner, true, 0));
	ASSERT_EQ(expected, scan_as(self, variant->scanner, true,
				    PM_SCAN_CHECK_WPASYNC));
	ASSERT_WRITTEN("2", self->range);
}

TEST_F(rights, looking_takes_no_more_than_the_descriptor)
{
	ASSERT_EQ(1, scan_as(self, variant->scanner, false, 0));
	ASSERT_EQ(1, scan_as(self, variant->scanner, false,
			     PM_SCAN_CHECK_WPASYNC));
	ASSERT_WRITTEN("2", self->range);
}

TEST_F(rights, arming_through_a_passed_descriptor)
{
	const int expected = variant->may_arm ? 1 : -EPERM;
	int ret;

	ret = scan_as(self, variant->scanner, false, PM_SCAN_WP_MATCHING);
	if (!variant->may_arm)
		MAINLINE_DIFFERS("open() for reading is right enough", 1, ret);
	ASSERT_EQ(expected, ret);
	ASSERT_WRITTEN(variant->may_arm ? "" : "2", self->range);
	/* The child tracks on, whatever was tried. */
	ASSERT_TRUE(tracked_child_does(&self->child, CHILD_STORE));
	ret = scan_as(self, variant->scanner, false, PM_SCAN_WP_MATCHING |
		      PM_SCAN_CHECK_WPASYNC);
	ASSERT_EQ(expected, ret);
	ASSERT_WRITTEN(variant->may_arm ? "" : "2,5", self->range);
}

TEST_F(rights, arming_through_a_descriptor_of_its_own)
{
	const int refused = variant->may_open ? -EPERM : -EACCES;
	int ret;

	ret = scan_as(self, variant->scanner, true, PM_SCAN_WP_MATCHING);
	if (!variant->may_arm && variant->may_open)
		MAINLINE_DIFFERS("open() for reading is right enough", 1, ret);
	ASSERT_EQ(variant->may_arm ? 1 : refused, ret);
	ASSERT_WRITTEN(variant->may_arm ? "" : "2", self->range);
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

TEST_HARNESS_MAIN
