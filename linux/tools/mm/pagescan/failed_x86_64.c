// SPDX-License-Identifier: GPL-2.0
/*
 * System calls that a stop of their thread makes fail, or end early; see inject.h
 *
 * Where there is no timeout the kernel restarts those of sockets by itself, from
 * their beginning; with one, they fail. io_uring_enter() fails only if it has
 * submitted nothing.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inject.h"
#include "util.h"

static const int wide[] = {
	SYS_epoll_wait, SYS_epoll_pwait, 441 /* epoll_pwait2 */,
	SYS_semop, SYS_semtimedop, SYS_rt_sigtimedwait,
	SYS_io_getevents, 333 /* io_pgetevents */, 426 /* io_uring_enter */,
	SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg, SYS_accept, SYS_accept4,
	SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_connect,
	SYS_read, SYS_readv, SYS_preadv2, SYS_write, SYS_writev, SYS_pwritev2,
	SYS_splice, SYS_sendfile,
};

static const int narrow[] = {
	256 /* epoll_wait */, 319 /* epoll_pwait */, 441 /* epoll_pwait2 */,
	117 /* ipc */, 420 /* semtimedop */, 177, 421 /* rt_sigtimedwait */,
	247 /* io_getevents */, 385, 416 /* io_pgetevents */,
	426 /* io_uring_enter */, 371 /* recvfrom */, 372 /* recvmsg */,
	337, 417 /* recvmmsg */, 364 /* accept4 */,
	369 /* sendto */, 370 /* sendmsg */, 345 /* sendmmsg */, 362 /* connect */,
	3 /* read */, 145 /* readv */, 378 /* preadv2 */,
	4 /* write */, 146 /* writev */, 379 /* pwritev2 */,
	313 /* splice */, 187, 239 /* sendfile */,
};

/* Of socketcall(), which is all of sockets for some of 32 bits. */
static const int socketcalls[] = {
	3 /* connect */, 5 /* accept */, 9 /* send */, 10 /* recv */, 11 /* sendto */,
	12 /* recvfrom */, 16 /* sendmsg */, 17 /* recvmsg */, 18 /* accept4 */,
	19 /* recvmmsg */, 20 /* sendmmsg */,
};

static bool among(int call, const int *calls, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (calls[i] == call)
			return true;
	return false;
}

bool call_failed_for_us(const struct thread *t)
{
	const int call = t->regs.orig_rax;

	if (call < 0 || (int)t->regs.rax != -EINTR)
		return false;
	if (t->regs.cs != CS_32)
		return among(call, wide, ARRAY_SIZE(wide));
	if (call == 102 /* socketcall */)
		return among(t->regs.rbx, socketcalls, ARRAY_SIZE(socketcalls));
	return among(call, narrow, ARRAY_SIZE(narrow));
}

/* A process of 32 bits, by its program. */
static bool is_narrow(pid_t pid)
{
	unsigned char head[EI_CLASS + 1] = { };
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, head, sizeof(head)) != sizeof(head))
		head[EI_CLASS] = ELFCLASSNONE;
	close(fd);
	return head[EI_CLASS] == ELFCLASS32;
}

static bool would_be_cut(int call, const unsigned long *args)
{
	static const int calls[] = {
		SYS_write, SYS_writev, SYS_pwritev2, SYS_sendto, SYS_sendmsg, SYS_sendmmsg,
		SYS_sendfile, SYS_splice,
	};

	if (call == SYS_recvfrom)
		return args[3] & MSG_WAITALL;
	if (call == SYS_recvmsg)
		return args[2] & MSG_WAITALL;
	return among(call, calls, ARRAY_SIZE(calls));
}

static bool would_be_cut_narrow(int call, const unsigned long *args)
{
	static const int calls[] = {
		4 /* write */, 146 /* writev */, 379 /* pwritev2 */, 369 /* sendto */,
		370 /* sendmsg */, 345 /* sendmmsg */, 187, 239 /* sendfile */,
		313 /* splice */,
	};
	static const int sends[] = { 9 /* send */, 11 /* sendto */, 16 /* sendmsg */ };

	if (call == 371 /* recvfrom */)
		return args[3] & MSG_WAITALL;
	if (call == 372 /* recvmsg */)
		return args[2] & MSG_WAITALL;
	if (call == 102 /* socketcall */)
		return among(args[0], sends, ARRAY_SIZE(sends));
	return among(call, calls, ARRAY_SIZE(calls));
}

bool call_would_be_cut(pid_t tid)
{
	unsigned long args[4] = { };
	char path[40];
	FILE *file;
	int call, got;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	got = fscanf(file, "%d %lx %lx %lx %lx", &call, &args[0], &args[1], &args[2], &args[3]);
	fclose(file);
	if (got != 5 || call < 0)
		return false;
	return is_narrow(tid) ? would_be_cut_narrow(call, args) : would_be_cut(call, args);
}
