// SPDX-License-Identifier: GPL-2.0
/*
 * Scans of the hunt.  A look takes all categories of all pages, which the model
 * is compared with; what any other scan must answer then follows from the last
 * look, exactly.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hunt.h"

#define LOOK_LEN	512
#define CANARY		0x6e6f626f6479ULL

static __u64 page_addr(const struct hunt_world *world, size_t page)
{
	return to_u64(world->base) + (__u64)page * world->page_size;
}

static const char *name_page(struct hunt_world *world, size_t page)
{
	const struct hunt_area *area = world->pages[page].area;
	static char name[96];

	if (!area)
		snprintf(name, sizeof(name), "page %zu, in a gap", page);
	else
		snprintf(name, sizeof(name), "page %zu, unit %zu of area %zu (%s)",
			 page, (page - area->first_page) / area->per_unit,
			 (size_t)(area - world->areas), area->kind.name);
	return name;
}

static const char *look(struct hunt_world *world)
{
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = page_addr(world, 0),
		.end = page_addr(world, world->nr_pages),
		.vec = to_u64(world->vec),
		.vec_len = LOOK_LEN,
		.return_mask = ALL_CATEGORIES,
	};
	size_t page;
	int nr, i;

	for (page = 0; page < world->nr_pages; page++)
		world->pages[page].categories = 0;
	while (arg.start < arg.end) {
		__u64 pos = arg.start;

		nr = pagemap_scan(world->pagemap, &arg);
		if (nr < 0)
			return hunt_wrong(world, "looking: %s", strerror(-nr));
		for (i = 0; i < nr; i++) {
			const struct page_region *region = &world->vec[i];

			if (region->start < pos || region->end <= region->start ||
			    region->end > arg.end)
				return hunt_wrong(world, "looking: bad region %d", i);
			for (pos = region->start; pos < region->end;
			     pos += world->page_size) {
				page = (pos - page_addr(world, 0)) / world->page_size;
				world->pages[page].categories =
					region->categories | HUNT_MAPPED;
			}
		}
		if (arg.walk_end <= arg.start || arg.walk_end < pos)
			return hunt_wrong(world, "looking: stuck");
		arg.start = arg.walk_end;
	}
	return NULL;
}

static const char *check_page(struct hunt_world *world, size_t page, __u64 entry)
{
	const struct hunt_page *seen = &world->pages[page];
	const __u64 both = PAGE_IS_PRESENT | PAGE_IS_SWAPPED;
	__u64 must, may, is = seen->categories & ~HUNT_MAPPED;
	bool armed;

	if (!seen->area != !seen->categories)
		return hunt_wrong(world, "%s: %s", name_page(world, page),
				  seen->area ? "not reported" : "reported");
	if (!seen->area)
		return NULL;
	hunt_model_categories(seen->area, seen->unit, &must, &may);
	if ((is & must) != must || (is & ~may) || (is & both) == both)
		return hunt_wrong(world,
				  "%s: is %#llx, must be %#llx, may be %#llx",
				  name_page(world, page), (unsigned long long)is,
				  (unsigned long long)must,
				  (unsigned long long)may);
	armed = (is & PAGE_IS_WPALLOWED) && !(is & PAGE_IS_WRITTEN);
	if ((entry >> PAGEMAP_UFFD_WP & 1) != armed)
		return hunt_wrong(world, "%s: is %#llx, its pagemap entry %#llx",
				  name_page(world, page), (unsigned long long)is,
				  (unsigned long long)entry);
	return NULL;
}

/* What a pmd maps, it maps all of. */
static const char *check_huge(struct hunt_world *world,
			      const struct hunt_area *area)
{
	size_t per_huge = pmd_size() / world->page_size, huge, i, j;

	for (i = 0; i < area->nr; i += per_huge) {
		const struct hunt_page *page = &world->pages[area->first_page + i];

		for (huge = j = 0; j < per_huge; j++)
			huge += !!(page[j].categories & PAGE_IS_HUGE);
		if (huge && huge != per_huge)
			return hunt_wrong(world, "%zu pages are huge from %s", huge,
					  name_page(world, area->first_page + i));
	}
	return NULL;
}

const char *hunt_check(struct hunt_world *world)
{
	size_t len = world->nr_pages * sizeof(__u64), page;
	const char *wrong = look(world);
	__u64 *entries;
	unsigned int i;

	if (wrong || !world->exact)
		return wrong;
	entries = malloc(len);
	if (!entries ||
	    pread(world->pagemap, entries, len,
		  page_addr(world, 0) / world->page_size * sizeof(__u64)) !=
	    (ssize_t)len)
		wrong = "cannot read the pagemap";
	for (page = 0; page < world->nr_pages && !wrong; page++)
		wrong = check_page(world, page, entries[page]);
	free(entries);
	for (i = 0; i < world->nr_areas && !wrong; i++)
		if (world->areas[i].mapped && world->areas[i].kind.thp)
			wrong = check_huge(world, &world->areas[i]);
	return wrong;
}

/* What the answer to a scan must be, and which pages it takes. */
struct answer {
	int ret;
	unsigned int nr;
	__u64 walk_end;
	struct page_region vec[1024];
	bool *taken;
};

static bool matches(const struct pm_scan_arg *arg, __u64 categories)
{
	__u64 c = categories ^ arg->category_inverted;

	if ((c & arg->category_mask) != arg->category_mask)
		return false;
	return !arg->category_anyof_mask || (c & arg->category_anyof_mask);
}

static bool arms(const struct pm_scan_arg *arg)
{
	return arg->flags & PM_SCAN_WP_MATCHING;
}

/* Errors that are found before anything is armed; 0 if there are none. */
static int expect_error(struct hunt_world *world, const struct pm_scan_arg *arg,
			size_t first, size_t last, unsigned int writable,
			struct answer *answer)
{
	size_t page;

	for (page = first; page < last; page++) {
		const struct hunt_page *seen = &world->pages[page];
		const struct hunt_area *area = seen->area;

		if (!area)
			continue;
		if (!seen->unit->tracked && (arg->flags & PM_SCAN_CHECK_WPASYNC)) {
			answer->walk_end = page_addr(world, page);
			return -EPERM;
		}
		if (!seen->unit->tracked || !arms(arg))
			continue;
		if ((page == first && (page - area->first_page) % area->per_unit) ||
		    (page == last - 1 &&
		     (page + 1 - area->first_page) % area->per_unit))
			return -EINVAL;
	}
	return arg->vec_len && !writable ? -EFAULT : 0;
}

static bool extends(const struct answer *answer, __u64 addr, __u64 report)
{
	const struct page_region *last = answer->vec + answer->nr;

	if (!answer->nr)
		return false;
	last--;
	return last->end == addr && last->categories == report;
}

static void expect(struct hunt_world *world, const struct pm_scan_arg *arg,
		   unsigned int writable, struct answer *answer)
{
	size_t first = (arg->start - page_addr(world, 0)) / world->page_size;
	size_t last = (arg->end - page_addr(world, 0) + world->page_size - 1) /
		      world->page_size, page, nr, i;
	__u64 left = arg->max_pages ?: ~0ULL;

	memset(answer->taken, false, world->nr_pages);
	answer->nr = 0;
	answer->walk_end = arg->start;
	answer->ret = first == last ? 0 :
		      expect_error(world, arg, first, last, writable, answer);
	if (answer->ret)
		return;
	for (page = first; page < last; page += nr) {
		const struct hunt_page *seen = &world->pages[page];
		__u64 report = seen->categories & arg->return_mask;
		__u64 addr = page_addr(world, page);

		nr = 1;
		if (!seen->area || (arms(arg) && !seen->unit->tracked) ||
		    !matches(arg, seen->categories & ~HUNT_MAPPED))
			continue;
		if (arms(arg))
			nr = seen->area->per_unit;
		if (!left || (arg->vec_len && answer->nr == writable &&
			      !extends(answer, addr, report)))
			break;
		if (left < nr && left == arg->max_pages)
			answer->ret = -EINVAL;
		if (left < nr)
			break;
		left -= nr;
		for (i = 0; i < nr; i++)
			answer->taken[page + i] = true;
		if (!arg->vec_len)
			continue;
		if (!extends(answer, addr, report)) {
			answer->vec[answer->nr].start = addr;
			answer->vec[answer->nr++].categories = report;
		}
		answer->vec[answer->nr - 1].end = addr + nr * world->page_size;
	}
	answer->walk_end = page_addr(world, hunt_min(page, last));
	if (!answer->ret)
		answer->ret = answer->nr;
}

static const char *compare(struct hunt_world *world, const struct answer *answer,
			   const struct pm_scan_arg *arg, int ret,
			   const struct page_region *vec)
{
	int i;

	if (ret != answer->ret)
		return hunt_wrong(world, "the scan returned %d, must %d", ret,
				  answer->ret);
	if (arg->walk_end != answer->walk_end)
		return hunt_wrong(world, "walk_end at page %lld, must be %lld",
				  (long long)(arg->walk_end - page_addr(world, 0)) /
				  (long long)world->page_size,
				  (long long)(answer->walk_end - page_addr(world, 0)) /
				  (long long)world->page_size);
	for (i = 0; i < ret; i++) {
		if (!memcmp(&vec[i], &answer->vec[i], sizeof(vec[i])))
			continue;
		return hunt_wrong(world,
				  "region %d is %#llx-%#llx %#llx, must %#llx-%#llx %#llx",
				  i, vec[i].start - page_addr(world, 0),
				  vec[i].end - page_addr(world, 0),
				  vec[i].categories,
				  answer->vec[i].start - page_addr(world, 0),
				  answer->vec[i].end - page_addr(world, 0),
				  answer->vec[i].categories);
	}
	if (ret >= 0 && (char *)(vec + ret + 1) <= world->vec_end &&
	    vec[ret].start != CANARY)
		return hunt_wrong(world, "the scan wrote behind its last region");
	return NULL;
}

/* If the answer was not what it must be: what the caller was told of. */
static void take_told(struct hunt_world *world, struct answer *answer, int ret,
		      const struct page_region *vec)
{
	__u64 addr;
	int i;

	memset(answer->taken, false, world->nr_pages);
	for (i = 0; i < ret; i++)
		for (addr = vec[i].start; addr < vec[i].end; addr += world->page_size)
			answer->taken[(addr - page_addr(world, 0)) /
				      world->page_size] = true;
}

static void arm_taken(struct hunt_world *world, const struct answer *answer)
{
	size_t page;

	for (page = 0; page < world->nr_pages; page++) {
		const struct hunt_page *seen = &world->pages[page];

		if (answer->taken[page] && seen->area && seen->unit->tracked &&
		    (seen->categories & PAGE_IS_WRITTEN))
			hunt_model_arm(seen->unit);
	}
}

static const char *scan_once(struct hunt_world *world, struct pm_scan_arg *arg,
			     unsigned int writable, struct answer *answer, int *ret)
{
	struct page_region *vec = world->vec;
	const char *wrong = NULL;
	unsigned int i;

	if (writable < arg->vec_len)
		vec = (struct page_region *)world->vec_end - writable;
	for (i = 0; (char *)(vec + i + 1) <= world->vec_end; i++)
		vec[i].start = CANARY;
	arg->vec = to_u64(vec);
	expect(world, arg, writable, answer);
	*ret = pagemap_scan(world->pagemap, arg);
	if (world->exact)
		wrong = compare(world, answer, arg, *ret, vec);
	else if (*ret < 0 || arg->vec_len)
		take_told(world, answer, *ret, vec);
	if (!wrong && arms(arg))
		arm_taken(world, answer);
	return wrong;
}

const char *hunt_scan(struct hunt_world *world, const struct hunt_op *op)
{
	size_t first = hunt_min(op->first, world->nr_pages);
	size_t nr = hunt_min(op->nr, world->nr_pages - first);
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.flags = HUNT_SCAN_FLAGS(op),
		.start = page_addr(world, first),
		.end = page_addr(world, first + nr),
		.vec_len = HUNT_SCAN_VEC_LEN(op),
		.max_pages = HUNT_SCAN_MAX_PAGES(op),
		.category_inverted = HUNT_SCAN_INVERTED(op),
		.category_mask = HUNT_SCAN_MASK(op),
		.category_anyof_mask = HUNT_SCAN_ANYOF(op),
		.return_mask = HUNT_SCAN_RETURN(op),
	};
	static struct answer answer;
	unsigned int calls = HUNT_SCAN_CALLS(op), writable = arg.vec_len;
	const char *wrong = NULL;
	int ret;

	if (HUNT_SCAN_UNALIGNED(op) && nr)
		arg.end -= 100;
	if (HUNT_SCAN_BAD_VEC(op))
		writable = hunt_min(writable, HUNT_SCAN_BAD_VEC(op) - 1);
	answer.taken = calloc(world->nr_pages + 1, 1);
	do {
		wrong = scan_once(world, &arg, writable, &answer, &ret);
		if (!wrong)
			wrong = hunt_check(world);
		if (wrong || ret < 0 || arg.walk_end <= arg.start)
			break;
		arg.start = arg.walk_end;
	} while (arg.start < arg.end && --calls);
	free(answer.taken);
	return wrong;
}

static const char *verify_unit(struct hunt_world *world, struct hunt_area *area,
			       unsigned int index)
{
	struct hunt_unit *unit = &area->units[index];
	size_t page = area->first_page + index * area->per_unit;
	bool written = world->pages[page].categories & PAGE_IS_WRITTEN;
	unsigned int value, i;

	for (i = 0; i < HUNT_WORDS; i++) {
		value = *(volatile unsigned int *)hunt_word(area, index, i);
		if (unit->tracked && !written && unit->snap_known[i] &&
		    value != unit->snap[i])
			return hunt_wrong(world,
					  "LOST: %s was %#x when reported, is %#x",
					  name_page(world, page), unit->snap[i],
					  value);
		if (world->exact && unit->known[i] && value != unit->word[i])
			return hunt_wrong(world, "%s holds %#x, must %#x",
					  name_page(world, page), value,
					  unit->word[i]);
		unit->word[i] = value;
		unit->known[i] = true;
		if (!written && !unit->snap_known[i]) {
			unit->snap[i] = value;
			unit->snap_known[i] = unit->tracked;
		}
		if (unit->own == HUNT_NO) {
			unit->file_word[i] = value;
			unit->file_known[i] = true;
		}
	}
	hunt_model_read(area, index);
	return NULL;
}

const char *hunt_verify(struct hunt_world *world, struct hunt_area *area,
			unsigned int first, unsigned int nr)
{
	const char *wrong = hunt_check(world);
	unsigned int i;

	for (i = first; i < first + nr && !wrong; i++)
		if (area->units[i].prot & PROT_READ)
			wrong = verify_unit(world, area, i);
	return wrong;
}
