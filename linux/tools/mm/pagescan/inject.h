/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The thread that is made to do a system call: inject_x86_64.c sends it there
 * and back, place_x86_64.c finds where to, failed_x86_64.c knows which system
 * calls our stop makes fail.
 */
#ifndef PAGESCAN_INJECT_H
#define PAGESCAN_INJECT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

/* The segment of code of 64 and of 32 bits. */
#define CS_64			0x33
#define CS_32			0x23

struct thread {
	pid_t tid;
	int mem;
	struct user_regs_struct regs;	/* its own */
	uint64_t sigmask;		/* its own */
	uint64_t insn;			/* address of a system call instruction */
	bool narrow;			/* that of 32 bits */
	bool sent;			/* it is not where it was */
	bool late;			/* it was, and did not come: it is to stop */
	bool settled;			/* it never got away from the signal code */
	bool has_held;			/* a SIGSYS that was sent to it meanwhile */
	siginfo_t held;
	int number;			/* that its userfaultfd had */
	int signal;			/* the one that it is stopped for */
	char *why;
};

/* It ended: says so, and returns -ESRCH. */
int thread_gone(struct thread *t);
/* A request of ptrace(2): 0 or -errno and the reason. */
int thread_request(struct thread *t, int what, uintptr_t addr, void *data);

/*
 * Stopped, with its registers in regs: may it be sent away from here, and where
 * to? 0; -EAGAIN for not from here; or -errno. The reason in any case.
 */
int thread_place(struct thread *t);

/*
 * Did the thread's own system call fail only since it was stopped? Those of
 * signal(7), and those that have a timeout by SO_RCVTIMEO or SO_SNDTIMEO; none of
 * them has done anything when it fails so.
 */
bool call_failed_for_us(const struct thread *t);
/*
 * Is the thread in a call that, interrupted, comes back with what it has done so
 * far: a large write, for one? Not stopped; false if that cannot be seen.
 */
bool call_would_be_cut(pid_t tid);

#endif
