// SPDX-License-Identifier: GPL-2.0
/* The process that is looked at; see target.h */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stop.h"
#include "target.h"
#include "util.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open	434
#endif

/* How long the helper has once we are asked to stop. */
#define HELPER_MS	500

/* Between two looks whether there is memory, and how many. */
#define EXEC_MS		10
#define EXEC_TRIES	20

/* How long a child of vfork() may take to have memory of its own. */
#define VFORK_MS	500
#define VFORK_STEP_MS	5

/* What the helper says; a descriptor comes with it if error is 0. */
struct report {
	int error;
	int number;
	char why[WHY_LEN];
};

long long target_status(pid_t pid, const char *field, int base)
{
	const size_t len = strlen(field);
	long long value = -1;
	char path[40], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, field, len) || line[len] != ':')
			continue;
		value = strtoull(line + len + 1, NULL, base);
		break;
	}
	fclose(file);
	return value;
}

const char *target_name(pid_t pid)
{
	static char name[64];
	char path[40];
	FILE *file;

	strcpy(name, "?");
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return name;
	if (fgets(name, sizeof(name), file))
		name[strcspn(name, "\n")] = '\0';
	fclose(file);
	clean_text(name);
	return name;
}

/* Whose memory does it have? Its parent's, after vfork(), and before it has its own. */
static bool shares_memory(pid_t pid, pid_t parent)
{
	const int vm = 1 /* KCMP_VM */;

	return parent > 0 && !syscall(SYS_kcmp, pid, parent, vm, 0, 0);
}

/* It has none for a moment while another thread than the first executes a program. */
static bool has_memory(pid_t pid, int pidfd)
{
	int tries = EXEC_TRIES;

	while (target_status(pid, "VmSize", 10) < 0)
		if (!--tries || target_ended(pidfd, EXEC_MS))
			return false;
	return true;
}

/* To watch that memory would be to watch the parent. */
static int wait_for_own_memory(pid_t pid, int pidfd, char *why)
{
	const long long parent = target_status(pid, "PPid", 10);
	int waited;

	for (waited = 0; shares_memory(pid, parent); waited += VFORK_STEP_MS) {
		if (waited > VFORK_MS) {
			because(why, "%d has, for now, the memory of process %lld (vfork)",
				(int)pid, parent);
			return -EINVAL;
		}
		target_ended(pidfd, VFORK_STEP_MS);
	}
	return 0;
}

int target_open(pid_t pid, char *why)
{
	long long group;
	int ret;
	int pidfd;

	group = target_status(pid, "Tgid", 10);
	if (group < 0) {
		because(why, "there is no process %d", (int)pid);
		return -ESRCH;
	}
	if (group != pid) {
		because(why, "%d is a thread of process %lld: give that", (int)pid, group);
		return -EINVAL;
	}
	if (pid == getpid()) {
		because(why, "a process cannot watch itself by ptrace");
		return -EINVAL;
	}
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		because(why, "pidfd_open: %s", strerror(errno));
		return -errno;
	}
	if (!has_memory(pid, pidfd)) {
		close(pidfd);
		because(why, "process %d has no memory: it is a zombie or a kernel thread",
			(int)pid);
		return -ESRCH;
	}
	ret = wait_for_own_memory(pid, pidfd, why);
	if (ret) {
		close(pidfd);
		return ret;
	}
	return pidfd;
}

bool target_ended(int pidfd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

	return poll(&poll_fd, 1, timeout_ms) > 0;
}

static int send_report(int sock, const struct report *report, int fd)
{
	struct iovec iov = { (void *)report, sizeof(*report) };
	char control[CMSG_SPACE(sizeof(int))] = { };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive_report(int sock, struct report *report)
{
	struct iovec iov = { report, sizeof(*report) };
	char control[CMSG_SPACE(sizeof(int))] = { };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	ssize_t got;
	int fd;

	do {
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got != sizeof(*report)) {
		because(report->why, "the helper that uses ptrace died");
		return -ECHILD;
	}
	if (report->error)
		return report->error;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS) {
		because(report->why, "no room for another file descriptor");
		return -EMFILE;
	}
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

static void let_go(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), i;

	for (i = 0; null >= 0 && i < 3; i++)
		dup2(null, i);
}

/*
 * The helper must not be interrupted half-way, with the target's registers not
 * its own. SIGKILL alone can do that, and only if sent to it, not to us.
 */
static void run_helper(int sock, pid_t pid, int pidfd)
{
	struct report report = { };
	sigset_t all;
	int fd;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	/* Whoever reads what we print must not wait for it, if it stays. */
	let_go();
	prctl(PR_SET_NAME, "pagescan-ptrace");
	fd = inject_uffd(pid, pidfd, &report.number, report.why);
	report.error = fd < 0 ? fd : 0;
	send_report(sock, &report, fd);
	_exit(0);
}

/* Something has come; or we are asked to stop, and nothing comes for a while. */
static bool wait_for_report(int sock)
{
	struct pollfd poll_fd = { .fd = sock, .events = POLLIN };

	if (wait_until(UINT64_MAX, sock, -1) != WAKE_STOP)
		return true;
	return poll(&poll_fd, 1, HELPER_MS) > 0;
}

int target_uffd(pid_t pid, int pidfd, int *number, char *why)
{
	struct report report = { };
	int pair[2], ret;
	pid_t helper;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		because(why, "socketpair: %s", strerror(errno));
		return -errno;
	}
	fflush(NULL);
	helper = fork();
	if (helper < 0) {
		ret = -errno;
		because(why, "fork: %s", strerror(errno));
		close(pair[0]);
		close(pair[1]);
		return ret;
	}
	if (!helper)
		run_helper(pair[1], pid, pidfd);
	close(pair[1]);
	if (!wait_for_report(pair[0])) {
		close(pair[0]);
		because(why, "process %d holds up the helper, process %d, %s", (int)pid,
			(int)helper, "which waits to let it go as it was");
		return -EINTR;
	}
	ret = receive_report(pair[0], &report);
	close(pair[0]);
	while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
		;
	if (ret < 0)
		because(why, "%s", report.why);
	*number = report.number;
	return ret;
}

bool target_has_uffd(pid_t pid, int number)
{
	char path[48], link[32] = "";

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, number);
	return readlink(path, link, sizeof(link) - 1) > 0 &&
	       !strcmp(link, "anon_inode:[userfaultfd]");
}

/* Of the children of one thread. */
static pid_t child_with(pid_t pid, const char *tid, int number)
{
	pid_t found = 0;
	char path[64];
	FILE *file;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", (int)pid, tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (!found && fscanf(file, "%d", &child) == 1)
		if (target_has_uffd(child, number))
			found = child;
	fclose(file);
	return found;
}

pid_t target_child_with(pid_t pid, int number)
{
	struct dirent *entry;
	pid_t found = 0;
	char path[40];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while (!found && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			found = child_with(pid, entry->d_name, number);
	closedir(dir);
	return found;
}
