/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all of pagescan uses: how it ends, memory that is there or ends it,
 * time, and numbers as people read them.
 */
#ifndef PAGESCAN_UTIL_H
#define PAGESCAN_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The exit status; the man page has the same list. */
enum {
	EXIT_OK		= 0,
	EXIT_TROUBLE	= 1,	/* an error while working: files, memory */
	EXIT_USAGE	= 2,	/* wrong options */
	EXIT_TARGET	= 3,	/* no such process, no right, or it is gone */
	EXIT_KERNEL	= 4,	/* the kernel lacks what is needed */
};

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* The text of a reason. Reasons are sentences without a full stop. */
#define WHY_LEN		256

/* say: to stderr, as "pagescan: ...", unless --quiet; die: and exit. */
extern bool quiet;
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void die(int status, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* Sets a reason, of WHY_LEN. */
void because(char *why, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

void *xrealloc(void *old, size_t nr, size_t size);
void *xcalloc(size_t nr, size_t size);
char *xstrndup(const char *s, size_t len);

/* Makes it UTF-8 without control characters: other bytes become "?". */
void clean_text(char *text);

/* Room for one more in an array that doubles. */
#define GROW(array, nr, room)						\
do {									\
	if ((nr) == (room)) {						\
		(room) = (room) ? 2 * (room) : 16;			\
		(array) = xrealloc(array, room, sizeof(*(array)));	\
	}								\
} while (0)

uint64_t now_ns(void);			/* CLOCK_MONOTONIC */
uint64_t page_size(void);

/* "1.5 MiB" and the like, in a ring of buffers: use it at once. */
const char *human(uint64_t bytes);
const char *human_ns(uint64_t ns);

/* "10", "1.5": seconds to ns. "64", "4K", "2M": bytes. False if it is not one. */
bool parse_seconds(const char *text, uint64_t *ns);
bool parse_size(const char *text, uint64_t *bytes);
bool parse_pid(const char *text, int *pid);
/* "START-END", both hexadecimal or with 0x. */
bool parse_range(const char *text, uint64_t *start, uint64_t *end);

#endif
