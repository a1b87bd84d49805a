/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The mappings of a process, as /proc/PID/maps tells them.
 */
#ifndef PAGESCAN_MAPS_H
#define PAGESCAN_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a mapping may do, and what it is; also in files, so never renumbered. */
enum {
	VMA_READ	= 1 << 0,
	VMA_WRITE	= 1 << 1,
	VMA_EXEC	= 1 << 2,
	VMA_SHARED	= 1 << 3,
	VMA_FILE	= 1 << 4,	/* of a file, or of shared memory */
	VMA_TRACKED	= 1 << 5,	/* writes to it are seen */
	VMA_ALL		= (1 << 6) - 1,
};

struct vma {
	uint64_t start;		/* in bytes */
	uint64_t end;
	unsigned int flags;
	const char *name;	/* path, "[heap]"; "" if it has none */
};

struct maps {
	struct vma *v;
	size_t nr;
	size_t room;
	bool borrows;		/* the names are somebody else's, all of them */
};

/*
 * Read the mappings from an open /proc/PID/maps. It stays with the program that
 * ran when it was opened: none are left when that has ended. 0 or -errno.
 */
int maps_read(struct maps *maps, int fd);
/*
 * The file is given in pieces, and between two of them a mapping can grow or move
 * into what was told already: cut that off the mapping just added.
 */
void maps_clip(struct maps *maps);
/* One line of the file, without its end. False if it is not such a line. */
bool maps_parse(struct maps *maps, char *line);
void maps_add(struct maps *maps, uint64_t start, uint64_t end, unsigned int flags,
	      const char *name, size_t name_len);
/* The name is not copied, nor freed; it must be clean. */
void maps_borrow(struct maps *maps, uint64_t start, uint64_t end, unsigned int flags,
		 const char *name);
void maps_copy(struct maps *to, const struct maps *from);
bool maps_equal(const struct maps *a, const struct maps *b);
void maps_free(struct maps *maps);

/* The first mapping that ends above an address; nr if none does. */
size_t maps_after(const struct maps *maps, uint64_t addr);
/* The mapping that has an address, or NULL. */
const struct vma *maps_find(const struct maps *maps, uint64_t addr);
/* "rw-p" and the like, in a buffer of 5 that it returns. */
const char *vma_perms(const struct vma *vma, char *text);
/* A name to show: of its own, or what it is. */
const char *vma_label(const struct vma *vma);

#endif
