// SPDX-License-Identifier: GPL-2.0
/* Names by number; see names.h */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "names.h"
#include "util.h"

static size_t first_slot(const struct names *names, const char *name)
{
	return checksum(CHECKSUM_BEGIN, (const uint8_t *)name, strlen(name)) &
	       (names->nr_slots - 1);
}

static void fill_slot(struct names *names, size_t number)
{
	size_t slot = first_slot(names, names->v[number]);

	while (names->slots[slot])
		slot = (slot + 1) & (names->nr_slots - 1);
	names->slots[slot] = number + 1;
}

size_t names_find(const struct names *names, const char *name)
{
	size_t slot;

	if (!names->nr_slots)
		return names->nr;
	for (slot = first_slot(names, name); names->slots[slot];
	     slot = (slot + 1) & (names->nr_slots - 1))
		if (!strcmp(names->v[names->slots[slot] - 1], name))
			return names->slots[slot] - 1;
	return names->nr;
}

void names_add(struct names *names, const char *name)
{
	size_t i;

	GROW(names->v, names->nr, names->room);
	names->v[names->nr++] = xstrndup(name, strlen(name));
	if (2 * names->nr <= names->nr_slots) {
		fill_slot(names, names->nr - 1);
		return;
	}
	names->nr_slots = names->nr_slots ? 2 * names->nr_slots : 64;
	free(names->slots);
	names->slots = xcalloc(names->nr_slots, sizeof(*names->slots));
	for (i = 0; i < names->nr; i++)
		fill_slot(names, i);
}

void names_free(struct names *names)
{
	size_t i;

	for (i = 0; i < names->nr; i++)
		free(names->v[i]);
	free(names->v);
	free(names->slots);
	*names = (struct names) { };
}
