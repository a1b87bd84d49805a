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
 *    came (see signal(7)). These are made again by hand, if no signal waits.
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
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#include "inject.h"
#include "maps.h"
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
#define REQUEST_GET_RSEQ	0x420f

/* What REQUEST_GET_SYSCALL begins with, at the end of a system call. */
#define SYSCALL_OP_EXIT		2

/* Why a SIGSYS came: see siginfo_t.si_code. */
#define SI_SYS_SECCOMP		1
#define SI_SYS_USER_DISPATCH	2

/* The segment of code of 64 and of 32 bits. */
#define CS_64			0x33
#define CS_32			0x23

#define STOP_LIMIT_NS		2000000000ULL
#define TRIES			200

/* What ended a wait. */
enum stop {
	STOP_EVENT,		/* in the kernel's signal code: ours, or a group stop */
	STOP_SYSCALL,		/* at the beginning or the end of a system call */
	STOP_SIGNAL,		/* a signal is about to be delivered */
};

static int gone(struct thread *t)
{
	because(t->why, "the process ended meanwhile");
	return -ESRCH;
}

static int request(struct thread *t, int what, uintptr_t addr, void *data)
{
	if (ptrace(what, t->tid, (void *)addr, data) >= 0)
		return 0;
	if (errno == ESRCH)
		return gone(t);
	because(t->why, "ptrace: %s", strerror(errno));
	return -errno;
}

static int resume(struct thread *t, int how)
{
	const uintptr_t signal = t->signal;

	t->signal = 0;
	return request(t, how, 0, (void *)signal);
}

/* The next stop of the thread: an enum stop or -errno. */
static int wait_stop(struct thread *t)
{
	const uint64_t limit = now_ns() + STOP_LIMIT_NS;
	const struct timespec pause = { .tv_nsec = 50000 };
	int status;
	pid_t got;

	while ((got = waitpid(t->tid, &status, __WALL | WNOHANG)) != t->tid) {
		if (got < 0)
			return gone(t);
		/* Once it is sent away there is no way but to wait. */
		if (!t->sent && now_ns() > limit) {
			because(t->why, "it did not stop for 2 s: it hangs in the kernel");
			return -EAGAIN;
		}
		nanosleep(&pause, NULL);
	}
	if (!WIFSTOPPED(status))
		return gone(t);
	if (status >> 16 == PTRACE_EVENT_STOP)
		return STOP_EVENT;
	if (WSTOPSIG(status) == (SIGTRAP | 0x80))
		return STOP_SYSCALL;
	t->signal = WSTOPSIG(status);
	return STOP_SIGNAL;
}

/* Stop the thread in the kernel's signal code, delivering what comes before. */
static int interrupt(struct thread *t)
{
	int ret = request(t, PTRACE_INTERRUPT, 0, NULL);

	while (!ret) {
		ret = wait_stop(t);
		if (ret == STOP_EVENT || ret < 0)
			return ret < 0 ? ret : 0;
		ret = resume(t, PTRACE_CONT);
	}
	return ret;
}

static int get_regs(struct thread *t, struct user_regs_struct *regs)
{
	return request(t, PTRACE_GETREGS, 0, regs);
}

static int set_regs(struct thread *t, struct user_regs_struct *regs)
{
	return request(t, PTRACE_SETREGS, 0, regs);
}

/* The thread is as it was, but for the stop that it is in. */
static int restore(struct thread *t)
{
	int mask = request(t, REQUEST_SETSIGMASK, sizeof(t->sigmask), &t->sigmask);
	int regs = set_regs(t, &t->regs);

	t->sent = false;
	return mask ? mask : regs;
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

/* Inside a restartable sequence the kernel would abort it behind its back. */
static bool in_rseq(struct thread *t)
{
	struct { uint64_t addr; uint32_t size, signature, flags, pad; } conf = { };
	struct { uint32_t version, flags; uint64_t start, length, abort; } cs;
	uint64_t pointer;

	if (ptrace(REQUEST_GET_RSEQ, t->tid, sizeof(conf), &conf) <= 0 || !conf.addr)
		return false;
	/* struct rseq: cpu_id_start, cpu_id, then the pointer */
	if (pread(t->mem, &pointer, sizeof(pointer), conf.addr + 8) != sizeof(pointer) ||
	    !pointer)
		return false;
	if (pread(t->mem, &cs, sizeof(cs), pointer) != sizeof(cs))
		return true;
	return t->regs.rip - cs.start < cs.length;
}

/* Look for two bytes in a mapping; its address, or 0. */
static uint64_t find_bytes(struct thread *t, const struct vma *vma, const char *bytes)
{
	size_t len = vma->end - vma->start;
	uint64_t found = 0;
	ssize_t got;
	char *code, *at;

	code = xcalloc(len, 1);
	got = pread(t->mem, code, len, vma->start);
	at = got > 0 ? memmem(code, got, bytes, 2) : NULL;
	if (at)
		found = vma->start + (at - code);
	free(code);
	return found;
}

/* Where is an instruction for a system call, of the width that runs now? */
static int find_insn(struct thread *t)
{
	struct maps maps = { };
	char path[40];
	size_t i;
	int fd;

	t->insn = 0;
	t->narrow = t->regs.cs == CS_32;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)t->tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return gone(t);
	maps_read(&maps, fd);
	close(fd);
	for (i = 0; i < maps.nr && !t->insn; i++)
		if (!strcmp(maps.v[i].name, "[vdso]"))
			t->insn = find_bytes(t, &maps.v[i], t->narrow ? "\xcd\x80" : "\x0f\x05");
	maps_free(&maps);
	if (t->insn)
		return 0;
	because(t->why, "it has no vDSO of %d bits to do a system call with", t->narrow ? 32 : 64);
	return -EOPNOTSUPP;
}

/* Its memory, which is that of another program once it has executed that. */
static int open_mem(struct thread *t)
{
	char path[40];

	if (t->mem >= 0)
		close(t->mem);
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)t->tid);
	t->mem = open(path, O_RDONLY | O_CLOEXEC);
	if (t->mem >= 0)
		return 0;
	if (errno == ENOENT || errno == ESRCH)
		return gone(t);
	because(t->why, "no right to its memory (%s: %s)", path, strerror(errno));
	return -errno;
}

/*
 * Stopped: is this a point from which it may be sent away? 0, -EAGAIN for not
 * here, or -errno.
 */
static int look_around(struct thread *t)
{
	int ret = get_regs(t, &t->regs);

	if (!ret)
		ret = open_mem(t);
	if (ret)
		return ret;
	if (t->regs.cs != CS_64 && t->regs.cs != CS_32)
		return -EAGAIN;
	if (may_filter(t))
		return filtered(t);
	if (in_rseq(t))
		return -EAGAIN;
	return find_insn(t);
}

static int stop_safely(struct thread *t)
{
	const struct timespec pause = { .tv_nsec = 300000 };
	int i, ret;

	for (i = 0; i < TRIES; i++) {
		ret = interrupt(t);
		if (ret)
			return ret;
		ret = look_around(t);
		if (ret != -EAGAIN)
			return ret;
		ret = resume(t, PTRACE_CONT);
		if (ret)
			return ret;
		nanosleep(&pause, NULL);
	}
	because(t->why, "there was no moment at which it could be interrupted safely");
	return -EBUSY;
}

static bool refuses(int si_code)
{
	return si_code == SI_SYS_USER_DISPATCH || si_code == SI_SYS_SECCOMP;
}

/*
 * The thread is on its way to, or from, a system call that we sent it to; take
 * it to where the call begins or ends. Of signals only those come that cannot be
 * kept waiting. SIGSYS says that it may not do this call.
 */
static int next_syscall_stop(struct thread *t)
{
	siginfo_t info;
	int ret;

	for (;;) {
		ret = resume(t, PTRACE_SYSCALL);
		if (ret)
			return ret;
		ret = wait_stop(t);
		if (ret < 0)
			return ret;
		if (ret == STOP_SYSCALL)
			return 0;
		if (ret == STOP_EVENT || t->signal != SIGSYS)
			continue;
		/* One that somebody sent is still to be delivered. */
		if (!ptrace(PTRACE_GETSIGINFO, t->tid, NULL, &info) && refuses(info.si_code))
			t->signal = 0;
		because(t->why, "its system calls are dispatched to itself (prctl(2))");
		t->refused = true;
		return -EOPNOTSUPP;
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
			ret = request(t, REQUEST_GET_SYSCALL, sizeof(info), info);
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

static int take_uffd(struct thread *t, int pidfd)
{
	long made, closed;
	int ret, uffd;

	ret = do_syscall(t, t->narrow ? 374 : 323, O_CLOEXEC | UFFD_USER_MODE_ONLY, &made);
	if (ret)
		return ret;
	if (made < 0) {
		because(t->why, "userfaultfd() in the process: %s", strerror(-made));
		return made == -ENOSYS ? -EOPNOTSUPP : (int)made;
	}
	uffd = syscall(SYS_pidfd_getfd, pidfd, (int)made, 0);
	if (uffd < 0) {
		ret = -errno;
		because(t->why, "pidfd_getfd: %s", strerror(errno));
	}
	if (do_syscall(t, t->narrow ? 6 : 3, made, &closed) || closed) {
		because(t->why, "the process did not close its userfaultfd again");
		ret = -EIO;
	}
	if (ret && uffd >= 0)
		close(uffd);
	return ret ? ret : uffd;
}

/* Make the same system call again: as the kernel restarts one. */
static int repeat_syscall(struct thread *t)
{
	t->regs.rax = t->regs.orig_rax;
	t->regs.orig_rax = -1;
	t->regs.rip -= 2;
	return set_regs(t, &t->regs);
}

/*
 * It has its own registers again, but is at the end of our system call: take it
 * from there into the signal code, which comes before user mode.
 */
static int settle(struct thread *t)
{
	int ret = request(t, PTRACE_INTERRUPT, 0, NULL);

	if (!ret)
		ret = resume(t, PTRACE_CONT);
	if (!ret)
		ret = wait_stop(t);
	return ret < 0 ? ret : 0;
}

/* Let it go from a stop in the kernel's signal code. */
static void release(struct thread *t)
{
	if (!t->signal && call_failed_for_us(t))
		repeat_syscall(t);
	ptrace(PTRACE_DETACH, t->tid, NULL, (void *)(uintptr_t)t->signal);
}

static int inject(struct thread *t, int pidfd)
{
	uint64_t mask = ~(1ULL << (SIGSYS - 1));
	int ret, settled;

	ret = request(t, REQUEST_GETSIGMASK, sizeof(t->sigmask), &t->sigmask);
	if (ret)
		return ret;
	ret = request(t, REQUEST_SETSIGMASK, sizeof(mask), &mask);
	if (!ret)
		ret = take_uffd(t, pidfd);
	/*
	 * Whatever it was, the thread gets back what is its own. Where a system
	 * call was refused it is in the signal code already.
	 */
	settled = restore(t);
	if (!settled && !t->refused)
		settled = settle(t);
	if (settled && ret >= 0) {
		close(ret);
		ret = settled;
	}
	return ret;
}

static int seize(struct thread *t)
{
	long long tracer = target_status(t->tid, "TracerPid", 10);

	if (tracer > 0) {
		because(t->why, "process %lld traces it already", tracer);
		return -EBUSY;
	}
	if (!ptrace(PTRACE_SEIZE, t->tid, NULL, (void *)PTRACE_O_TRACESYSGOOD))
		return 0;
	if (errno == ESRCH)
		return gone(t);
	because(t->why, "no right to trace it (ptrace: %s)", strerror(errno));
	return -errno;
}

int inject_uffd(pid_t pid, int pidfd, char *why)
{
	struct thread t = { .tid = pid, .mem = -1, .why = why };
	int ret;

	if (may_filter(&t))
		return filtered(&t);
	ret = seize(&t);
	if (!ret) {
		ret = stop_safely(&t);
		if (!ret)
			ret = inject(&t, pidfd);
		release(&t);
	}
	if (t.mem >= 0)
		close(t.mem);
	return ret;
}
