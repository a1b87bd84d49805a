// SPDX-License-Identifier: GPL-2.0
/*
 * To be preloaded into a program that knows nothing of it: what it maps is
 * registered for asynchronous write protection, in each of its processes, so that
 * all that it does to its memory it does to tracked memory.  Somebody else has to
 * arm it, as pagemap_scan_strangers_test does.  What cannot be registered is left.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIRST_FD	600	/* out of the way of those who count on the first */

static int uffd = -1;

static void track(void *addr, size_t len)
{
	struct uffdio_register reg = {
		.range.start = (unsigned long)addr,
		.range.len = (len + 4095) & ~4095UL,
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	ioctl(uffd, UFFDIO_REGISTER, &reg);
}

/* No stdio: it would map. */
static void track_what_is_mapped(void)
{
	static char maps[1 << 16];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	unsigned long start, end;
	size_t len = 0;
	ssize_t got;
	char *line;

	if (fd < 0)
		return;
	while ((got = read(fd, maps + len, sizeof(maps) - 1 - len)) > 0)
		len += got;
	close(fd);
	maps[len] = 0;
	for (line = strtok(maps, "\n"); line; line = strtok(NULL, "\n"))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 &&
		    strstr(line, " rw"))
			track((void *)start, end - start);
}

/* A child of fork() has none: 6.1 registers it only for who asks for events. */
static void begin(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_ASYNC,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd < 0)
		return;
	if (uffd >= 0)
		close(uffd);
	uffd = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD);
	close(fd);
	if (!ioctl(uffd, UFFDIO_API, &api))
		track_what_is_mapped();
}

static void __attribute__((constructor)) loaded(void)
{
	begin();
	pthread_atfork(NULL, NULL, begin);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	void *at = (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);

	if (at != MAP_FAILED)
		track(at, len);
	return at;
}

void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t offset)
{
	return mmap(addr, len, prot, flags, fd, offset);
}

/* What moves is no longer tracked, nor what it grows by. */
void *mremap(void *addr, size_t old_len, size_t len, int flags, ...)
{
	void *to, *at;
	va_list more;

	va_start(more, flags);
	to = va_arg(more, void *);
	va_end(more);
	at = (void *)syscall(SYS_mremap, addr, old_len, len, flags, to);
	if (at != MAP_FAILED)
		track(at, len);
	return at;
}

void *shmat(int id, const void *addr, int flags)
{
	void *at = (void *)syscall(SYS_shmat, id, addr, flags);
	struct shmid_ds info;

	if (at != (void *)-1 && !shmctl(id, IPC_STAT, &info))
		track(at, info.shm_segsz);
	return at;
}
