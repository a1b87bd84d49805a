// SPDX-License-Identifier: GPL-2.0
/*
 * Another process whose memory is tracked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tracked_child.h"

#define READY		'd'
#define STOP_ARG	"--stop-at-once"

static int prepare(struct range *range, size_t first, size_t step)
{
	size_t i;
	int uffd;

	close(range->pagemap);
	range->pagemap = pagemap_open(0);
	uffd = uffd_track(range, 0, 0);
	if (uffd < 0 || strcmp(pages_all(range), pages_take(range)))
		return -EIO;
	for (i = first; i < range->nr; i += step)
		store(range, i);
	return 0;
}

/* Answers, and goes on until there is another command. */
static void write_on(const struct range *range, int sock, char answer)
{
	const size_t len = range->nr * range->unit;
	struct pollfd told = { .fd = sock, .events = POLLIN };
	size_t at = 0;

	if (write(sock, &answer, 1) != 1)
		return;
	while (!poll(&told, 1, 0)) {
		at = (at + 57347) % len;
		poke(range->addr + at, at);
	}
}

static void child_main(struct range *range, int sock)
{
	char command, answer = READY;

	if (write(sock, &answer, 1) != 1)
		_exit(1);
	while (read(sock, &command, 1) == 1) {
		switch (command) {
		case CHILD_STORE:
			store(range, 5 % range->nr);
			break;
		case CHILD_WRITE_ON:
			write_on(range, sock, answer);
			continue;
		case CHILD_EXEC:
			execl("/proc/self/exe", "test", STOP_ARG, NULL);
			_exit(1);
		case CHILD_EXIT:
			_exit(0);
		}
		if (write(sock, &answer, 1) != 1)
			break;
	}
	_exit(0);
}

const char *tracked_child_start(struct tracked_child *child,
				const struct memory_kind *kind,
				size_t first, size_t step,
				int (*become)(void *data), void *data)
{
	struct range *range = &child->mem.range;
	const char *reason;
	int socks[2];
	char answer;

	reason = memory_make(&child->mem, kind, MEMORY_WRITTEN);
	if (reason)
		return reason;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks)) {
		memory_free(&child->mem);
		return "no socket";
	}
	child->pid = fork();
	if (!child->pid) {
		close(socks[0]);
		if (prepare(range, first, step) || (become && become(data)))
			_exit(1);
		child_main(range, socks[1]);
	}
	close(socks[1]);
	child->sock = socks[0];
	if (child->pid > 0 && read(child->sock, &answer, 1) == 1) {
		close(range->pagemap);
		range->pagemap = pagemap_open(child->pid);
		if (range->pagemap >= 0)
			return NULL;
	}
	tracked_child_end(child);
	return "the child could not become what it is to be";
}

bool tracked_child_does(struct tracked_child *child, enum child_command command)
{
	char byte = command;

	return write(child->sock, &byte, 1) == 1 &&
	       read(child->sock, &byte, 1) == 1 && byte == READY;
}

void tracked_child_end(struct tracked_child *child)
{
	close(child->sock);
	if (child->pid > 0) {
		kill(child->pid, SIGKILL);
		waitpid(child->pid, NULL, 0);
	}
	memory_free(&child->mem);
}

/* The program that the child runs after exec(). */
static void __attribute__((constructor)) stop_if_told(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], STOP_ARG)) {
		raise(SIGSTOP);
		_exit(0);
	}
}
