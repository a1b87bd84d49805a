// SPDX-License-Identifier: GPL-2.0
/*
 * Makes a swap area, without mkswap: the guest of the tests has no such thing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "memory_kind.h"
#include "swap_area.h"

#define ZRAM_DEV	"/dev/zram0"
#define ZRAM_SYS	"/sys/block/zram0/"

/* The header as the kernel reads it, at the end of the first page. */
#define SIGNATURE	"SWAPSPACE2"
#define VERSION_AT	1024

static int write_header(int fd, size_t size)
{
	size_t page = base_page();
	unsigned int *version;
	char *header;
	int err = 0;

	header = calloc(1, page);
	if (!header)
		return -ENOMEM;
	version = (unsigned int *)(header + VERSION_AT);
	version[0] = 1;
	version[1] = size / page - 1;	/* the last page */
	memcpy(header + page - strlen(SIGNATURE), SIGNATURE, strlen(SIGNATURE));
	if (pwrite(fd, header, page, 0) != (ssize_t)page || fsync(fd))
		err = -errno;
	free(header);
	return err;
}

static int write_setting(const char *path, const char *text)
{
	int fd, err = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int make_zram(struct swap_area *area, size_t size)
{
	char text[32];
	int err;

	snprintf(text, sizeof(text), "%zu", size);
	err = write_setting(ZRAM_SYS "disksize", text);
	if (err)
		return err;
	area->zram = true;
	snprintf(area->path, sizeof(area->path), ZRAM_DEV);
	return open(ZRAM_DEV, O_RDWR | O_CLOEXEC);
}

/* Swap takes a file that has all of its blocks, whatever is in them. */
static int make_file(struct swap_area *area, size_t size)
{
	const char *dir = memory_file_dir();
	int fd, err;

	if (!dir)
		return -ENOENT;
	snprintf(area->path, sizeof(area->path), "%s/swap-XXXXXX", dir);
	fd = mkostemp(area->path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, size)) {
		err = -errno;
		close(fd);
		unlink(area->path);
		return err;
	}
	return fd;
}

const char *swap_area_on(struct swap_area *area, size_t size)
{
	int fd;

	memset(area, 0, sizeof(*area));
	fd = make_file(area, size);
	if (fd < 0)
		fd = make_zram(area, size);
	if (fd < 0)
		return "neither zram nor an ext4 to swap to";
	if (write_header(fd, size)) {
		close(fd);
		swap_area_off(area);
		return "cannot write a swap header";
	}
	close(fd);
	if (swapon(area->path, SWAP_FLAG_PREFER | 32767)) {
		swap_area_off(area);
		return "swapon refused";
	}
	return NULL;
}

int swap_area_off(struct swap_area *area)
{
	int err = 0;

	if (!area->path[0])
		return 0;
	if (swapoff(area->path))
		err = -errno;
	if (area->zram)
		write_setting(ZRAM_SYS "reset", "1");
	else
		unlink(area->path);
	area->path[0] = '\0';
	return err;
}

void stay_here(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
}
