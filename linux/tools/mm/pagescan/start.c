// SPDX-License-Identifier: GPL-2.0
/*
 * A command that is started to be recorded; see start.h
 *
 * What it writes is known from when its userfaultfd has been made, which takes
 * until the command is executed, and then a while. So it is held: it is traced by
 * us until the exec, which stops it, and then it stays stopped by SIGSTOP, as only
 * one can trace it. Should we be killed meanwhile, it is sent SIGCONT.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "start.h"
#include "stop.h"
#include "target.h"
#include "util.h"

/* How long one that was sent the same signal as we has to end. */
#define GRACE_MS	200

static bool tell(int to, int what)
{
	return write(to, &what, sizeof(what)) == sizeof(what);
}

static bool told(int from, int *what)
{
	return read(from, what, sizeof(*what)) == sizeof(*what);
}

/* In the child: become the command. Says whether it is traced; then, why it failed. */
static void __attribute__((noreturn)) become(char **argv, int to)
{
	sigset_t none;
	int error;

	/* Where Yama lets only parents trace: the helper is not one, but ours. */
	prctl(PR_SET_PTRACER, getppid());
	prctl(PR_SET_PDEATHSIG, SIGCONT);
	if (!tell(to, !ptrace(PTRACE_TRACEME, 0, NULL, NULL)))
		_exit(EXIT_TROUBLE);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
	error = errno;
	tell(to, error);
	_exit(error == ENOENT ? 127 : 126);
}

/* Have it stop once it has executed the command. False if it never does. */
static bool hold(pid_t pid)
{
	siginfo_t info;
	int status;

	for (;;) {
		/* What has ended is left to be waited for. */
		if (waitid(P_PID, pid, &info, WEXITED | WSTOPPED | WNOWAIT)) {
			if (errno == EINTR)
				continue;
			return false;
		}
		if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED)
			return false;
		waitpid(pid, &status, 0);
		if (info.si_status == SIGTRAP)
			return !ptrace(PTRACE_DETACH, pid, NULL, (void *)(uintptr_t)SIGSTOP);
		ptrace(PTRACE_CONT, pid, NULL, (void *)(uintptr_t)info.si_status);
	}
}

pid_t start_command(char **argv, int *status)
{
	int ends[2], traced = 0, error = 0;
	bool failed = false;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		die(EXIT_TROUBLE, "pipe: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die(EXIT_TROUBLE, "fork: %s", strerror(errno));
	if (!pid)
		become(argv, ends[1]);
	close(ends[1]);
	if (told(ends[0], &traced) && traced)
		failed = !hold(pid);
	/* The other end is closed by the exec, or says why there was none. */
	if (told(ends[0], &error)) {
		complain("%s: %s", argv[0], strerror(error));
		failed = true;
	}
	close(ends[0]);
	if (!failed)
		return pid;
	*status = start_wait(pid);
	return 0;
}

void start_go(pid_t pid)
{
	kill(pid, SIGCONT);
}

int start_wait(pid_t pid)
{
	const int pidfd = syscall(SYS_pidfd_open, pid, 0);
	int status;

	/* What has ended the recording was not meant for this. */
	stop_forget();
	if (pidfd >= 0 && wait_until(UINT64_MAX, pidfd, -1) == WAKE_STOP &&
	    !target_ended(pidfd, GRACE_MS)) {
		close(pidfd);
		say("process %d goes on by itself", (int)pid);
		return 128 + stop_asked();
	}
	if (pidfd >= 0)
		close(pidfd);
	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return EXIT_TROUBLE;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
