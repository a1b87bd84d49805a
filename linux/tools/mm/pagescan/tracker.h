/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which pages has the process written since the last look?
 *
 * By a userfaultfd of the process (see target.h), or else by soft-dirty bits.
 * Mappings come and go; each look reads what there is, registers what is new,
 * and reports, page by page, what was written since the look before. What a page
 * must be to be reported, and to be armed again, depends on the mapping:
 *
 *  - private memory: populated, not a page of a file, not the zero page. Holes
 *    are never armed, which would cost page tables: what is not populated was
 *    not written, or was given back.
 *  - shared memory and files: written. Here a page that is not mapped yet can
 *    hold anything, so holes are armed, too, up to a size; above it, the first
 *    touch of a page counts as a write.
 *
 * A mapping that is new between two looks counts as written where it is
 * populated.
 */
#ifndef PAGESCAN_TRACKER_H
#define PAGESCAN_TRACKER_H

#include <stdbool.h>
#include <sys/types.h>

#include "maps.h"
#include "pages.h"

struct page_region;

enum track_mode {
	TRACK_ASYNC,		/* userfaultfd with WP_ASYNC, and PAGEMAP_SCAN */
	TRACK_SOFT_DIRTY,	/* /proc/PID/clear_refs and pagemap */
};

/* What a mapping is to the tracker; from VMA_LEFT_OUT on it is not tracked. */
enum vma_state {
	VMA_OURS,
	VMA_LEFT_OUT,		/* not what a process writes to */
	VMA_REFUSED,		/* it cannot be registered */
	VMA_FAILED,		/* it could not be, this time */
};

/* What one look saw. */
struct look {
	struct extents written;
	uint64_t when;		/* CLOCK_MONOTONIC, in ns, at its end */
	uint64_t cost_ns;	/* how long it took */
	uint64_t rss_pages;	/* memory of the process, in and out of swap */
	unsigned int calls;	/* ioctls */
	bool fresh;		/* tracking began (again): nothing is known */
	bool blind;		/* it could not look: nothing else counts */
};

struct tracker {
	pid_t pid;
	enum track_mode mode;
	bool has_scan;		/* there is PAGEMAP_SCAN */
	bool opened;		/* and not looked at since */
	bool blind;		/* at the last look */
	int pidfd;
	int uffd;
	int number;		/* that the process had it by */
	int pagemap;
	int maps_fd;
	struct maps maps;	/* of the last look, VMA_TRACKED where so */
	struct extents tracked;	/* what was registered at the last look */
	struct page_region *vec;
	enum vma_state *state;	/* of each of maps */
	uint64_t run_end;	/* up to here this look has registered */
	struct maps refused_maps;
	unsigned int refused;	/* mappings that should be tracked and are not */
	int refusal;		/* the errno of the last of them */
};

/*
 * Begin: with mode TRACK_ASYNC, or by soft-dirty. 0; or -errno and the reason.
 * -EOPNOTSUPP: the kernel lacks it, or the process cannot be tracked so; -EACCES:
 * no right even to look at it.
 */
int tracker_begin(struct tracker *t, pid_t pid, enum track_mode mode, char *why);
/*
 * The same, by soft-dirty if it must be, and say so, and what that means.
 */
int tracker_begin_any(struct tracker *t, pid_t pid, bool soft_dirty, char *why);
/*
 * Look. 0; -ESRCH if the process has ended; another -errno, with the reason. What
 * it executes meanwhile is followed; if it cannot be for now, the look is blind.
 */
int tracker_look(struct tracker *t, struct look *look, char *why);
/* Undo all. */
void tracker_end(struct tracker *t);
void look_free(struct look *look);

const char *track_mode_name(enum track_mode mode);

/* softdirty.c */
int softdirty_begin(struct tracker *t, char *why);
int softdirty_look(struct tracker *t, struct look *look, char *why);

#endif
