// SPDX-License-Identifier: GPL-2.0
/*
 * The model of the hunt: what each event does to a unit, as the ABI promises
 * it.  What is not promised is "may".
 *
 * WRITTEN is never derived from the other categories where writes are tracked,
 * and always where they are not: there it means that an entry exists.
 */
#include <string.h>
#include <sys/mman.h>

#include "hunt.h"

#define PRESENT		PAGE_IS_PRESENT
#define SWAPPED		PAGE_IS_SWAPPED
#define FILE_PAGE	PAGE_IS_FILE
#define ZERO		PAGE_IS_PFNZERO

bool hunt_is_shared(const struct hunt_area *area)
{
	return memory_is_shared(&area->kind);
}

bool hunt_is_anon(const struct hunt_area *area)
{
	return area->kind.backing == BACKING_NONE && !hunt_is_shared(area) &&
	       !area->kind.hugetlb;
}

static bool is_file(const struct hunt_area *area)
{
	return !hunt_is_anon(area) &&
	       !(area->kind.hugetlb && area->kind.backing == BACKING_NONE);
}

static void perhaps_written(struct hunt_unit *unit)
{
	if (unit->written == HUNT_NO)
		unit->written = HUNT_MAYBE;
}

static void is_now(struct hunt_unit *unit, __u64 categories)
{
	unit->must = categories;
	if (categories & (PRESENT | SWAPPED))
		unit->must |= HUNT_EXISTS;
	unit->may = categories;
}

static void set_words(struct hunt_unit *unit, const unsigned int *words,
		      const bool *known)
{
	int i;

	for (i = 0; i < HUNT_WORDS; i++) {
		unit->word[i] = words ? words[i] : 0;
		unit->known[i] = known ? known[i] : true;
	}
}

static void forget_words(struct hunt_unit *unit)
{
	memset(unit->known, false, sizeof(unit->known));
}

/* A fault can bring more than it was for: a huge page, or pages around it. */
static void around(struct hunt_area *area, unsigned int index, bool write)
{
	struct hunt_unit *unit = &area->units[index];
	unsigned int per_huge = pmd_size() / base_page(), first = 0, last = area->nr, i;
	bool file = is_file(area);

	if (area->kind.hugetlb)
		return;
	if (area->kind.thp) {
		first = index / per_huge * per_huge;
		last = hunt_min(first + per_huge, area->nr);
	} else if (!file || write || unit->tracked) {
		return;
	}
	for (i = first; i < last; i++) {
		struct hunt_unit *other = &area->units[i];

		if (i == index)
			continue;
		other->may |= PRESENT;
		if (file && other->own != HUNT_YES)
			other->may |= FILE_PAGE;
		if (!file && other->own == HUNT_NO) {
			other->may |= ZERO;
			if (write) {
				other->must &= ~ZERO;
				other->own = HUNT_MAYBE;
			}
		}
	}
}

void hunt_model_read(struct hunt_area *area, unsigned int index)
{
	struct hunt_unit *unit = &area->units[index];

	if (hunt_is_shared(area)) {
		is_now(unit, PRESENT | FILE_PAGE);
	} else if (hunt_is_anon(area)) {
		is_now(unit, PRESENT | (unit->own == HUNT_NO ? ZERO : 0));
		if (unit->own == HUNT_MAYBE)
			unit->may |= ZERO;
	} else if (!is_file(area)) {
		is_now(unit, PRESENT);
		unit->own = HUNT_YES;
	} else {
		/* Where hugetlb has no page in the file, it is a private one. */
		if (area->kind.hugetlb && !area->dense && unit->own == HUNT_NO)
			unit->own = HUNT_MAYBE;
		is_now(unit, PRESENT | (unit->own == HUNT_NO ? FILE_PAGE : 0));
		if (unit->own == HUNT_MAYBE)
			unit->may |= FILE_PAGE;
	}
	around(area, index, false);
}

void hunt_model_populate_write(struct hunt_area *area, unsigned int index)
{
	struct hunt_unit *unit = &area->units[index];

	unit->written = HUNT_YES;
	if (hunt_is_shared(area)) {
		is_now(unit, PRESENT | FILE_PAGE);
	} else {
		is_now(unit, PRESENT);
		unit->own = HUNT_YES;
	}
	around(area, index, true);
}

void hunt_model_write(struct hunt_area *area, unsigned int index)
{
	hunt_model_populate_write(area, index);
	area->units[index].lazy = false;
}

void hunt_model_dontneed(struct hunt_area *area, unsigned int index)
{
	struct hunt_unit *unit = &area->units[index];

	is_now(unit, 0);
	if (hunt_is_shared(area))
		return;
	unit->lazy = false;
	if (hunt_is_anon(area)) {
		unit->written = HUNT_YES;
	} else {
		/* What was the file's is as it was. */
		if (unit->own == HUNT_YES)
			unit->written = HUNT_YES;
		else if (unit->own == HUNT_MAYBE)
			perhaps_written(unit);
	}
	unit->own = HUNT_NO;
	if (is_file(area))
		set_words(unit, unit->file_word, unit->file_known);
	else
		set_words(unit, NULL, NULL);
}

void hunt_model_free(struct hunt_area *area, unsigned int index)
{
	struct hunt_unit *unit = &area->units[index];

	unit->lazy = true;
	if (unit->own == HUNT_YES)
		unit->own = HUNT_MAYBE;
	/* What is in swap is gone at once. */
	if (unit->may & SWAPPED) {
		perhaps_written(unit);
		forget_words(unit);
		unit->must = 0;
	}
}

void hunt_model_reclaim(struct hunt_area *area, unsigned int index)
{
	struct hunt_unit *unit = &area->units[index];
	bool private = !hunt_is_shared(area) && unit->own != HUNT_NO;

	unit->must &= HUNT_EXISTS;
	if (private)
		unit->may |= SWAPPED;
	if (unit->own != HUNT_YES || unit->lazy || !private)
		unit->must = 0;
	if (unit->lazy) {
		perhaps_written(unit);
		forget_words(unit);
	}
}

void hunt_model_collapse(struct hunt_area *area, unsigned int index)
{
	struct hunt_unit *unit = &area->units[index];

	unit->may |= PRESENT;
	if (hunt_is_anon(area)) {
		unit->must &= ~(ZERO | SWAPPED);
		if (unit->own == HUNT_NO)
			unit->own = HUNT_MAYBE;
	} else if (unit->own != HUNT_YES) {
		unit->may |= FILE_PAGE;
		unit->must = 0;
	}
}

static void file_is_zero(struct hunt_unit *unit)
{
	int i;

	for (i = 0; i < HUNT_WORDS; i++) {
		unit->file_word[i] = 0;
		unit->file_known[i] = true;
	}
}

/* Private copies stay, but those of hugetlb. */
void hunt_model_punch(struct hunt_area *area, unsigned int index)
{
	struct hunt_unit *unit = &area->units[index];

	area->dense = false;
	file_is_zero(unit);
	if (!hunt_is_shared(area) && !area->kind.hugetlb) {
		if (unit->own == HUNT_YES)
			return;
		if (unit->own == HUNT_MAYBE) {
			perhaps_written(unit);
			forget_words(unit);
			unit->must = 0;
			return;
		}
	}
	hunt_model_truncate(area, index);
}

void hunt_model_truncate(struct hunt_area *area, unsigned int index)
{
	struct hunt_unit *unit = &area->units[index];

	area->dense = false;
	file_is_zero(unit);
	is_now(unit, 0);
	unit->written = HUNT_YES;
	unit->own = HUNT_NO;
	unit->lazy = false;
	set_words(unit, NULL, NULL);
}

void hunt_model_swapoff(struct hunt_area *area, unsigned int index)
{
	struct hunt_unit *unit = &area->units[index];

	if (unit->may & SWAPPED)
		unit->may |= PRESENT;
	unit->must &= ~SWAPPED;
}

/* In the child; only what cannot be faulted in again is surely copied. */
void hunt_model_fork(struct hunt_area *area, unsigned int index, bool tracked)
{
	struct hunt_unit *unit = &area->units[index];

	if (!tracked)
		unit->tracked = false;
	if (hunt_is_shared(area) || unit->own != HUNT_YES)
		unit->must = 0;
}

void hunt_model_register(struct hunt_unit *unit, bool tracked)
{
	if (tracked && !unit->tracked)
		unit->written = HUNT_YES;
	unit->tracked = tracked;
}

void hunt_model_arm(struct hunt_unit *unit)
{
	unit->written = HUNT_NO;
	memcpy(unit->snap, unit->word, sizeof(unit->snap));
	memcpy(unit->snap_known, unit->known, sizeof(unit->snap_known));
}

void hunt_model_categories(const struct hunt_area *area,
			   const struct hunt_unit *unit, __u64 *must, __u64 *may)
{
	const __u64 any = PRESENT | SWAPPED;
	/*
	 * A file's page may be unmapped at any time, as when its huge page is
	 * split by a hole beside it, or by reclaim, or made by khugepaged.
	 */
	const bool fleeting = !area->kind.hugetlb &&
			      (hunt_is_shared(area) ||
			       (is_file(area) && unit->own != HUNT_YES));

	*must = fleeting ? 0 : unit->must & ~HUNT_EXISTS;
	*may = unit->may | PAGE_IS_SOFT_DIRTY;
	if (area->kind.thp && (unit->may & any))
		*may |= PAGE_IS_HUGE;
	if (area->kind.hugetlb && (unit->must & PRESENT))
		*must |= PAGE_IS_HUGE;
	if (area->kind.hugetlb && (unit->may & PRESENT))
		*may |= PAGE_IS_HUGE;

	if (unit->tracked) {
		*must |= PAGE_IS_WPALLOWED;
		*may |= PAGE_IS_WPALLOWED;
		if (unit->written != HUNT_NO)
			*may |= PAGE_IS_WRITTEN;
		if (unit->written == HUNT_YES)
			*must |= PAGE_IS_WRITTEN;
	} else {
		if (unit->may & any)
			*may |= PAGE_IS_WRITTEN;
		if ((unit->must & HUNT_EXISTS) && !fleeting)
			*must |= PAGE_IS_WRITTEN;
	}
}
