/* SPDX-License-Identifier: GPL-2.0 */
/* Names by number, each once; and the number of a name, soon found. */
#ifndef PAGESCAN_NAMES_H
#define PAGESCAN_NAMES_H

#include <stddef.h>

struct names {
	char **v;
	size_t nr;
	size_t room;
	size_t *slots;		/* numbers plus one, by hash */
	size_t nr_slots;	/* a power of two, or 0 */
};

/* The number of a name; names->nr if it is not among them. */
size_t names_find(const struct names *names, const char *name);
/* Give the next number to a name that is not among them. */
void names_add(struct names *names, const char *name);
void names_free(struct names *names);

#endif
