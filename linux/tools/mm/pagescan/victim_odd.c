// SPDX-License-Identifier: GPL-2.0
/*
 * Victims that are to be left alone, or that do something odd while pagescan is
 * at it; see victim.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>

#include "victim.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH	59
#endif
#ifndef PTRACE_SEIZE
#define PTRACE_SEIZE	0x4206
#endif

static void filter_calls(unsigned int action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	need(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	need(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "seccomp");
}

void mode_seccomp(void)
{
	filter_calls(SECCOMP_RET_KILL_PROCESS);
	ready(NULL);
	while (more())
		need(registers_keep(100000), "a register changed");
}

/* All system calls but those of the C library's text come back as SIGSYS. */
void mode_dispatch(void)
{
	static volatile char selector;
	sigset_t term;

	/* To return from its handler is a system call. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	need(!prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0, 0, &selector), "dispatch");
	ready(NULL);
	while (more()) {
		sigprocmask(SIG_BLOCK, &term, NULL);
		selector = 1;
		need(registers_keep(3000000), "a register changed");
		selector = 0;
		sigprocmask(SIG_UNBLOCK, &term, NULL);
	}
}

/* Memory that a userfaultfd of its own has. */
void mode_taken(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int uffd = syscall(SYS_userfaultfd, 1);
	char *mem = map(64);

	memset(mem, 1, 64 * PAGE);
	reg.range.start = (uintptr_t)mem;
	reg.range.len = 64 * PAGE;
	need(uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api) && !ioctl(uffd, UFFDIO_REGISTER, &reg),
	     "userfaultfd");
	ready(mem);
	while (more()) {
		mem[PAGE]++;
		usleep(1000);
	}
}

/* A huge and nearly empty mapping; must not cost page tables. */
void mode_sparse(void)
{
	const size_t len = sizeof(void *) == 8 ? (size_t)256 << 30 : (size_t)1 << 30;
	char *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t at = 0;

	need(mem != MAP_FAILED, "mmap");
	ready(mem);
	while (more()) {
		at = (at + len / 256) % len;
		mem[at]++;
		usleep(1000);
	}
}

/* A userfaultfd of its own has all memory that one can have. */
void mode_all_taken(void)
{
	/* With asynchronous faults, which come of any memory, and not at all here. */
	struct uffdio_api api = { .api = UFFD_API, .features = 1 << 15 | 1 << 13 };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };
	int uffd = syscall(SYS_userfaultfd, 1);
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, end, taken = 0;
	char line[512];

	need(uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api) && maps, "userfaultfd");
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		reg.range.start = start;
		reg.range.len = end - start;
		taken += !ioctl(uffd, UFFDIO_REGISTER, &reg);
	}
	fclose(maps);
	need(taken, "UFFDIO_REGISTER");
	ready(NULL);
	while (more())
		usleep(1000);
}

/* Somebody sends it SIGSYS again and again; each comes, with what was sent. */
static atomic_uint sigsys_sent, sigsys_got;

static void on_sigsys(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	if (info->si_code != SI_QUEUE || info->si_value.sival_int != (int)sigsys_sent ||
	    info->si_pid != getpid())
		_exit(3);
	sigsys_got++;
}

static void *send_sigsys(void *target)
{
	while (more()) {
		sigsys_sent++;
		pthread_sigqueue(*(pthread_t *)target, SIGSYS,
				 (union sigval) { .sival_int = (int)sigsys_sent });
		while (sigsys_got != sigsys_sent && more())
			usleep(1);
	}
	return NULL;
}

static int first_free(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

void mode_sigsys(void)
{
	struct sigaction action = {
		.sa_sigaction = on_sigsys,
		.sa_flags = SA_RESTART | SA_SIGINFO,
	};
	pthread_t self = pthread_self(), sender;
	int free_fd = first_free();

	sigaction(SIGSYS, &action, NULL);
	ready(NULL);
	pthread_create(&sender, NULL, send_sigsys, &self);
	while (more())
		need(registers_keep(1000), "a register changed");
	pthread_join(sender, NULL);
	errno = 0;
	if (first_free() != free_fd)
		wrong("a descriptor is left open");
	if (sigsys_got + 1 < sigsys_sent)
		wrong("a SIGSYS was lost");
}

#ifdef __x86_64__
/* Code of 32 bits that counts ecx down, then jumps to code of 64 that comes back. */
void mode_wow(void)
{
	char *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	static const unsigned char back[] = { 0x41, 0xff, 0xe0 /* jmp *%r8 */ };
	unsigned char there[] = {
		0xff, 0xc9 /* dec %ecx */, 0x75, 0xfc /* jnz */,
		0xea, 0, 0, 0, 0, 0x33, 0 /* ljmp $0x33, ... */,
	};
	struct { uint32_t ip; uint16_t cs; } far;
	uint32_t home = (uintptr_t)code + 64;
	uint64_t rounds = 2000000000;
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	need(code != MAP_FAILED, "mmap");
	memcpy(there + 5, &home, 4);
	memcpy(code, there, sizeof(there));
	memcpy(code + 64, back, sizeof(back));
	far.ip = (uintptr_t)code;
	far.cs = 0x23;
	ready(NULL);
	while (more()) {
		/* Meanwhile the upper half of the stack pointer gets lost. */
		sigprocmask(SIG_BLOCK, &term, NULL);
		asm volatile("movq	%%rsp, %%r9\n\t"
			     "leaq	1f(%%rip), %%r8\n\t"
			     "ljmp	*(%[far])\n"
			     "1:	movq	%%r9, %%rsp"
			     : "+c" (rounds) : [far] "r" (&far)
			     : "r8", "r9", "cc", "memory");
		rounds = 2000000000;
		sigprocmask(SIG_UNBLOCK, &term, NULL);
	}
}
#else
void mode_wow(void)
{
	wrong("only in a process of 64 bits");
}
#endif

static void become(const char *mode)
{
	execl("/proc/self/exe", "victim", mode, "1000", NULL);
	wrong("exec");
}

/* A child that has its parent's memory for 3 s, and then its own; says its PID. */
void mode_vfork(void)
{
	pid_t child = vfork();

	if (!child) {
		printf("ready %d\n", (int)getpid());
		fflush(stdout);
		sleep(3);
		execl("/proc/self/exe", "victim", "exact", "1000", NULL);
		_exit(1);
	}
	while (more())
		usleep(10000);
	kill(child, SIGTERM);
	waitpid(child, NULL, 0);
}

static void *exec_again(void *rest)
{
	usleep(20000);
	execl("/proc/self/exe", "victim", "thread_exec", rest, NULL);
	wrong("exec");
}

/* Runs itself anew until the time is over, from another thread than the first. */
void mode_thread_exec(void)
{
	char rest[32];
	pthread_t thread;

	if (!getenv("VICTIM_AGAIN"))
		ready(NULL);
	setenv("VICTIM_AGAIN", "1", 1);
	if (!more())
		return;
	snprintf(rest, sizeof(rest), "%.3f", seconds_left());
	pthread_create(&thread, NULL, exec_again, rest);
	for (;;)
		need(registers_keep(1000), "a register changed");
}

/* Another thread forks, and the children live on a while. */
static void *fork_on(void *unused)
{
	pid_t pid;

	(void)unused;
	while (more()) {
		pid = fork();
		if (!pid) {
			usleep(300000);
			_exit(0);
		}
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		usleep(500);
	}
	return NULL;
}

void mode_fork_thread(void)
{
	pthread_t thread;

	ready(NULL);
	pthread_create(&thread, NULL, fork_on, NULL);
	while (more())
		need(registers_keep(1000), "a register changed");
	pthread_join(thread, NULL);
	while (wait(NULL) > 0)
		;
}

/* Writes 3000 pages for a second, then becomes one that writes three. */
void mode_then_exec(void)
{
	char *mem = map(3000);
	int i, round;

	ready(mem);
	for (round = 0; round < 100; round++) {
		for (i = 0; i < 3000; i++)
			mem[i * PAGE]++;
		usleep(10000);
	}
	become("exact");
}

/* Traces the process VICTIM_PID, until its time is over. */
void mode_trace(void)
{
	pid_t pid = atoi(getenv("VICTIM_PID"));

	/* pagescan may have it just now. */
	while (ptrace(PTRACE_SEIZE, pid, NULL, NULL))
		need(more(), "ptrace");
	ready(NULL);
	while (more())
		usleep(10000);
}

/* A name that does something to terminals. */
void mode_name(void)
{
	prctl(PR_SET_NAME, "a\033[31mb");
	ready(NULL);
	while (more())
		usleep(10000);
}
