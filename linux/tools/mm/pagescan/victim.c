// SPDX-License-Identifier: GPL-2.0
/*
 * What the tests have pagescan watch: programs that notice whatever is done to
 * them. "victim MODE [SECONDS]" says "ready", with addresses where they matter,
 * works, for so long or until SIGTERM, and in the end says "fine" and exits with
 * 0, or says what was wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/futex.h>

#include "victim.h"

#define TICK_MS		20

static uint64_t deadline;

void wrong(const char *what)
{
	printf("wrong: %s (%s)\n", what, strerror(errno));
	exit(1);
}

volatile sig_atomic_t told;

static void on_term(int signal)
{
	(void)signal;
	told = 1;
}

void need(bool ok, const char *what)
{
	if (!ok && !told)
		wrong(what);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

bool more(void)
{
	return !told && now_ns() < deadline;
}

double seconds_left(void)
{
	return (deadline - now_ns()) / 1e9;
}

void ready(const void *address)
{
	printf("ready %lx\n", (unsigned long)(uintptr_t)address);
	fflush(stdout);
}

char *map(size_t pages)
{
	char *mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(mem != MAP_FAILED, "mmap");
	return mem;
}

#ifdef __x86_64__
bool registers_keep(uint64_t rounds)
{
	uint64_t bad = 0, seed = 0x123456789abcdefULL;

	asm volatile("movq	%[seed], %%rax\n\t"
		     "leaq	1(%%rax), %%rbx\n\t"
		     "leaq	2(%%rax), %%rdx\n\t"
		     "leaq	3(%%rax), %%rsi\n\t"
		     "leaq	4(%%rax), %%rdi\n\t"
		     "leaq	5(%%rax), %%r8\n\t"
		     "leaq	6(%%rax), %%r9\n\t"
		     "leaq	7(%%rax), %%r10\n\t"
		     "leaq	8(%%rax), %%r11\n\t"
		     "leaq	9(%%rax), %%r12\n\t"
		     "leaq	10(%%rax), %%r13\n\t"
		     "movq	%%rax, %%xmm0\n\t"
		     "movq	%%rbx, %%xmm15\n"
		     "1:	decq	%%rcx\n\t"
		     "jnz	1b\n\t"
		     "movq	%%xmm0, %%rcx\n\t"
		     "subq	%%rax, %%rcx\n\t"
		     "orq	%%rcx, %[bad]\n\t"
		     "movq	%%xmm15, %%rcx\n\t"
		     "subq	%%rbx, %%rcx\n\t"
		     "orq	%%rcx, %[bad]\n\t"
		     "subq	%[seed], %%rax\n\t"
		     "orq	%%rax, %[bad]\n\t"
		     "addq	%%r8, %%rbx\n\t"
		     "addq	%%r9, %%rdx\n\t"
		     "addq	%%r10, %%rsi\n\t"
		     "addq	%%r11, %%rdi\n\t"
		     "addq	%%r12, %%rbx\n\t"
		     "addq	%%r13, %%rdx\n\t"
		     "addq	%%rdx, %%rbx\n\t"
		     "addq	%%rsi, %%rbx\n\t"
		     "addq	%%rdi, %%rbx\n\t"
		     "imulq	$10, %[seed], %%rax\n\t"
		     "addq	$55, %%rax\n\t"
		     "subq	%%rax, %%rbx\n\t"
		     "orq	%%rbx, %[bad]\n\t"
		     : [bad] "+r" (bad), "+c" (rounds)
		     : [seed] "r" (seed)
		     : "rax", "rbx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
		       "r13", "xmm0", "xmm15", "cc", "memory");
	return !bad;
}

/*
 * A restartable sequence: either the kernel sends us to its abort handler, or
 * nobody has interrupted it and the pointer to it is still there at its end.
 */
static bool sequence_is_whole(uint64_t rounds, uint64_t *aborts)
{
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
	uint64_t aborted = 0, there = 0;

	asm volatile(".pushsection __rseq_cs, \"aw\"\n\t"
		     ".balign	32\n"
		     "3:	.long	0, 0\n\t"
		     ".quad	1f, 2f - 1f, 4f\n\t"
		     ".popsection\n\t"
		     "leaq	3b(%%rip), %%rax\n\t"
		     "movq	%%rax, 8(%[area])\n"
		     "1:	decq	%%rcx\n\t"
		     "jnz	1b\n\t"
		     "movq	8(%[area]), %[there]\n"
		     "2:	jmp	5f\n\t"
		     /* the signature that must be in front of the handler */
		     ".byte	0x0f, 0xb9, 0x3d\n\t"
		     ".long	0x53053053\n"
		     "4:	movq	$1, %[aborted]\n"
		     "5:\n\t"
		     : [there] "+r" (there), [aborted] "+r" (aborted), "+c" (rounds)
		     : [area] "r" (area)
		     : "rax", "cc", "memory");
	*aborts += aborted;
	return aborted || there;
}

static void mode_rseq(void)
{
	uint64_t aborts = 0;

	need(__rseq_size, "no restartable sequences");
	ready(NULL);
	while (more()) {
		need(sequence_is_whole(20000, &aborts), "a sequence was interrupted");
		/* As long again where it may be sent away. */
		need(registers_keep(20000), "a register changed");
	}
	printf("%llu aborts\n", (unsigned long long)aborts);
}
#else
static void mode_rseq(void)
{
	wrong("no restartable sequences for 32 bits");
}

bool registers_keep(uint64_t rounds)
{
	volatile uint64_t count = 0, i;

	for (i = 0; i < rounds; i++)
		count++;
	return count == rounds;
}
#endif

static void mode_spin(void)
{
	ready(NULL);
	while (more())
		need(registers_keep(100000), "a register changed");
}

/* What fails, or ends early, only if somebody meddles. */
static void mode_epoll(void)
{
	int epoll = epoll_create1(0);
	struct epoll_event event;

	ready(NULL);
	while (more())
		need(!epoll_wait(epoll, &event, 1, TICK_MS), "epoll_wait");
}

static void mode_semop(void)
{
	struct sembuf down = { .sem_op = -1 };
	struct timespec tick = { .tv_nsec = TICK_MS * 1000000 };
	int sem = semget(IPC_PRIVATE, 1, 0600);
	int ret, error = EAGAIN;

	need(sem >= 0, "semget");
	ready(NULL);
	while (more() && error == EAGAIN) {
		ret = semtimedop(sem, &down, 1, &tick);
		error = ret ? errno : 0;
	}
	semctl(sem, 0, IPC_RMID);
	errno = error;
	need(error == EAGAIN, "semtimedop");
}

static void mode_sigwait(void)
{
	struct timespec tick = { .tv_nsec = TICK_MS * 1000000 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ready(NULL);
	while (more())
		need(sigtimedwait(&set, NULL, &tick) < 0 && errno == EAGAIN, "sigtimedwait");
}

static void mode_receive(void)
{
	struct timeval tick = { .tv_usec = TICK_MS * 1000 };
	static char much[PAGE];
	struct iovec iov = { much, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int pair[2];

	need(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof(tick));
	setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &tick, sizeof(tick));
	while (send(pair[0], much, sizeof(much), MSG_DONTWAIT) > 0)
		;
	ready(NULL);
	while (more()) {
		need(recv(pair[0], much, 1, 0) < 0 && errno == EAGAIN, "recv");
		need(read(pair[0], much, 1) < 0 && errno == EAGAIN, "read");
		need(readv(pair[0], &iov, 1) < 0 && errno == EAGAIN, "readv");
		need(write(pair[0], much, 1) < 0 && errno == EAGAIN, "write");
		need(send(pair[0], much, 1, 0) < 0 && errno == EAGAIN, "send");
		need(sendmsg(pair[0], &msg, 0) < 0 && errno == EAGAIN, "sendmsg");
	}
}

static void mode_sleep(void)
{
	const struct timespec tick = { .tv_nsec = TICK_MS * 1000000 };
	struct pollfd none = { .fd = -1 };
	uint64_t start;
	int word = 0;

	ready(NULL);
	while (more()) {
		start = now_ns();
		need(!nanosleep(&tick, NULL), "nanosleep");
		need(now_ns() - start >= TICK_MS * 1000000ULL, "nanosleep: too short");
		start = now_ns();
		need(!poll(&none, 1, TICK_MS), "poll");
		/* poll() counts in ms */
		need(now_ns() - start >= (TICK_MS - 1) * 1000000ULL, "poll: too short");
		errno = 0;
		syscall(SYS_futex, &word, FUTEX_WAIT, 0, &tick, NULL, 0);
		need(errno == ETIMEDOUT, "futex");
	}
}

/* Signals that were sent and handled. */
static atomic_ulong sent, handled;
static atomic_bool enough;

static void on_signal(int signal)
{
	(void)signal;
	handled++;
	/* Be found in here often. */
	registers_keep(2000);
}

static void *send_signals(void *target)
{
	const pthread_t thread = *(pthread_t *)target;

	while (!enough) {
		if (!pthread_sigqueue(thread, SIGRTMIN, (union sigval) { .sival_int = 0 }))
			sent++;
		usleep(300);
	}
	return NULL;
}

static void mode_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pthread_t self = pthread_self(), sender;
	sigset_t all, before;

	sigaction(SIGRTMIN, &action, NULL);
	ready(NULL);
	pthread_create(&sender, NULL, send_signals, &self);
	sigfillset(&all);
	while (more()) {
		need(registers_keep(10000), "a register changed");
		sigprocmask(SIG_SETMASK, NULL, &before);
		need(!sigismember(&before, SIGUSR2) && !sigismember(&before, SIGRTMIN),
		     "the signal mask changed");
		usleep(200);
	}
	enough = true;
	pthread_join(sender, NULL);
	usleep(10000);
	errno = 0;
	if (sent != handled)
		wrong("a signal was lost");
}

/* epoll_pwait() and sigsuspend() wait for a signal that is blocked else. */
static void mode_suspend(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t self = pthread_self(), sender;
	int epoll = epoll_create1(0);
	struct epoll_event event;
	sigset_t block, open;
	unsigned long before;

	sigemptyset(&block);
	sigaddset(&block, SIGRTMIN);
	sigaction(SIGRTMIN, &action, NULL);
	sigprocmask(SIG_BLOCK, &block, &open);
	ready(NULL);
	pthread_create(&sender, NULL, send_signals, &self);
	while (more()) {
		before = handled;
		need(sigsuspend(&open) < 0 && errno == EINTR, "sigsuspend");
		need(handled > before, "sigsuspend: no signal");
		before = handled;
		if (epoll_pwait(epoll, &event, 1, 1000, &open) < 0)
			need(errno == EINTR && handled > before, "epoll_pwait: no signal");
	}
	/* It may wait for one until here. */
	enough = true;
	pthread_join(sender, NULL);
}

/* Is the thread in the system call? Told by /proc/self/task/TID/syscall. */
static bool is_within(pid_t tid, long call)
{
	char path[64], text[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)tid);
	file = fopen(path, "r");
	need(file, path);
	if (!file || !fgets(text, sizeof(text), file))
		text[0] = '\0';
	if (file)
		fclose(file);
	return *text >= '0' && *text <= '9' && atol(text) == call;
}

static void *interrupt_wait(void *thread)
{
	const pid_t tid = getpid();
	unsigned long before;

	while (!enough) {
		if (!is_within(tid, SYS_epoll_wait))
			continue;
		before = handled;
		pthread_kill(*(pthread_t *)thread, SIGRTMIN);
		while (handled == before && !enough)
			usleep(10);
	}
	return NULL;
}

/* A signal that comes within epoll_wait() ends that. */
static void mode_interrupt(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t self = pthread_self(), sender;
	int epoll = epoll_create1(0), ret;
	struct epoll_event event;
	unsigned long before;

	sigaction(SIGRTMIN, &action, NULL);
	ready(NULL);
	pthread_create(&sender, NULL, interrupt_wait, &self);
	while (more()) {
		before = handled;
		ret = epoll_wait(epoll, &event, 1, 3000);
		need(ret < 0 && errno == EINTR, "epoll_wait waited on after a signal");
		need(handled == before + 1, "epoll_wait ended without a signal");
	}
	enough = true;
	pthread_join(sender, NULL);
}

/* Threads, each with memory of its own that it changes and checks. */
static void *churn(void *number)
{
	const size_t pages = 64 + 16 * (uintptr_t)number;
	unsigned int turn = 0;
	char *mem;
	size_t i;

	while (more()) {
		mem = map(pages);
		for (turn = 1; turn < 20; turn++) {
			for (i = 0; i < pages; i++)
				mem[i * PAGE + turn] = (char)(turn + i);
			for (i = 0; i < pages; i++)
				need(mem[i * PAGE + turn] == (char)(turn + i), "memory changed");
		}
		mem = mremap(mem, pages * PAGE, 2 * pages * PAGE, MREMAP_MAYMOVE);
		need(mem != MAP_FAILED, "mremap");
		madvise(mem, PAGE, MADV_DONTNEED);
		need(!mem[5], "not zero after MADV_DONTNEED");
		need(mem[PAGE + 5] == 6, "memory changed by mremap");
		munmap(mem, 2 * pages * PAGE);
		sched_yield();
	}
	return NULL;
}

static void mode_threads(void)
{
	pthread_t threads[4];
	uintptr_t i;

	ready(NULL);
	for (i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, churn, (void *)i);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static void mode_fork(void)
{
	char *mem = map(64);
	int status, i, round = 0;
	pid_t pid;

	ready(mem);
	while (more()) {
		round++;
		for (i = 0; i < 64; i++)
			mem[i * PAGE] = (char)(round + i);
		pid = fork();
		need(pid >= 0, "fork");
		if (!pid) {
			for (i = 0; i < 64; i++)
				if (mem[i * PAGE]++ != (char)(round + i))
					_exit(1);
			_exit(0);
		}
		need(waitpid(pid, &status, 0) == pid, "waitpid");
		need(!status, "a child saw other memory");
		for (i = 0; i < 64; i++)
			need(mem[i * PAGE] == (char)(round + i), "memory changed");
	}
}

/* Runs itself anew until the time is over. */
static void mode_exec(void)
{
	char rest[32];

	if (!getenv("VICTIM_AGAIN"))
		ready(NULL);
	setenv("VICTIM_AGAIN", "1", 1);
	usleep(20000);
	if (!more())
		return;
	snprintf(rest, sizeof(rest), "%.3f", seconds_left());
	execl("/proc/self/exe", "victim", "exec", rest, NULL);
	wrong("exec");
}

/* Pages 3, 4 and 100 are written again and again, and no others. */
static void mode_exact(void)
{
	char *mem = map(4096);
	int i;

	memset(mem, 1, 4096 * PAGE);
	ready(mem);
	for (i = 0; more(); i++) {
		mem[3 * PAGE] = i;
		mem[4 * PAGE] = i;
		mem[100 * PAGE] = i;
		usleep(2000);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{ "spin", mode_spin },		{ "epoll", mode_epoll },
	{ "semop", mode_semop },	{ "sigwait", mode_sigwait },
	{ "receive", mode_receive },	{ "sleep", mode_sleep },
	{ "signals", mode_signals },	{ "suspend", mode_suspend },
	{ "threads", mode_threads },	{ "fork", mode_fork },
	{ "exec", mode_exec },		{ "exact", mode_exact },
	{ "seccomp", mode_seccomp },	{ "dispatch", mode_dispatch },
	{ "taken", mode_taken },	{ "sparse", mode_sparse },
	{ "rseq", mode_rseq },		{ "interrupt", mode_interrupt },
	{ "all_taken", mode_all_taken }, { "sigsys", mode_sigsys },
	{ "wow", mode_wow },		{ "vfork", mode_vfork },
	{ "thread_exec", mode_thread_exec }, { "then_exec", mode_then_exec },
	{ "fork_thread", mode_fork_thread },
	{ "trace", mode_trace },	{ "name", mode_name },
};

int main(int argc, char **argv)
{
	struct sigaction term = { .sa_handler = on_term, .sa_flags = SA_RESTART };
	size_t i;

	if (argc < 2)
		return 2;
	sigaction(SIGTERM, &term, NULL);
	deadline = now_ns() + (argc > 2 ? atof(argv[2]) : 1) * 1e9;
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].name))
			continue;
		modes[i].run();
		puts("fine");
		return 0;
	}
	return 2;
}
