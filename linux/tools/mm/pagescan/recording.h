/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A recording: what each look saw, and the mappings at that time.
 *
 * As a file it is eight bytes of magic, and blocks: a byte of type, the length of
 * the content as a varint, the content, and four bytes of checksum. A file that
 * ends anywhere can be read up to its last whole block. Numbers are varints: seven
 * bits a byte, the lowest first, the high bit says that more follow.
 *
 *  'H'  version, page size, start (ns since 1970), interval in ns, PID, mode of
 *       tracking, length of the command, the command
 *  'M'  mappings, when they changed: how many; each: pages from the end of the
 *       one before, pages, VMA_*, number of the name; a number not used yet is
 *       followed by the name's length and the name
 *  'S'  a look: ns since the one before, ns it took, pages of memory, SAMPLE_*,
 *       how many extents; each: pages from the end of the one before, pages
 *  'E'  the end: END_*
 *
 * Blocks of other types are passed over. The first 'M' comes before the first 'S'.
 */
#ifndef PAGESCAN_RECORDING_H
#define PAGESCAN_RECORDING_H

#include <stdbool.h>
#include <stdio.h>

#include "maps.h"
#include "names.h"
#include "pages.h"

#define RECORDING_VERSION	1

enum {
	SAMPLE_FRESH	= 1 << 0,	/* tracking began here: nothing known before */
};

enum ending {
	END_NONE,		/* the file is cut short, or is still being written */
	END_STOPPED,		/* by the user, or as long as was asked for */
	END_EXITED,		/* the process did */
	END_ERROR,
};

struct recording_head {
	uint64_t page_size;
	uint64_t start_ns;	/* since 1970 */
	uint64_t interval_ns;
	uint64_t pid;
	uint64_t mode;		/* enum track_mode */
	char *command;
};

struct sample {
	uint64_t when;		/* ns since the start */
	uint64_t cost_ns;
	uint64_t rss_pages;
	uint64_t flags;
	size_t maps;		/* number of its mappings */
	struct extents written;
};

struct recording {
	struct recording_head head;
	struct maps *maps;
	size_t nr_maps;
	size_t room_maps;
	struct sample *samples;
	size_t nr;
	size_t room;
	/*
	 * The names that the mappings borrow: a byte of a file can stand for one of
	 * 64 KiB, which is to be there once.
	 */
	char **names;
	size_t nr_names;
	size_t room_names;
	enum ending ending;
};

/* Writing. Errors stay in the file: look at ferror(), or at fclose(). */
struct recorder {
	FILE *file;
	uint64_t last;		/* when the last sample was */
	uint64_t bytes;
	struct names names;
};

void recorder_begin(struct recorder *r, FILE *file, const struct recording_head *head);
void recorder_maps(struct recorder *r, const struct maps *maps);
void recorder_sample(struct recorder *r, const struct sample *sample);
/* Writes the end, frees what it has; the file stays open. */
void recorder_end(struct recorder *r, enum ending ending);

/*
 * Read all that can be. False if it is no recording at all; the reason, also that
 * of an early end, is in why, which else is empty.
 */
bool recording_read(struct recording *rec, FILE *file, char *why);
void recording_free(struct recording *rec);
/* How long it is, in ns, and what was written in all of it. */
uint64_t recording_length(const struct recording *rec);
void recording_union(const struct recording *rec, struct extents *all);
/* The same for nr of its samples from one on. */
void recording_union_of(const struct recording *rec, size_t first, size_t nr,
			struct extents *all);

#endif
