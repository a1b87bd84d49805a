// SPDX-License-Identifier: GPL-2.0
/*
 * Make another process do two system calls, and leave no trace; see target.h
 *
 * No code of the process is changed: its thread is sent to a system call
 * instruction that is there anyway, that of the vDSO, and back. Meanwhile its
 * signals wait. What has to be thought of:
 *
 *  - A system call that the stop interrupts. Whether it is restarted, the kernel
 *    decides from the registers, when the thread leaves a stop of its signal
 *    code. So it leaves the last time from such a stop, with its registers.
 *  - Some system calls are not restarted, but fail with EINTR, though no signal
 *    came (see signal(7)). These get the result that has the kernel decide as for
 *    the others: EINTR if a handler runs, else restarted.
 *  - Restartable sequences: inside of one the thread may not be sent away.
 *  - Who filters system calls (seccomp) or has them dispatched to himself
 *    (prctl(2)) could kill the process for ours: there nothing is tried.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#include "inject.h"
#include "target.h"
#include "util.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd	438
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY	1
#endif
#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP	128
#endif

/* Not in all versions of sys/ptrace.h. */
#define REQUEST_GETSIGMASK	0x420a
#define REQUEST_SETSIGMASK	0x420b
#define REQUEST_GET_SYSCALL	0x420e

/* What REQUEST_GET_SYSCALL begins with, at the end of a system call. */
#define SYSCALL_OP_EXIT		2

/* Why a SIGSYS came: see siginfo_t.si_code. */
#define SI_SYS_SECCOMP		1
#define SI_SYS_USER_DISPATCH	2

/* What the kernel returns inside for a call to be restarted if no handler runs. */
#define ERESTARTNOHAND		514

#define STOP_LIMIT_NS		2000000000ULL
/* How long to wait for a moment that is better for the thread's own call. */
#define PATIENCE_NS		500000000ULL
#define TRIES			200

/* What ended a wait. */
enum stop {
	STOP_EVENT,		/* in the kernel's signal code: ours, or a group stop */
	STOP_SYSCALL,		/* at the beginning or the end of a system call */
	STOP_SIGNAL,		/* a signal is about to be delivered */
};

int thread_gone(struct thread *t)
{
	because(t->why, "the process ended meanwhile");
	return -ESRCH;
}

int thread_request(struct thread *t, int what, uintptr_t addr, void *data)
{
	if (ptrace(what, t->tid, (void *)addr, data) >= 0)
		return 0;
	if (errno == ESRCH)
		return thread_gone(t);
	because(t->why, "ptrace: %s", strerror(errno));
	return -errno;
}

static int resume(struct thread *t, int how)
{
	const uintptr_t signal = t->signal;

	t->signal = 0;
	return thread_request(t, how, 0, (void *)signal);
}

/*
 * The next stop of the thread: an enum stop or -errno. Once it is sent away there
 * is no way but to wait; when that takes long, it is asked to stop where it is.
 */
static int wait_stop(struct thread *t)
{
	const uint64_t limit = now_ns() + STOP_LIMIT_NS;
	struct timespec pause = { .tv_nsec = 50000 };
	int status;
	pid_t got;

	while ((got = waitpid(t->tid, &status, __WALL | WNOHANG)) != t->tid) {
		if (got < 0)
			return thread_gone(t);
		if (now_ns() > limit && !t->sent) {
			because(t->why, "it did not stop for 2 s: it hangs in the kernel");
			return -EAGAIN;
		}
		if (now_ns() > limit && !t->late) {
			t->late = true;
			pause.tv_nsec = 10000000;
			ptrace(PTRACE_INTERRUPT, t->tid, NULL, NULL);
		}
		nanosleep(&pause, NULL);
	}
	if (!WIFSTOPPED(status))
		return thread_gone(t);
	if (status >> 16 == PTRACE_EVENT_STOP)
		return STOP_EVENT;
	if (WSTOPSIG(status) == (SIGTRAP | 0x80))
		return STOP_SYSCALL;
	t->signal = WSTOPSIG(status);
	return STOP_SIGNAL;
}

static int get_regs(struct thread *t, struct user_regs_struct *regs)
{
	return thread_request(t, PTRACE_GETREGS, 0, regs);
}

static int set_regs(struct thread *t, struct user_regs_struct *regs)
{
	return thread_request(t, PTRACE_SETREGS, 0, regs);
}

/*
 * In a stop of the signal code: read its registers. If its system call fails only
 * for us, give it the result of one that waits for a signal: then the kernel
 * decides, whenever the thread leaves, and with what is pending by then.
 */
static int own_regs(struct thread *t)
{
	int ret = get_regs(t, &t->regs);

	if (ret || !call_failed_for_us(t))
		return ret;
	t->regs.rax = -(long)ERESTARTNOHAND;
	return set_regs(t, &t->regs);
}

/* Stop the thread in the kernel's signal code, delivering what comes before. */
static int interrupt(struct thread *t)
{
	int ret = thread_request(t, PTRACE_INTERRUPT, 0, NULL);

	while (!ret) {
		ret = wait_stop(t);
		if (ret < 0)
			return ret;
		if (ret == STOP_EVENT)
			return own_regs(t);
		/* Also for us a signal comes that it ignores. */
		ret = own_regs(t);
		if (!ret)
			ret = resume(t, PTRACE_CONT);
	}
	return ret;
}

static bool may_filter(struct thread *t)
{
	return target_status(t->tid, "Seccomp", 10) > 0;
}

static int filtered(struct thread *t)
{
	because(t->why, "its system calls are filtered (seccomp): ours could end it");
	return -EOPNOTSUPP;
}

static int frozen(struct thread *t)
{
	because(t->why, "its control group is frozen");
	return -EAGAIN;
}

static int stop_safely(struct thread *t)
{
	const struct timespec pause = { .tv_nsec = 300000 };
	char where[WHY_LEN];
	int i, ret;

	for (i = 0; i < TRIES; i++) {
		ret = interrupt(t);
		if (ret)
			return ret;
		if (may_filter(t))
			return filtered(t);
		if (target_frozen(t->tid))
			return frozen(t);
		ret = thread_place(t);
		if (ret != -EAGAIN)
			return ret;
		ret = resume(t, PTRACE_CONT);
		if (ret)
			return ret;
		nanosleep(&pause, NULL);
	}
	memcpy(where, t->why, sizeof(where));
	because(t->why, "there was no moment to interrupt it: %.200s", where);
	return -EBUSY;
}

static bool refuses(int si_code)
{
	return si_code == SI_SYS_USER_DISPATCH || si_code == SI_SYS_SECCOMP;
}

/*
 * A SIGSYS is about to be delivered. Either it says that the thread may not do
 * our call, or somebody has sent it, for later.
 */
static int take_sigsys(struct thread *t)
{
	siginfo_t info = { };

	t->signal = 0;
	if (ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info) || !refuses(info.si_code)) {
		t->has_held = true;
		t->held = info;
		return 0;
	}
	because(t->why, "its system calls are dispatched to itself (prctl(2))");
	t->settled = true;
	return -EOPNOTSUPP;
}

/*
 * The thread is on its way to, or from, a system call that we sent it to; take
 * it to where the call begins or ends. Of signals only those come that cannot be
 * kept waiting. In any other stop on this way, the call was not entered yet.
 */
static int next_syscall_stop(struct thread *t)
{
	int ret;

	for (;;) {
		ret = resume(t, PTRACE_SYSCALL);
		if (!ret)
			ret = wait_stop(t);
		if (ret == STOP_SYSCALL || ret < 0)
			return ret < 0 ? ret : 0;
		if (ret == STOP_EVENT && t->late && target_frozen(t->tid)) {
			t->settled = true;
			return frozen(t);
		}
		t->late = t->late && ret != STOP_EVENT;
		if (ret != STOP_SIGNAL || t->signal != SIGSYS)
			continue;
		ret = take_sigsys(t);
		if (ret)
			return ret;
	}
}

/* Take it to the end of the system call. */
static int finish_syscall(struct thread *t)
{
	uint8_t info[128] = { };
	int ret;

	do {
		ret = next_syscall_stop(t);
		if (!ret)
			ret = thread_request(t, REQUEST_GET_SYSCALL, sizeof(info), info);
	} while (!ret && info[0] != SYSCALL_OP_EXIT);
	return ret;
}

/* Have the thread do a system call; 0 and what that returns, or -errno. */
static int do_syscall(struct thread *t, int nr, uint64_t arg, long *result)
{
	struct user_regs_struct regs = t->regs;
	int ret;

	regs.rip = t->insn;
	regs.rax = nr;
	/* What it was in before does not count: it is not to be restarted. */
	regs.orig_rax = -1;
	regs.rdi = arg;
	if (t->narrow)
		regs.rbx = arg;
	t->sent = true;
	ret = set_regs(t, &regs);
	if (!ret)
		ret = finish_syscall(t);
	if (!ret)
		ret = get_regs(t, &regs);
	if (ret)
		return ret;
	*result = t->narrow ? (int)regs.rax : (long)regs.rax;
	return 0;
}

/*
 * Have it close its own. Not if another thread has closed it, which can have
 * something else by that number by now.
 */
static int close_there(struct thread *t, int made)
{
	long closed;
	int ret;

	if (!target_has_uffd(t->tid, made))
		return 0;
	ret = do_syscall(t, t->narrow ? 6 : 3, made, &closed);
	if (!ret && !closed)
		return 0;
	if (ret == -ESRCH)
		return ret;
	because(t->why, "%s: it still has its userfaultfd, number %d",
		ret == -EAGAIN ? "its control group was frozen meanwhile" : "close() failed",
		made);
	return ret ? ret : -EIO;
}

static int take_uffd(struct thread *t, int pidfd)
{
	int ret, uffd;
	long made;

	ret = do_syscall(t, t->narrow ? 374 : 323, O_CLOEXEC | UFFD_USER_MODE_ONLY, &made);
	if (ret)
		return ret;
	if (made < 0) {
		because(t->why, "userfaultfd() in the process: %s", strerror(-made));
		return made == -ENOSYS ? -EOPNOTSUPP : (int)made;
	}
	t->number = made;
	uffd = syscall(SYS_pidfd_getfd, pidfd, (int)made, 0);
	if (uffd < 0) {
		ret = -errno;
		because(t->why, "pidfd_getfd: %s", strerror(errno));
	} else if (!target_has_uffd(getpid(), uffd)) {
		ret = -EAGAIN;
		because(t->why, "another thread closed the userfaultfd");
	} else {
		ret = close_there(t, made);
	}
	if (uffd < 0)
		close_there(t, made);
	if (ret && uffd >= 0)
		close(uffd);
	return ret ? ret : uffd;
}

/*
 * Have it get the SIGSYS that it was sent, with what came with it; it then stops
 * to be given that. Where it blocks that, it waits, from us.
 */
static void send_held(struct thread *t)
{
	const bool blocked = t->sigmask & 1ULL << (SIGSYS - 1);
	int ret;

	if (blocked && !syscall(SYS_rt_tgsigqueueinfo, t->tid, t->tid, SIGSYS, &t->held))
		return;
	ret = syscall(SYS_tgkill, t->tid, t->tid, SIGSYS);
	while (!blocked && !ret && t->signal != SIGSYS) {
		ret = resume(t, PTRACE_CONT);
		if (!ret)
			ret = wait_stop(t) < 0;
	}
	if (t->signal == SIGSYS)
		ptrace(PTRACE_SETSIGINFO, t->tid, NULL, &t->held);
}

/*
 * Give the thread what is its own, and take it into the signal code, where the
 * kernel sees to system calls; that comes before user mode. It is told to go there
 * first, which holds even if we are killed then.
 */
static void settle(struct thread *t)
{
	int ret = 0;

	if (!t->settled)
		ret = thread_request(t, PTRACE_INTERRUPT, 0, NULL);
	if (!ret)
		ret = thread_request(t, REQUEST_SETSIGMASK, sizeof(t->sigmask), &t->sigmask);
	if (!ret)
		ret = set_regs(t, &t->regs);
	t->sent = false;
	if (!ret && !t->settled) {
		ret = resume(t, PTRACE_CONT);
		if (!ret)
			ret = wait_stop(t);
	}
	if (ret >= 0 && t->has_held)
		send_held(t);
}

static int inject(struct thread *t, int pidfd)
{
	uint64_t mask = ~(1ULL << (SIGSYS - 1));
	char why[WHY_LEN];
	int ret;

	ret = thread_request(t, REQUEST_GETSIGMASK, sizeof(t->sigmask), &t->sigmask);
	if (ret)
		return ret;
	ret = thread_request(t, REQUEST_SETSIGMASK, sizeof(mask), &mask);
	if (!ret)
		ret = take_uffd(t, pidfd);
	/* What goes wrong from here on has another reason, or none that matters. */
	memcpy(why, t->why, sizeof(why));
	settle(t);
	memcpy(t->why, why, sizeof(why));
	return ret;
}

static int seize(struct thread *t)
{
	const long long tracer = target_status(t->tid, "TracerPid", 10);
	const struct timespec pause = { .tv_nsec = 2000000 };
	int tries = 10;

	if (tracer > 0) {
		because(t->why, "process %lld traces it already", tracer);
		return -EBUSY;
	}
	/* Also while another thread executes a program there is no right, for a moment. */
	do {
		if (!ptrace(PTRACE_SEIZE, t->tid, NULL, (void *)PTRACE_O_TRACESYSGOOD))
			return 0;
		if (errno != EPERM)
			break;
		nanosleep(&pause, NULL);
		errno = EPERM;
	} while (--tries);
	if (errno == ESRCH)
		return thread_gone(t);
	because(t->why, "no right to trace it (ptrace: %s)", strerror(errno));
	return -errno;
}

static void be_patient(pid_t tid)
{
	const uint64_t limit = now_ns() + PATIENCE_NS;
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (call_would_be_cut(tid) && now_ns() < limit)
		nanosleep(&pause, NULL);
}

int inject_uffd(pid_t pid, int pidfd, int *number, char *why)
{
	struct thread t = { .tid = pid, .mem = -1, .why = why };
	int ret;

	if (may_filter(&t))
		return filtered(&t);
	if (target_frozen(pid))
		return frozen(&t);
	be_patient(pid);
	ret = seize(&t);
	if (!ret) {
		ret = stop_safely(&t);
		if (!ret)
			ret = inject(&t, pidfd);
		/* From a stop in the signal code. */
		ptrace(PTRACE_DETACH, t.tid, NULL, (void *)(uintptr_t)t.signal);
	}
	if (t.mem >= 0)
		close(t.mem);
	*number = t.number;
	return ret;
}
