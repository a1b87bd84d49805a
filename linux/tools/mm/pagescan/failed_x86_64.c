// SPDX-License-Identifier: GPL-2.0
/* System calls that fail since their thread was stopped; see inject.h */
#include <errno.h>
#include <sys/syscall.h>

#include "inject.h"
#include "target.h"
#include "util.h"

/* Does a signal wait that the thread has a handler for, or that ends it? */
static bool signal_waits(const struct thread *t)
{
	const uint64_t pending = target_status(t->tid, "SigPnd", 16) |
				 target_status(t->tid, "ShdPnd", 16);
	const uint64_t ignored = target_status(t->tid, "SigIgn", 16);

	return pending & ~ignored & ~t->sigmask;
}

/* Of socketcall(), which is all of sockets for some of 32 bits. */
static bool socketcall_receives(const struct thread *t)
{
	static const uint64_t calls[] = {
		5 /* accept */, 10 /* recv */, 12 /* recvfrom */, 17 /* recvmsg */,
		18 /* accept4 */, 19 /* recvmmsg */,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (t->regs.rbx == calls[i])
			return true;
	return false;
}

bool call_failed_for_us(const struct thread *t)
{
	static const int wide[] = {
		SYS_epoll_wait, SYS_epoll_pwait, 441 /* epoll_pwait2 */,
		SYS_semop, SYS_semtimedop, SYS_rt_sigtimedwait,
		SYS_io_getevents, 333 /* io_pgetevents */, 426 /* io_uring_enter */,
		SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg, SYS_accept, SYS_accept4,
	};
	static const int narrow[] = {
		256 /* epoll_wait */, 319 /* epoll_pwait */, 441 /* epoll_pwait2 */,
		117 /* ipc */, 420 /* semtimedop */, 177, 421 /* rt_sigtimedwait */,
		247 /* io_getevents */, 385, 416 /* io_pgetevents */,
		426 /* io_uring_enter */, 371 /* recvfrom */, 372 /* recvmsg */,
		337, 417 /* recvmmsg */, 364 /* accept4 */,
	};
	const int *calls = t->narrow ? narrow : wide;
	const size_t nr = t->narrow ? ARRAY_SIZE(narrow) : ARRAY_SIZE(wide);
	size_t i;

	if ((int)t->regs.rax != -EINTR)
		return false;
	if (t->narrow && t->regs.orig_rax == 102)
		return socketcall_receives(t) && !signal_waits(t);
	for (i = 0; i < nr; i++)
		if ((int)t->regs.orig_rax == calls[i])
			return !signal_waits(t);
	return false;
}
