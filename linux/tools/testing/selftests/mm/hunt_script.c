// SPDX-License-Identifier: GPL-2.0
/*
 * Scripts of the hunt: made from a seed, printed, read again.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hunt.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define ARMS			PM_SCAN_WP_MATCHING

static const struct {
	const char *name;
	const struct memory_kind *kind;
} kinds[] = {
	{ "anon", &memory_anon },
	{ "memfd_private", &memory_memfd_private },
	{ "memfd_shared", &memory_memfd_shared },
	{ "file_private", &memory_file_private },
	{ "file_shared", &memory_file_shared },
	{ "anon_shared", &memory_anon_shared },
	{ "anon_thp", &memory_anon_thp },
	{ "memfd_shared_thp", &memory_memfd_shared_thp },
	{ "memfd_private_thp", &memory_memfd_private_thp },
	{ "hugetlb_shared", &memory_hugetlb_shared },
	{ "hugetlb_private", &memory_hugetlb_private },
	{ "hugetlb_memfd_private", &memory_hugetlb_memfd_private },
};

static const char * const states[] = {
	[MEMORY_HOLE] = "hole",
	[MEMORY_READ] = "read",
	[MEMORY_WRITTEN] = "written",
};

/* How often each is drawn, of the sum of all. */
static const struct {
	const char *name;
	unsigned int weight;
} op_types[HUNT_NR_OPS] = {
	[HUNT_WRITE] = { "write", 26 },
	[HUNT_READ] = { "read", 8 },
	[HUNT_VERIFY] = { "verify", 3 },
	[HUNT_SCAN] = { "scan", 34 },
	[HUNT_PROTECT] = { "protect", 5 },
	[HUNT_REGISTER] = { "register", 4 },
	[HUNT_MPROTECT] = { "mprotect", 6 },
	[HUNT_MADVISE] = { "madvise", 24 },
	[HUNT_MLOCK] = { "mlock", 2 },
	[HUNT_PUNCH] = { "punch", 5 },
	[HUNT_TRUNCATE] = { "truncate", 2 },
	[HUNT_REMAP] = { "remap", 3 },
	[HUNT_FORK] = { "fork", 2 },
	[HUNT_MIGRATE] = { "migrate", 3 },
	[HUNT_MSYNC] = { "msync", 2 },
	[HUNT_KSM] = { "ksm", 1 },
	[HUNT_SWAPOFF] = { "swapoff", 1 },
	[HUNT_GLOBAL] = { "global", 1 },
};

static const struct {
	const char *name;
	int advice;
} madvises[] = {
	{ "dontneed", MADV_DONTNEED },
	{ "free", MADV_FREE },
	{ "pageout", MADV_PAGEOUT },
	{ "collapse", MADV_COLLAPSE },
	{ "populate_read", MADV_POPULATE_READ },
	{ "populate_write", MADV_POPULATE_WRITE },
	{ "remove", MADV_REMOVE },
	{ "cold", MADV_COLD },
	{ "hugepage", MADV_HUGEPAGE },
	{ "nohugepage", MADV_NOHUGEPAGE },
	{ "mergeable", MADV_MERGEABLE },
	{ "unmergeable", MADV_UNMERGEABLE },
	{ "willneed", MADV_WILLNEED },
};

const char *hunt_madvise_name(unsigned int index, int *advice)
{
	index %= ARRAY_SIZE(madvises);
	*advice = madvises[index].advice;
	return madvises[index].name;
}

unsigned int hunt_nr_madvises(void)
{
	return ARRAY_SIZE(madvises);
}

unsigned int hunt_random(struct hunt_random *random)
{
	__u64 z;

	random->state += 0x9e3779b97f4a7c15ULL;
	z = random->state;
	z = (z ^ z >> 31) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z >> 32;
}

unsigned int hunt_kinds(void)
{
	const char *without = getenv("HUNT_WITHOUT");
	unsigned int set = 0, i;
	struct memory mem;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *reason;

		if (without && strstr(kinds[i].name, without))
			continue;
		reason = memory_make(&mem, kinds[i].kind, MEMORY_READ);
		if (reason) {
			printf("# hunt: without %s: %s\n", kinds[i].name, reason);
			continue;
		}
		memory_free(&mem);
		set |= 1U << i;
	}
	return set;
}

size_t hunt_layout(const struct hunt_script *script, size_t *first_pages)
{
	size_t page = 0;
	unsigned int i;

	for (i = 0; i < script->nr_areas; i++) {
		const struct hunt_plan *plan = &script->areas[i];

		page += plan->gap;
		page = (page + plan->align - 1) / plan->align * plan->align;
		first_pages[i] = page;
		page += plan->pages;
	}
	return page;
}

static void plan_geometry(struct hunt_plan *plan)
{
	unsigned int per_unit = 1;

	plan->align = 1;
	if (plan->kind->hugetlb)
		per_unit = plan->kind->hugetlb / base_page();
	if (plan->kind->thp)
		plan->align = pmd_size() / base_page();
	if (plan->kind->hugetlb)
		plan->align = per_unit;
	plan->pages = plan->nr * per_unit;
}

void hunt_areas_make(struct hunt_script *script, struct hunt_random *random,
		     unsigned int set)
{
	unsigned int big = 0, i, k;

	script->nr_areas = 2 + hunt_below(random, HUNT_MAX_AREAS - 1);
	for (i = 0; i < script->nr_areas; i++) {
		struct hunt_plan *plan = &script->areas[i];

		/* One big one at most: they take time. */
		do {
			k = hunt_below(random, ARRAY_SIZE(kinds));
			plan->kind = kinds[k].kind;
		} while (!(set >> k & 1) ||
			 (big && (plan->kind->thp || plan->kind->hugetlb)));
		plan->state = hunt_below(random, 3);
		/* Private copies of a file's pages are small. */
		if (plan->kind == &memory_memfd_private_thp &&
		    plan->state == MEMORY_WRITTEN)
			plan->state = MEMORY_READ;
		plan->gap = hunt_below(random, 4);
		plan->tracked = hunt_below(random, 6);
		plan->nr = 4 + hunt_below(random, 28);
		if (plan->kind->thp)
			plan->nr = (1 + hunt_below(random, 2)) *
				   (pmd_size() / base_page());
		if (plan->kind->hugetlb)
			plan->nr = 2 + hunt_below(random, 2);
		big += plan->kind->thp || plan->kind->hugetlb;
		plan_geometry(plan);
	}
}

/* Some units again and again, some of them at the edges of huge pages. */
static void choose_units(const struct hunt_plan *plan, struct hunt_op *op,
			 struct hunt_random *random)
{
	static const unsigned int edges[] = { 0, 1, 5, 255, 510, 511, 512, 513 };

	op->first = hunt_below(random, hunt_min(plan->nr, 8));
	op->nr = 1;
	switch (hunt_below(random, 8)) {
	case 0:
		op->first = 0;
		op->nr = plan->nr;
		return;
	case 1:
		op->first = hunt_below(random, plan->nr);
		op->nr = 1 + hunt_below(random, plan->nr - op->first);
		return;
	case 2:
	case 3:
		op->first = edges[hunt_below(random, ARRAY_SIZE(edges))] % plan->nr;
		op->nr = 1 + hunt_below(random, hunt_min(plan->nr - op->first, 4));
		return;
	case 4:
		if (plan->kind->thp) {
			op->first = hunt_below(random, 2) * 512 % plan->nr;
			op->nr = 512;
			return;
		}
		op->first = hunt_below(random, plan->nr);
		return;
	default:
		op->nr += hunt_below(random, 3);
	}
}

static unsigned int some_categories(struct hunt_random *random)
{
	return hunt_random(random) & hunt_random(random) & ALL_CATEGORIES;
}

static unsigned int pack(unsigned int inverted, unsigned int mask,
			 unsigned int anyof, unsigned int report)
{
	return inverted | mask << 8 | anyof << 16 | report << 24;
}

static unsigned int choose_masks(struct hunt_random *random)
{
	const unsigned int memory = PAGE_IS_PRESENT | PAGE_IS_SWAPPED;
	const unsigned int file = PAGE_IS_PFNZERO | PAGE_IS_FILE;

	switch (hunt_below(random, 12)) {
	case 0:
		return pack(0, PAGE_IS_WRITTEN | PAGE_IS_PRESENT, 0,
			    some_categories(random));
	case 1:
		return pack(PAGE_IS_WRITTEN, PAGE_IS_WRITTEN, 0, ALL_CATEGORIES);
	case 2:
		return pack(0, 0, some_categories(random), ALL_CATEGORIES);
	case 3:
		return pack(file, file, memory, memory | PAGE_IS_SOFT_DIRTY);
	case 4:
		return pack(file, file | PAGE_IS_WRITTEN, 0, 0);
	case 5:
		return pack(some_categories(random), some_categories(random),
			    some_categories(random), some_categories(random));
	case 6:
		return pack(0, 0, 0, ALL_CATEGORIES);
	case 7:
		return pack(0, PAGE_IS_WRITTEN, memory, some_categories(random));
	default:
		return pack(0, PAGE_IS_WRITTEN, 0, PAGE_IS_WRITTEN);
	}
}

static void choose_window(const struct hunt_script *script, struct hunt_op *op,
			  struct hunt_random *random)
{
	size_t firsts[HUNT_MAX_AREAS], pages = hunt_layout(script, firsts);
	unsigned int from = hunt_below(random, script->nr_areas);
	unsigned int to = from + hunt_below(random, script->nr_areas - from);

	op->first = 0;
	op->nr = pages;
	switch (hunt_below(random, 8)) {
	case 0:
		op->first = hunt_below(random, pages);
		op->nr = hunt_below(random, pages - op->first + 1);
		break;
	case 1:
	case 2:
		op->first = firsts[from];
		op->nr = firsts[to] + script->areas[to].pages - op->first;
		break;
	case 3:
		op->first = firsts[from] + hunt_below(random, script->areas[from].pages);
		op->nr = hunt_min(1 + hunt_below(random, 16), pages - op->first);
		break;
	}
}

static void choose_scan(const struct hunt_script *script, struct hunt_op *op,
			struct hunt_random *random)
{
	static const unsigned int vec_lens[] = {
		0, 1, 2, 3, 7, 16, 64, 511, 512, 513, 600,
	};
	static const unsigned int limits[] = {
		1, 2, 3, 7, 100, 511, 512, 513, 1000,
	};
	unsigned int flags = 0;

	choose_window(script, op, random);
	if (hunt_below(random, 3))
		flags |= ARMS;
	if (!hunt_below(random, 4))
		flags |= PM_SCAN_CHECK_WPASYNC;
	op->args[0] = flags | (1 + hunt_below(random, 6)) << 4;
	if (!hunt_below(random, 16))
		op->args[0] |= 1 << 8;
	if ((flags & ARMS) && !hunt_below(random, 12))
		op->args[0] |= (1 + hunt_below(random, 3)) << 12;
	op->args[1] = vec_lens[hunt_below(random, ARRAY_SIZE(vec_lens))];
	if (hunt_below(random, 2))
		op->args[2] = limits[hunt_below(random, ARRAY_SIZE(limits))];
	op->args[3] = choose_masks(random);
}

static enum hunt_op_type choose_type(struct hunt_random *random)
{
	unsigned int sum = 0, at, i;

	for (i = 0; i < HUNT_NR_OPS; i++)
		sum += op_types[i].weight;
	at = hunt_below(random, sum);
	for (i = 0; at >= op_types[i].weight; i++)
		at -= op_types[i].weight;
	return i;
}

void hunt_script_make(struct hunt_script *script, __u64 seed, unsigned int set)
{
	struct hunt_random random = { .state = seed };
	unsigned int i, j;

	memset(script, 0, sizeof(*script));
	script->events = hunt_below(&random, 2);
	hunt_areas_make(script, &random, set);
	script->nr_ops = 10 + hunt_below(&random, HUNT_MAX_OPS - 9);
	for (i = 0; i < script->nr_ops; i++) {
		struct hunt_op *op = &script->ops[i];

		op->type = choose_type(&random);
		op->area = hunt_below(&random, script->nr_areas);
		if (op->type == HUNT_SCAN) {
			choose_scan(script, op, &random);
			continue;
		}
		choose_units(&script->areas[op->area], op, &random);
		for (j = 0; j < HUNT_NR_ARGS; j++)
			op->args[j] = hunt_below(&random, 256);
		/* The first half of the advices is what matters most. */
		if (op->type == HUNT_MADVISE)
			op->args[0] = hunt_below(&random, ARRAY_SIZE(madvises)) /
				      (1 + hunt_below(&random, 2));
	}
}

static const char *kind_name(const struct memory_kind *kind)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].name;
	return "none";
}

void hunt_script_print(const struct hunt_script *script, FILE *to)
{
	unsigned int i;
	int advice;

	fprintf(to, "# | events %d\n", script->events);
	for (i = 0; i < script->nr_areas; i++) {
		const struct hunt_plan *plan = &script->areas[i];

		fprintf(to, "# | area %s %u %s %d gap %u pages %u align %u\n",
			kind_name(plan->kind), plan->nr, states[plan->state],
			plan->tracked, plan->gap, plan->pages, plan->align);
	}
	for (i = 0; i < script->nr_ops; i++) {
		const struct hunt_op *op = &script->ops[i];

		fprintf(to, "# | %s %u %u %u %#x %u %u %#x", op_types[op->type].name,
			op->area, op->first, op->nr, op->args[0], op->args[1],
			op->args[2], op->args[3]);
		if (op->type == HUNT_MADVISE)
			fprintf(to, " (%s)", hunt_madvise_name(op->args[0], &advice));
		fputc('\n', to);
	}
	fflush(to);
}

static const char *read_area(struct hunt_script *script, const char *line)
{
	struct hunt_plan *plan = &script->areas[script->nr_areas];
	char kind[32], state[16];
	unsigned int tracked, i;

	if (script->nr_areas == HUNT_MAX_AREAS)
		return "too many areas";
	if (sscanf(line, "area %31s %u %15s %u gap %u pages %u align %u", kind,
		   &plan->nr, state, &tracked, &plan->gap, &plan->pages,
		   &plan->align) != 7 || !plan->align)
		return "not an area";
	plan->tracked = tracked;
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kind, kinds[i].name))
			plan->kind = kinds[i].kind;
	for (i = 0; i < ARRAY_SIZE(states); i++)
		if (!strcmp(state, states[i]))
			plan->state = i;
	if (plan->kind)
		plan_geometry(plan);
	script->nr_areas++;
	return NULL;
}

static const char *read_op(struct hunt_script *script, const char *line)
{
	struct hunt_op *op = &script->ops[script->nr_ops];
	unsigned int *args = op->args, i;
	char name[32];

	if (script->nr_ops == HUNT_MAX_OPS)
		return "too many operations";
	if (sscanf(line, "%31s %u %u %u %x %u %u %x", name, &op->area, &op->first,
		   &op->nr, &args[0], &args[1], &args[2], &args[3]) != 8)
		return "not an operation";
	for (i = 0; i < HUNT_NR_OPS; i++) {
		if (strcmp(name, op_types[i].name))
			continue;
		op->type = i;
		script->nr_ops++;
		return NULL;
	}
	return "unknown operation";
}

/* The script is behind a bar in each line, so that a log can be read as well. */
const char *hunt_script_read(struct hunt_script *script, const char *path)
{
	const char *wrong = NULL;
	char line[256], *text;
	int events;
	FILE *file;

	memset(script, 0, sizeof(*script));
	file = fopen(path, "r");
	if (!file)
		return "cannot open the script";
	while (!wrong && fgets(line, sizeof(line), file)) {
		text = strchr(line, '|');
		if (!text)
			continue;
		text += 1 + strspn(text + 1, " ");
		if (sscanf(text, "events %d", &events) == 1)
			script->events = events;
		else if (!strncmp(text, "area ", 5))
			wrong = read_area(script, text);
		else
			wrong = read_op(script, text);
	}
	fclose(file);
	if (!wrong && !script->nr_areas)
		wrong = "there is no script in this file";
	return wrong;
}
