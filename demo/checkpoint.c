// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint.h"
#include "demo.h"
#include "digest.h"

#define MAGIC		"ARENACKP"
#define VERSION		1

/* The file being written or read. */
struct file {
	char *path;
	int fd;
	__u64 digest;
};

static void file_open(struct file *f, const char *dir, size_t number, int flags)
{
	if (asprintf(&f->path, "%s/%04zu.ckpt", dir, number) < 0)
		errx(EXIT_TROUBLE, "out of memory");
	f->fd = open(f->path, flags | O_CLOEXEC, 0666);
	if (f->fd < 0)
		err(flags & O_CREAT ? EXIT_TROUBLE : EXIT_FAILED, "%s", f->path);
	f->digest = DIGEST_START;
}

static void file_close(struct file *f)
{
	if (close(f->fd))
		err(EXIT_TROUBLE, "%s", f->path);
	free(f->path);
}

static void file_write(struct file *f, const void *data, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = write(f->fd, (const char *)data + done, size - done);
		if (n < 0 && errno != EINTR)
			err(EXIT_TROUBLE, "%s", f->path);
		if (n > 0)
			done += n;
	}
}

static void file_read(struct file *f, void *data, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = read(f->fd, (char *)data + done, size - done);
		if (n < 0 && errno != EINTR)
			err(EXIT_TROUBLE, "%s", f->path);
		if (!n)
			errx(EXIT_FAILED, "%s: cut short", f->path);
		if (n > 0)
			done += n;
	}
}

static __u64 header_digest(struct checkpoint_header head)
{
	head.file_digest = 0;
	return digest_bytes(DIGEST_START, &head, sizeof(head));
}

/* Save the pages of @w as the next file of the chain. */
void checkpoint_save(struct checkpoints *c, const struct arena *a, const struct written *w)
{
	struct checkpoint_header head = {
		.magic = MAGIC,
		.version = VERSION,
		.page_size = ARENA_PAGE,
		.arena_size = a->size,
		.number = c->nr,
		.nr_extents = w->nr,
		.nr_pages = w->pages,
		.parent = c->last_digest,
		.arena_digest = arena_digest(a),
	};
	const size_t table = w->nr * sizeof(*w->extent);
	const struct extent *e;
	struct file f;

	head.file_digest = digest_bytes(header_digest(head), w->extent, table);
	for (e = w->extent; e < w->extent + w->nr; e++)
		head.file_digest = digest_bytes(head.file_digest, a->base + e->start, e->length);

	file_open(&f, c->dir, c->nr, O_WRONLY | O_CREAT | O_EXCL);
	file_write(&f, &head, sizeof(head));
	file_write(&f, w->extent, table);
	for (e = w->extent; e < w->extent + w->nr; e++)
		file_write(&f, a->base + e->start, e->length);
	file_close(&f);

	c->nr++;
	c->last_digest = head.file_digest;
	c->bytes += sizeof(head) + table + w->pages * ARENA_PAGE;
}

static void header_read(struct file *f, struct checkpoint_header *head)
{
	file_read(f, head, sizeof(*head));
	if (memcmp(head->magic, MAGIC, sizeof(head->magic)) || head->version != VERSION ||
	    head->page_size != ARENA_PAGE)
		errx(EXIT_FAILED, "%s: not a checkpoint file of this version", f->path);
}

/* Files count on from 0: a number is missing if the last is higher. */
static size_t count_files(const char *dir)
{
	struct dirent *d;
	size_t nr = 0;
	char *dot;
	DIR *dp;

	dp = opendir(dir);
	if (!dp)
		err(EXIT_TROUBLE, "%s", dir);
	while ((d = readdir(dp))) {
		dot = strrchr(d->d_name, '.');
		nr += dot && !strcmp(dot, ".ckpt");
	}
	closedir(dp);
	if (!nr)
		errx(EXIT_TROUBLE, "%s: no checkpoint files", dir);
	return nr;
}

/* The size of the arena that the files in @dir are of. */
size_t checkpoint_arena_size(const char *dir)
{
	struct checkpoint_header head;
	struct file f;

	file_open(&f, dir, 0, O_RDONLY);
	header_read(&f, &head);
	file_close(&f);
	if (head.arena_size % ARENA_PAGE || !head.arena_size)
		errx(EXIT_FAILED, "%s: an arena of %llu bytes", dir, head.arena_size);
	return head.arena_size;
}

static struct extent *extents_read(struct file *f, const struct checkpoint_header *head,
				   const struct arena *a)
{
	struct extent *table, *e;
	__u64 pages = 0;
	__u64 at = 0;

	if (head->nr_extents > arena_pages(a))
		errx(EXIT_FAILED, "%s: %llu extents in so small an arena", f->path,
		     head->nr_extents);
	table = calloc(head->nr_extents + 1, sizeof(*table));
	if (!table)
		errx(EXIT_TROUBLE, "out of memory");

	file_read(f, table, head->nr_extents * sizeof(*table));
	for (e = table; e < table + head->nr_extents; e++) {
		if (e->start < at || e->start > a->size || e->length > a->size - e->start ||
		    (e->start | e->length) % ARENA_PAGE)
			errx(EXIT_FAILED, "%s: extent %#llx+%#llx", f->path, e->start, e->length);
		at = e->start + e->length;
		pages += e->length / ARENA_PAGE;
	}
	if (pages != head->nr_pages)
		errx(EXIT_FAILED, "%s: %llu pages instead of %llu", f->path, pages,
		     head->nr_pages);
	return table;
}

/* Lay one file's pages over @a. Return whether that made the arena it is of. */
static bool file_apply(struct checkpoints *c, struct arena *a)
{
	struct checkpoint_header head;
	struct extent *table, *e;
	struct file f;

	file_open(&f, c->dir, c->nr, O_RDONLY);
	header_read(&f, &head);
	if (head.arena_size != a->size || head.number != c->nr || head.parent != c->last_digest)
		errx(EXIT_FAILED, "%s: does not follow the checkpoint before it", f.path);

	table = extents_read(&f, &head, a);
	f.digest = digest_bytes(header_digest(head), table, head.nr_extents * sizeof(*table));
	for (e = table; e < table + head.nr_extents; e++) {
		file_read(&f, a->base + e->start, e->length);
		f.digest = digest_bytes(f.digest, a->base + e->start, e->length);
	}
	if (f.digest != head.file_digest)
		errx(EXIT_FAILED, "%s: damaged", f.path);
	free(table);
	file_close(&f);

	c->nr++;
	c->last_digest = head.file_digest;
	return arena_digest(a) == head.arena_digest;
}

/*
 * Restore base and increments into @a, which must be all zero. Files that do
 * not hold together end the program; if they do, but do not give the arena that
 * was saved, @r says after how many of them.
 */
void checkpoint_restore(const char *dir, struct arena *a, struct restored *r)
{
	struct checkpoints c = { .dir = dir };

	*r = (struct restored) { .nr = count_files(dir) };
	while (c.nr < r->nr) {
		if (!file_apply(&c, a))
			r->wrong++;
	}
}

/* Remove the checkpoint files in @dir, and it. */
void checkpoint_remove(const char *dir)
{
	char *path;
	size_t i;
	int ret;

	for (i = 0, ret = 0; !ret; i++) {
		if (asprintf(&path, "%s/%04zu.ckpt", dir, i) < 0)
			return;
		ret = unlink(path);
		free(path);
	}
	rmdir(dir);
}
