// SPDX-License-Identifier: GPL-2.0
/* The process that is looked at; see target.h */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target.h"
#include "util.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open	434
#endif

/* What the helper says; a descriptor comes with it if error is 0. */
struct report {
	int error;
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
	return name;
}

int target_open(pid_t pid, char *why)
{
	long long group;
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
	if (target_status(pid, "VmSize", 10) < 0) {
		close(pidfd);
		because(why, "process %d has no memory: it is a zombie or a kernel thread",
			(int)pid);
		return -ESRCH;
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
	prctl(PR_SET_NAME, "pagescan-ptrace");
	fd = inject_uffd(pid, pidfd, report.why);
	report.error = fd < 0 ? fd : 0;
	send_report(sock, &report, fd);
	_exit(0);
}

int target_uffd(pid_t pid, int pidfd, char *why)
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
	ret = receive_report(pair[0], &report);
	close(pair[0]);
	while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
		;
	if (ret < 0)
		because(why, "%s", report.why);
	return ret;
}
