/* SPDX-License-Identifier: GPL-2.0 */
/* The thread that is made to do a system call; see inject_x86_64.c */
#ifndef PAGESCAN_INJECT_H
#define PAGESCAN_INJECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

struct thread {
	pid_t tid;
	int mem;
	struct user_regs_struct regs;	/* its own */
	uint64_t sigmask;		/* its own */
	uint64_t insn;			/* address of a system call instruction */
	bool narrow;			/* that of 32 bits */
	bool sent;			/* it is not where it was */
	bool refused;			/* it may not do our system call */
	int signal;			/* the one that it is stopped for */
	char *why;
};

/*
 * Did the thread's own system call fail only since it was stopped? Those of
 * signal(7), and those that have a timeout by SO_RCVTIMEO; none of them has done
 * anything when it fails so.
 */
bool call_failed_for_us(const struct thread *t);

#endif
