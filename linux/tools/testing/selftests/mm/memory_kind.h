/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kinds of memory that a process can have, for tests that must hold on all
 * of them.
 *
 * memory_make() maps one and brings it into one of three states before anybody
 * tracks it: nothing there, every unit read, every unit written.  Where the
 * machine cannot make it, it says why and has changed nothing; what it did
 * change of the machine (hugetlb pages, sysfs), memory_free() changes back.
 */
#ifndef _SELFTESTS_MM_MEMORY_KIND_H
#define _SELFTESTS_MM_MEMORY_KIND_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "pagemap_util.h"

enum memory_state {
	MEMORY_HOLE,
	MEMORY_READ,
	MEMORY_WRITTEN,
};

enum memory_backing {
	BACKING_NONE,
	BACKING_MEMFD,
	BACKING_FILE,
	BACKING_SYSV,
};

struct memory_kind {
	const char *name;
	enum memory_backing backing;
	size_t hugetlb;		/* size of the hugetlb pages, or 0 */
	size_t nr;		/* units; 0 with thp: as many as two huge pages */
	int map_flags;
	bool thp;		/* each entry maps a huge page, tracked by base page */
};

#define MEMORY_MAX_SETTINGS	8

/* Old values of the machine's settings, to be put back. */
struct memory_setting {
	char path[96];
	char old[32];
};

struct memory {
	struct range range;
	const struct memory_kind *kind;
	char *map;		/* what to unmap, alignment included */
	size_t map_len;
	int fd;			/* of the backing, or -1 */
	bool file_filled;	/* the file has content, not just a size */
	struct memory_setting settings[MEMORY_MAX_SETTINGS];
	unsigned int nr_settings;
};

extern const struct memory_kind memory_anon;
extern const struct memory_kind memory_anon_shared;
extern const struct memory_kind memory_anon_thp;
extern const struct memory_kind memory_stack;
extern const struct memory_kind memory_memfd_shared;
extern const struct memory_kind memory_memfd_private;
extern const struct memory_kind memory_memfd_shared_thp;
extern const struct memory_kind memory_memfd_private_thp;
extern const struct memory_kind memory_sysv;
extern const struct memory_kind memory_file_shared;
extern const struct memory_kind memory_file_private;
extern const struct memory_kind memory_hugetlb_shared;
extern const struct memory_kind memory_hugetlb_private;
extern const struct memory_kind memory_hugetlb_memfd_private;
extern const struct memory_kind memory_hugetlb_1g_shared;
extern const struct memory_kind memory_hugetlb_1g_private;

/* A kind and a state, for the initialiser of a FIXTURE_VARIANT. */
#define KIND(_kind, _state)						\
	.kind = &memory_##_kind, .state = MEMORY_##_state

/* Shared memory keeps its content when the page table forgets it. */
bool memory_is_shared(const struct memory_kind *kind);

/* Returns NULL, or why this machine has no such memory. */
const char *memory_make(struct memory *mem, const struct memory_kind *kind,
			enum memory_state state);
/*
 * The same at a place of the caller's, aligned as the kind needs it, with
 * nothing around it.  Whatever is mapped there is gone.  Not for System V shm.
 */
const char *memory_make_at(struct memory *mem, const struct memory_kind *kind,
			   enum memory_state state, void *where);
void memory_free(struct memory *mem);

/* Punches a hole into the file behind the memory; 0 or -errno. */
int memory_punch(const struct memory *mem, size_t first, size_t nr);

/* Changes a setting of the machine until memory_free(); 0 or -errno. */
int memory_set(struct memory *mem, const char *path, const char *value);

/* True when every unit still has what memory_make() put at its start. */
bool memory_intact(const struct memory *mem, enum memory_state state);

/*
 * A directory on an ext4, as a file system with page_mkwrite(): the one that
 * TEST_EXT4 names, or else this one, or one of the usual places; or NULL.
 */
const char *memory_file_dir(void);
/* A new unlinked file there; returns a descriptor or -errno. */
int memory_file(int flags);

#endif
