// SPDX-License-Identifier: GPL-2.0
/* The mappings of a process; see maps.h */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "maps.h"
#include "util.h"

static void add(struct maps *maps, uint64_t start, uint64_t end, unsigned int flags,
		const char *name)
{
	GROW(maps->v, maps->nr, maps->room);
	maps->v[maps->nr++] = (struct vma) {
		.start = start,
		.end = end,
		.flags = flags,
		.name = name,
	};
}

void maps_add(struct maps *maps, uint64_t start, uint64_t end, unsigned int flags,
	      const char *name, size_t name_len)
{
	char *copy = xstrndup(name, name_len);

	clean_text(copy);
	add(maps, start, end, flags, copy);
}

void maps_borrow(struct maps *maps, uint64_t start, uint64_t end, unsigned int flags,
		 const char *name)
{
	maps->borrows = true;
	add(maps, start, end, flags, name);
}

static void free_name(struct vma *vma)
{
	free((void *)vma->name);
}

void maps_clip(struct maps *maps)
{
	struct vma *last, *before;

	if (maps->nr < 2)
		return;
	last = &maps->v[maps->nr - 1];
	before = last - 1;
	if (last->start < before->end)
		last->start = before->end;
	if (last->start < last->end)
		return;
	free_name(last);
	maps->nr--;
}

bool maps_parse(struct maps *maps, char *line)
{
	unsigned int flags = 0;
	uint64_t start, end, inode;
	int name_at = -1;
	char perms[5];

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*x:%*x %" SCNu64 " %n",
		   &start, &end, perms, &inode, &name_at) != 4 || name_at < 0)
		return false;
	if (start >= end || strlen(perms) != 4)
		return false;

	flags |= perms[0] == 'r' ? VMA_READ : 0;
	flags |= perms[1] == 'w' ? VMA_WRITE : 0;
	flags |= perms[2] == 'x' ? VMA_EXEC : 0;
	flags |= perms[3] == 's' ? VMA_SHARED : 0;
	flags |= inode ? VMA_FILE : 0;
	maps_add(maps, start, end, flags, line + name_at, strlen(line + name_at));
	return true;
}

/* All that a file gives from its beginning; *text ends with a 0. */
static int read_all(int fd, char **text, size_t *len)
{
	size_t room = 65536;
	ssize_t got;
	char *buf = xrealloc(NULL, room + 1, 1);

	*len = 0;
	do {
		if (*len == room) {
			room *= 2;
			buf = xrealloc(buf, room + 1, 1);
		}
		got = pread(fd, buf + *len, room - *len, *len);
		if (got < 0) {
			free(buf);
			return -errno;
		}
		*len += got;
	} while (got);
	buf[*len] = '\0';
	*text = buf;
	return 0;
}

int maps_read(struct maps *maps, int fd)
{
	char *text = NULL, *line, *rest;
	size_t len;
	int ret;

	maps_free(maps);
	ret = read_all(fd, &text, &len);
	if (ret)
		return ret;
	for (rest = text; (line = strsep(&rest, "\n")); )
		if (*line && maps_parse(maps, line))
			maps_clip(maps);
	free(text);
	return 0;
}

void maps_copy(struct maps *to, const struct maps *from)
{
	size_t i;

	maps_free(to);
	for (i = 0; i < from->nr; i++)
		maps_add(to, from->v[i].start, from->v[i].end, from->v[i].flags,
			 from->v[i].name, strlen(from->v[i].name));
}

bool maps_equal(const struct maps *a, const struct maps *b)
{
	size_t i;

	if (a->nr != b->nr)
		return false;
	for (i = 0; i < a->nr; i++)
		if (a->v[i].start != b->v[i].start || a->v[i].end != b->v[i].end ||
		    a->v[i].flags != b->v[i].flags ||
		    strcmp(a->v[i].name, b->v[i].name))
			return false;
	return true;
}

void maps_free(struct maps *maps)
{
	size_t i;

	for (i = 0; i < maps->nr && !maps->borrows; i++)
		free_name(&maps->v[i]);
	free(maps->v);
	*maps = (struct maps) { };
}

size_t maps_after(const struct maps *maps, uint64_t addr)
{
	size_t low = 0, high = maps->nr, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (maps->v[middle].end > addr)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

const struct vma *maps_find(const struct maps *maps, uint64_t addr)
{
	const size_t at = maps_after(maps, addr);

	return at == maps->nr || maps->v[at].start > addr ? NULL : &maps->v[at];
}

const char *vma_perms(const struct vma *vma, char *text)
{
	text[0] = vma->flags & VMA_READ ? 'r' : '-';
	text[1] = vma->flags & VMA_WRITE ? 'w' : '-';
	text[2] = vma->flags & VMA_EXEC ? 'x' : '-';
	text[3] = vma->flags & VMA_SHARED ? 's' : 'p';
	text[4] = '\0';
	return text;
}

const char *vma_label(const struct vma *vma)
{
	if (*vma->name)
		return vma->name;
	return vma->flags & VMA_SHARED ? "(shared)" : "(anonymous)";
}
