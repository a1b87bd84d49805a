/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The hunt: random operations on memory whose writes are tracked, and a model
 * that says what a scan must report, may report and must not.
 *
 * A script is a list of areas, each a mapping of some kind of memory, and of
 * operations on them.  It is made from a seed alone, not from what happens, so
 * that it can be run again with parts of it left out.  Areas are kept apart by
 * gaps, and one that is left out leaves a gap of its size.
 *
 * Areas are counted in units: base pages, or hugetlb pages.  What a scan says
 * is counted in base pages of the world, from its start.
 */
#ifndef _SELFTESTS_MM_HUNT_H
#define _SELFTESTS_MM_HUNT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "memory_kind.h"
#include "pagemap_util.h"
#include "swap_area.h"

#define HUNT_MAX_AREAS	5
#define HUNT_MAX_OPS	80
#define HUNT_WORDS	2	/* of each unit: its first and its last */
#define HUNT_WHY	1024	/* characters that say what is wrong */
#define HUNT_TIMEOUT	120	/* seconds, for a step that does not end at all */

/* Not a category: there is a mapping.  And a pair of them: one of the two is. */
#define HUNT_MAPPED	(1ULL << 62)
#define HUNT_EXISTS	(1ULL << 63)

#define hunt_min(a, b)	((a) < (b) ? (a) : (b))

struct hunt_random {
	__u64 state;
};

unsigned int hunt_random(struct hunt_random *random);
/* One of 0 to nr - 1. */
static inline unsigned int hunt_below(struct hunt_random *random, unsigned int nr)
{
	return hunt_random(random) % nr;
}

/* hunt_script.c: what is to be done */

enum hunt_op_type {
	HUNT_WRITE,
	HUNT_READ,
	HUNT_VERIFY,
	HUNT_SCAN,
	HUNT_PROTECT,
	HUNT_REGISTER,
	HUNT_MPROTECT,
	HUNT_MADVISE,
	HUNT_MLOCK,
	HUNT_PUNCH,
	HUNT_TRUNCATE,
	HUNT_REMAP,
	HUNT_FORK,
	HUNT_MIGRATE,
	HUNT_MSYNC,
	HUNT_KSM,
	HUNT_SWAPOFF,
	HUNT_GLOBAL,
	HUNT_NR_OPS,
};

#define HUNT_NR_ARGS	4

struct hunt_op {
	enum hunt_op_type type;
	unsigned int area;
	unsigned int first;	/* units of the area; pages of the world for a scan */
	unsigned int nr;
	unsigned int args[HUNT_NR_ARGS];
};

struct hunt_plan {
	const struct memory_kind *kind;	/* or NULL: a gap */
	enum memory_state state;
	unsigned int nr;		/* units */
	unsigned int gap;		/* pages in front of it */
	unsigned int pages;		/* base pages, of what was left out too */
	unsigned int align;		/* in base pages */
	bool tracked;
};

struct hunt_script {
	bool events;		/* the uffd is told of fork() and the like */
	unsigned int nr_areas;
	unsigned int nr_ops;
	struct hunt_plan areas[HUNT_MAX_AREAS];
	struct hunt_op ops[HUNT_MAX_OPS];
};

/* The arguments of a scan. */
#define HUNT_SCAN_FLAGS(op)	((op)->args[0] & 0xf)
#define HUNT_SCAN_CALLS(op)	((op)->args[0] >> 4 & 0xf)
#define HUNT_SCAN_UNALIGNED(op)	((op)->args[0] >> 8 & 1)
/* 0: all of the vec can be written; n: its first n - 1 regions */
#define HUNT_SCAN_BAD_VEC(op)	((op)->args[0] >> 12)
#define HUNT_SCAN_VEC_LEN(op)	((op)->args[1])
#define HUNT_SCAN_MAX_PAGES(op)	((op)->args[2])
#define HUNT_SCAN_INVERTED(op)	((op)->args[3] & 0xff)
#define HUNT_SCAN_MASK(op)	((op)->args[3] >> 8 & 0xff)
#define HUNT_SCAN_ANYOF(op)	((op)->args[3] >> 16 & 0xff)
#define HUNT_SCAN_RETURN(op)	((op)->args[3] >> 24)

/* The kinds that there are on this machine, as a set; finds out. */
unsigned int hunt_kinds(void);
/* Where each area starts, in pages of the world; returns how many it has. */
size_t hunt_layout(const struct hunt_script *script, size_t *first_pages);
void hunt_areas_make(struct hunt_script *script, struct hunt_random *random,
		     unsigned int kinds);
void hunt_script_make(struct hunt_script *script, __u64 seed, unsigned int kinds);
void hunt_script_print(const struct hunt_script *script, FILE *to);
/* Returns NULL, or what is wrong with the file. */
const char *hunt_script_read(struct hunt_script *script, const char *path);
const char *hunt_madvise_name(unsigned int index, int *advice);
unsigned int hunt_nr_madvises(void);

/* hunt_world.c: the memory */

enum hunt_answer {
	HUNT_NO,
	HUNT_YES,
	HUNT_MAYBE,
};

/* What the model knows of a unit. */
struct hunt_unit {
	bool tracked;
	bool lazy;			/* MADV_FREE: may turn into zeroes */
	int prot;
	enum hunt_answer written;	/* where it is tracked */
	enum hunt_answer own;		/* has a page that is not a file's */
	/* PRESENT, SWAPPED, FILE, PFNZERO, HUNT_EXISTS: that it has, can have */
	__u64 must;
	__u64 may;
	/* What is in it, in the file behind it, and was when last reported. */
	unsigned int word[HUNT_WORDS];
	unsigned int file_word[HUNT_WORDS];
	unsigned int snap[HUNT_WORDS];
	bool known[HUNT_WORDS];
	bool file_known[HUNT_WORDS];
	bool snap_known[HUNT_WORDS];
};

struct hunt_area {
	struct memory_kind kind;
	struct memory mem;
	bool mapped;
	bool dense;		/* a file with all of its pages */
	size_t first_page;	/* in the world */
	size_t per_unit;	/* base pages in a unit */
	unsigned int nr;
	struct hunt_unit *units;
};

struct hunt_page {
	__u64 categories;	/* by the last look, with HUNT_MAPPED */
	struct hunt_area *area;	/* or NULL in a gap */
	struct hunt_unit *unit;
};

#define HUNT_MAX_FORKS	16

struct hunt_world {
	bool exact;		/* compare with the model; else only the content */
	bool events;
	char *base;
	size_t page_size;
	size_t nr_pages;
	struct hunt_page *pages;
	unsigned int nr_areas;
	struct hunt_area areas[HUNT_MAX_AREAS];
	int pagemap;
	int uffd;
	const struct swap_area *swap;
	unsigned int next_value;
	char *spare;		/* address space for mremap() */
	size_t spare_size;
	struct page_region *vec;
	char *vec_end;		/* where memory that can be written ends */
	pthread_t monitor;
	pthread_mutex_t lock;	/* of the next two */
	int forks[HUNT_MAX_FORKS];
	unsigned int nr_forks;
	char *why;		/* HUNT_WHY characters, shared with the children */
};

const char *hunt_world_make(struct hunt_world *world,
			    const struct hunt_script *script,
			    const struct swap_area *swap);
struct range hunt_range(const struct hunt_world *world,
			const struct hunt_area *area, unsigned int first,
			unsigned int nr);
/* Keeps the words of what is wrong; returns them. */
const char *hunt_wrong(struct hunt_world *world, const char *fmt, ...);
void hunt_close_forks(struct hunt_world *world);

static inline unsigned int *hunt_word(const struct hunt_area *area,
				      unsigned int unit, unsigned int word)
{
	char *addr = area->mem.range.addr + unit * area->mem.range.unit;

	if (word)
		addr += area->mem.range.unit - sizeof(unsigned int);
	return (unsigned int *)addr;
}

/* hunt_model.c: what happens to a unit when ... */

bool hunt_is_anon(const struct hunt_area *area);
bool hunt_is_shared(const struct hunt_area *area);
void hunt_model_read(struct hunt_area *area, unsigned int index);
void hunt_model_write(struct hunt_area *area, unsigned int index);
void hunt_model_populate_write(struct hunt_area *area, unsigned int index);
void hunt_model_dontneed(struct hunt_area *area, unsigned int index);
void hunt_model_free(struct hunt_area *area, unsigned int index);
void hunt_model_reclaim(struct hunt_area *area, unsigned int index);
void hunt_model_collapse(struct hunt_area *area, unsigned int index);
void hunt_model_punch(struct hunt_area *area, unsigned int index);
void hunt_model_truncate(struct hunt_area *area, unsigned int index);
void hunt_model_swapoff(struct hunt_area *area, unsigned int index);
void hunt_model_fork(struct hunt_area *area, unsigned int index, bool tracked);
void hunt_model_register(struct hunt_unit *unit, bool tracked);
void hunt_model_arm(struct hunt_unit *unit);
/* The categories that the unit must have, and those that it may have. */
void hunt_model_categories(const struct hunt_area *area,
			   const struct hunt_unit *unit, __u64 *must, __u64 *may);

/* hunt_scan.c; these return NULL or what is wrong */

/* Gets all categories of all pages, and compares them with the model. */
const char *hunt_check(struct hunt_world *world);
const char *hunt_scan(struct hunt_world *world, const struct hunt_op *op);
/* Compares the content of units that can be read; reading has its effects. */
const char *hunt_verify(struct hunt_world *world, struct hunt_area *area,
			unsigned int first, unsigned int nr);

/* hunt_ops.c */

const char *hunt_do(struct hunt_world *world, const struct hunt_op *op);

/* Ways to write a word; false if this one is not to be had. */
bool hunt_put(unsigned int *where, unsigned int value, unsigned int way);
#define HUNT_NR_WAYS	6	/* behind HUNT_PINS, all are plain stores */
#define HUNT_REFERS	1	/* this one has a reference while it writes */
#define HUNT_PINS	2	/* this one pins the page */

/* hunt_race.c: everything at once */

enum hunt_scanners {
	HUNT_ONE_SCANNER,
	HUNT_MANY_SCANNERS,
};

/* Returns NULL or what is wrong. */
const char *hunt_race(struct hunt_world *world, __u64 seed,
		      enum hunt_scanners scanners);

/* hunt_run.c: whole scripts, each in a process of its own */

/* Each step has its own time: how many there are in it depends on the machine. */
static inline void hunt_goes_on(void)
{
	alarm(HUNT_TIMEOUT);
}

enum hunt_result {
	HUNT_FINE,
	HUNT_FOUND,
	HUNT_CANNOT,	/* the machine has not what it takes */
};

/* What is changed of the machine for as long as scripts run. */
struct hunt_machine {
	struct memory settings;
	struct swap_area swap;
	unsigned int kinds;
};

void hunt_machine_prepare(struct hunt_machine *machine);
void hunt_machine_restore(struct hunt_machine *machine);
enum hunt_result hunt_run(const struct hunt_script *script,
			  const struct hunt_machine *machine, bool exact,
			  char *why);
/* Races on the memory of a script, whose operations are not looked at. */
enum hunt_result hunt_run_race(const struct hunt_script *script,
			       const struct hunt_machine *machine, bool exact,
			       __u64 seed, enum hunt_scanners scanners, char *why);
/* Leaves out of a script that finds something what it does not take. */
void hunt_shrink(struct hunt_script *script, const struct hunt_machine *machine,
		 bool exact, char *why);

#endif
