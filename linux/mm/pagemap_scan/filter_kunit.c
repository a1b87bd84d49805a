// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the masks of PAGEMAP_SCAN, and of the numbers of its interface.
 *
 * A few categories at a time are small enough for truth tables: every filter
 * meets every page, and what comes out is compared with a definition that goes
 * by category, not by mask.
 */
#include <kunit/test.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>

#include "filter.h"

#define NR_CATEGORIES	8
#define ALL_CATEGORIES	0xffULL

/* A few categories, to make all masks of */
struct category_set {
	u64 bits[3];
	unsigned int nr;
};

/* One of the 1 << nr masks; of a larger index the low bits count. */
static u64 subset(const struct category_set *set, unsigned int index)
{
	u64 categories = 0;
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		if (index & (1U << i))
			categories |= set->bits[i];
	return categories;
}

/* One of the 1 << (3 * nr) filters */
static struct pagemap_filter filter_of(const struct category_set *set,
				       unsigned int index)
{
	return (struct pagemap_filter) {
		.inverted = subset(set, index),
		.mask = subset(set, index >> set->nr),
		.anyof = subset(set, index >> (2 * set->nr)),
	};
}

/* What it is to match, one category at a time */
static bool matches_by_definition(const struct pagemap_filter *filter,
				  u64 categories)
{
	bool any_asked = false, any_found = false;
	unsigned int i;

	for (i = 0; i < NR_CATEGORIES; i++) {
		const u64 bit = 1ULL << i;
		bool counts = categories & bit;

		if (filter->inverted & bit)
			counts = !counts;
		if ((filter->mask & bit) && !counts)
			return false;
		if (filter->anyof & bit) {
			any_asked = true;
			any_found |= counts;
		}
	}
	return any_found || !any_asked;
}

static void check_match(struct kunit *test, const struct category_set *set)
{
	unsigned int i, page;

	for (i = 0; i < 1U << (3 * set->nr); i++) {
		const struct pagemap_filter filter = filter_of(set, i);

		for (page = 0; page < 1U << set->nr; page++) {
			const u64 categories = subset(set, page);

			KUNIT_ASSERT_EQ_MSG(test,
					    pagemap_filter_match(&filter, categories),
					    matches_by_definition(&filter, categories),
					    "inverted %llx mask %llx anyof %llx page %llx",
					    filter.inverted, filter.mask,
					    filter.anyof, categories);
		}
	}
}

/*
 * Is there a page of the set that has what is known of it, and matches? It is
 * found by trying all.
 */
static bool some_page_matches(const struct category_set *set,
			      const struct pagemap_filter *filter, u64 known,
			      u64 categories)
{
	unsigned int page;

	for (page = 0; page < 1U << set->nr; page++) {
		const u64 complete = subset(set, page);

		if ((complete & known) == categories &&
		    matches_by_definition(filter, complete))
			return true;
	}
	return false;
}

static void check_may_match(struct kunit *test, const struct category_set *set)
{
	unsigned int i, j;

	for (i = 0; i < 1U << (3 * set->nr); i++) {
		const struct pagemap_filter filter = filter_of(set, i);

		for (j = 0; j < 1U << (2 * set->nr); j++) {
			const u64 known = subset(set, j);
			const u64 categories = subset(set, j >> set->nr);

			if (categories & ~known)
				continue;
			KUNIT_ASSERT_EQ_MSG(test,
					    pagemap_filter_may_match(&filter, known, categories),
					    some_page_matches(set, &filter, known, categories),
					    "inverted %llx mask %llx anyof %llx known %llx page %llx",
					    filter.inverted, filter.mask,
					    filter.anyof, known, categories);
		}
	}
}

/* What is not wanted makes no difference; what is wanted is what is named. */
static void check_wants(struct kunit *test, const struct category_set *set)
{
	unsigned int i, page;

	for (i = 0; i < 1U << (3 * set->nr); i++) {
		const struct pagemap_filter filter = filter_of(set, i);
		const u64 wants = pagemap_filter_wants(&filter);

		KUNIT_ASSERT_EQ(test, wants, filter.mask | filter.anyof);
		for (page = 0; page < 1U << set->nr; page++) {
			const u64 categories = subset(set, page);

			KUNIT_ASSERT_EQ_MSG(test,
					    matches_by_definition(&filter, categories),
					    pagemap_filter_match(&filter, categories & wants),
					    "inverted %llx mask %llx anyof %llx page %llx",
					    filter.inverted, filter.mask,
					    filter.anyof, categories);
		}
	}
}

/* Any two categories */
static void check_pairs(struct kunit *test,
			void (*check)(struct kunit *test,
				      const struct category_set *set))
{
	unsigned int i, j;

	for (i = 0; i < NR_CATEGORIES; i++) {
		for (j = i + 1; j < NR_CATEGORIES; j++) {
			const struct category_set pair = {
				.bits = { 1ULL << i, 1ULL << j },
				.nr = 2,
			};

			check(test, &pair);
		}
	}
}

static const struct category_set triples[] = {
	{ { PAGE_IS_WPALLOWED, PAGE_IS_WRITTEN, PAGE_IS_FILE }, 3 },
	{ { PAGE_IS_PRESENT, PAGE_IS_SWAPPED, PAGE_IS_SOFT_DIRTY }, 3 },
};

static void match_table(struct kunit *test)
{
	unsigned int i;

	check_pairs(test, check_match);
	for (i = 0; i < ARRAY_SIZE(triples); i++)
		check_match(test, &triples[i]);
}

static void may_match_table(struct kunit *test)
{
	unsigned int i;

	check_pairs(test, check_may_match);
	for (i = 0; i < ARRAY_SIZE(triples); i++)
		check_may_match(test, &triples[i]);
}

static void wants_table(struct kunit *test)
{
	const struct pagemap_filter reports = { .ret = PAGE_IS_HUGE };
	unsigned int i;

	check_pairs(test, check_wants);
	for (i = 0; i < ARRAY_SIZE(triples); i++)
		check_wants(test, &triples[i]);
	KUNIT_EXPECT_EQ(test, pagemap_filter_wants(&reports), (u64)PAGE_IS_HUGE);
}

/* No masks at all: every page, even one that is nothing */
static void empty_filter(struct kunit *test)
{
	const struct pagemap_filter everything = {};
	u64 categories;

	for (categories = 0; categories <= ALL_CATEGORIES; categories++) {
		KUNIT_ASSERT_TRUE(test, pagemap_filter_match(&everything, categories));
		KUNIT_ASSERT_TRUE(test, pagemap_filter_may_match(&everything,
								 ALL_CATEGORIES,
								 categories));
	}
	KUNIT_EXPECT_EQ(test, pagemap_filter_wants(&everything), 0ULL);
}

/*
 * What the interface calls excluded: a category both inverted and in the mask.
 * A page with it does not match, whatever else it is.
 */
static void excluded_category(struct kunit *test)
{
	unsigned int i;
	u64 categories;

	for (i = 0; i < NR_CATEGORIES; i++) {
		const u64 bit = 1ULL << i;
		const struct pagemap_filter excludes = {
			.inverted = bit,
			.mask = bit,
		};

		for (categories = 0; categories <= ALL_CATEGORIES; categories++)
			KUNIT_ASSERT_EQ_MSG(test,
					    pagemap_filter_match(&excludes, categories),
					    !(categories & bit),
					    "excluded %llx page %llx", bit,
					    categories);
	}
}

/* Inverted alone is about nothing: it neither asks nor excludes. */
static void inverted_alone(struct kunit *test)
{
	const struct pagemap_filter inverted = { .inverted = ALL_CATEGORIES };
	u64 categories;

	for (categories = 0; categories <= ALL_CATEGORIES; categories++)
		KUNIT_ASSERT_TRUE(test, pagemap_filter_match(&inverted, categories));
}

static void valid_categories(struct kunit *test)
{
	const struct pagemap_filter nothing = {};
	unsigned int i;

	KUNIT_EXPECT_EQ(test, PAGEMAP_SCAN_CATEGORIES, ALL_CATEGORIES);
	KUNIT_EXPECT_TRUE(test, pagemap_filter_valid(&nothing));

	/* Bits 8 and 9 have a meaning for later kernels, and none here. */
	for (i = 0; i < 64; i++) {
		const u64 bit = 1ULL << i;
		const bool valid = i < NR_CATEGORIES;
		const struct pagemap_filter inverted = { .inverted = bit };
		const struct pagemap_filter mask = { .mask = bit };
		const struct pagemap_filter anyof = { .anyof = bit };
		const struct pagemap_filter ret = { .ret = bit };
		const struct pagemap_filter mixed = {
			.inverted = PAGE_IS_FILE,
			.mask = bit | PAGE_IS_WRITTEN,
			.anyof = ALL_CATEGORIES,
			.ret = PAGE_IS_PRESENT,
		};

		KUNIT_EXPECT_EQ_MSG(test, pagemap_filter_valid(&inverted), valid,
				    "bit %u inverted", i);
		KUNIT_EXPECT_EQ_MSG(test, pagemap_filter_valid(&mask), valid,
				    "bit %u in the mask", i);
		KUNIT_EXPECT_EQ_MSG(test, pagemap_filter_valid(&anyof), valid,
				    "bit %u in anyof", i);
		KUNIT_EXPECT_EQ_MSG(test, pagemap_filter_valid(&ret), valid,
				    "bit %u to report", i);
		KUNIT_EXPECT_EQ_MSG(test, pagemap_filter_valid(&mixed), valid,
				    "bit %u among others", i);
	}
}

/* The masks of real programs, and what they must find with them */

/* Get or reset the write watch of a range */
static const struct pagemap_filter wine = {
	.mask = PAGE_IS_WRITTEN,
	.ret = PAGE_IS_WRITTEN,
};

/* The pages written since the last checkpoint */
static const struct pagemap_filter gvisor = {
	.mask = PAGE_IS_WRITTEN,
};

/* The pages to dump: they exist, and are neither a file's nor zero. */
static const struct pagemap_filter criu = {
	.inverted = PAGE_IS_PFNZERO | PAGE_IS_FILE,
	.mask = PAGE_IS_PFNZERO | PAGE_IS_FILE,
	.anyof = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
	.ret = PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_SOFT_DIRTY,
};

/* The pages that a slot of a pool holds and must give back */
static const struct pagemap_filter wasmtime = {
	.inverted = PAGE_IS_PFNZERO | PAGE_IS_FILE,
	.mask = PAGE_IS_WRITTEN | PAGE_IS_PRESENT | PAGE_IS_PFNZERO |
		PAGE_IS_FILE,
};

static const struct caller_case {
	const char *name;
	const struct pagemap_filter *filter;
	u64 categories;
	bool match;
} caller_cases[] = {
	{ "Wine: written", &wine,
	  PAGE_IS_WPALLOWED | PAGE_IS_WRITTEN | PAGE_IS_PRESENT, true },
	{ "Wine: written, huge", &wine,
	  PAGE_IS_WPALLOWED | PAGE_IS_WRITTEN | PAGE_IS_PRESENT | PAGE_IS_HUGE,
	  true },
	{ "Wine: written, swapped out", &wine,
	  PAGE_IS_WPALLOWED | PAGE_IS_WRITTEN | PAGE_IS_SWAPPED, true },
	{ "Wine: never touched", &wine,
	  PAGE_IS_WPALLOWED | PAGE_IS_WRITTEN, true },
	{ "Wine: armed", &wine,
	  PAGE_IS_WPALLOWED | PAGE_IS_PRESENT, false },
	{ "Wine: armed, soft-dirty", &wine,
	  PAGE_IS_WPALLOWED | PAGE_IS_PRESENT | PAGE_IS_SOFT_DIRTY, false },

	{ "gVisor: written page of a memfd", &gvisor,
	  PAGE_IS_WPALLOWED | PAGE_IS_WRITTEN | PAGE_IS_PRESENT | PAGE_IS_FILE,
	  true },
	{ "gVisor: armed page of a memfd", &gvisor,
	  PAGE_IS_WPALLOWED | PAGE_IS_PRESENT | PAGE_IS_FILE, false },
	{ "gVisor: armed, empty", &gvisor, PAGE_IS_WPALLOWED, false },

	{ "CRIU: anonymous", &criu, PAGE_IS_PRESENT | PAGE_IS_WRITTEN, true },
	{ "CRIU: swapped out", &criu, PAGE_IS_SWAPPED | PAGE_IS_WRITTEN, true },
	{ "CRIU: huge", &criu,
	  PAGE_IS_PRESENT | PAGE_IS_WRITTEN | PAGE_IS_HUGE, true },
	{ "CRIU: not written, soft-dirty", &criu,
	  PAGE_IS_PRESENT | PAGE_IS_SOFT_DIRTY, true },
	{ "CRIU: page of a file", &criu,
	  PAGE_IS_PRESENT | PAGE_IS_WRITTEN | PAGE_IS_FILE, false },
	{ "CRIU: page of a file that migrates", &criu,
	  PAGE_IS_SWAPPED | PAGE_IS_WRITTEN | PAGE_IS_FILE, false },
	{ "CRIU: zero page", &criu,
	  PAGE_IS_PRESENT | PAGE_IS_WRITTEN | PAGE_IS_PFNZERO, false },
	{ "CRIU: huge zero page", &criu,
	  PAGE_IS_PRESENT | PAGE_IS_PFNZERO | PAGE_IS_HUGE, false },
	{ "CRIU: hole", &criu, 0, false },
	{ "CRIU: hole, soft-dirty", &criu, PAGE_IS_SOFT_DIRTY, false },
	{ "CRIU: armed, empty", &criu, PAGE_IS_WPALLOWED, false },

	{ "wasmtime: anonymous", &wasmtime,
	  PAGE_IS_PRESENT | PAGE_IS_WRITTEN, true },
	{ "wasmtime: anonymous, soft-dirty", &wasmtime,
	  PAGE_IS_PRESENT | PAGE_IS_WRITTEN | PAGE_IS_SOFT_DIRTY, true },
	{ "wasmtime: page of the image", &wasmtime,
	  PAGE_IS_PRESENT | PAGE_IS_WRITTEN | PAGE_IS_FILE, false },
	{ "wasmtime: zero page", &wasmtime,
	  PAGE_IS_PRESENT | PAGE_IS_WRITTEN | PAGE_IS_PFNZERO, false },
	{ "wasmtime: swapped out", &wasmtime,
	  PAGE_IS_SWAPPED | PAGE_IS_WRITTEN, false },
	{ "wasmtime: hole", &wasmtime, 0, false },
};

static void caller_desc(const struct caller_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(caller, caller_cases, caller_desc);

static void real_caller(struct kunit *test)
{
	const struct caller_case *c = test->param_value;

	KUNIT_EXPECT_TRUE(test, pagemap_filter_valid(c->filter));
	KUNIT_EXPECT_EQ(test, pagemap_filter_match(c->filter, c->categories),
			c->match);
	/* With all known, to be possible is to be so. */
	KUNIT_EXPECT_EQ(test,
			pagemap_filter_may_match(c->filter, ALL_CATEGORIES,
						 c->categories),
			c->match);
}

/* The ABI is mainline's: the numbers are from there, not computed. */
static void interface_numbers(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, (u64)PAGEMAP_SCAN, 0xC0606610ULL);

	KUNIT_EXPECT_EQ(test, PM_SCAN_WP_MATCHING, 1);
	KUNIT_EXPECT_EQ(test, PM_SCAN_CHECK_WPASYNC, 2);

	KUNIT_EXPECT_EQ(test, PAGE_IS_WPALLOWED, 0x01);
	KUNIT_EXPECT_EQ(test, PAGE_IS_WRITTEN, 0x02);
	KUNIT_EXPECT_EQ(test, PAGE_IS_FILE, 0x04);
	KUNIT_EXPECT_EQ(test, PAGE_IS_PRESENT, 0x08);
	KUNIT_EXPECT_EQ(test, PAGE_IS_SWAPPED, 0x10);
	KUNIT_EXPECT_EQ(test, PAGE_IS_PFNZERO, 0x20);
	KUNIT_EXPECT_EQ(test, PAGE_IS_HUGE, 0x40);
	KUNIT_EXPECT_EQ(test, PAGE_IS_SOFT_DIRTY, 0x80);
}

static void interface_layout(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, sizeof(struct page_region), (size_t)24);
	KUNIT_EXPECT_EQ(test, offsetof(struct page_region, start), (size_t)0);
	KUNIT_EXPECT_EQ(test, offsetof(struct page_region, end), (size_t)8);
	KUNIT_EXPECT_EQ(test, offsetof(struct page_region, categories), (size_t)16);

	KUNIT_EXPECT_EQ(test, sizeof(struct pm_scan_arg), (size_t)96);
	KUNIT_EXPECT_EQ(test, offsetof(struct pm_scan_arg, size), (size_t)0);
	KUNIT_EXPECT_EQ(test, offsetof(struct pm_scan_arg, flags), (size_t)8);
	KUNIT_EXPECT_EQ(test, offsetof(struct pm_scan_arg, start), (size_t)16);
	KUNIT_EXPECT_EQ(test, offsetof(struct pm_scan_arg, end), (size_t)24);
	KUNIT_EXPECT_EQ(test, offsetof(struct pm_scan_arg, walk_end), (size_t)32);
	KUNIT_EXPECT_EQ(test, offsetof(struct pm_scan_arg, vec), (size_t)40);
	KUNIT_EXPECT_EQ(test, offsetof(struct pm_scan_arg, vec_len), (size_t)48);
	KUNIT_EXPECT_EQ(test, offsetof(struct pm_scan_arg, max_pages), (size_t)56);
	KUNIT_EXPECT_EQ(test, offsetof(struct pm_scan_arg, category_inverted), (size_t)64);
	KUNIT_EXPECT_EQ(test, offsetof(struct pm_scan_arg, category_mask), (size_t)72);
	KUNIT_EXPECT_EQ(test, offsetof(struct pm_scan_arg, category_anyof_mask), (size_t)80);
	KUNIT_EXPECT_EQ(test, offsetof(struct pm_scan_arg, return_mask), (size_t)88);
}

static struct kunit_case filter_cases[] = {
	KUNIT_CASE(match_table),
	KUNIT_CASE(may_match_table),
	KUNIT_CASE(wants_table),
	KUNIT_CASE(empty_filter),
	KUNIT_CASE(excluded_category),
	KUNIT_CASE(inverted_alone),
	KUNIT_CASE(valid_categories),
	KUNIT_CASE_PARAM(real_caller, caller_gen_params),
	KUNIT_CASE(interface_numbers),
	KUNIT_CASE(interface_layout),
	{}
};

static struct kunit_suite filter_suite = {
	.name = "pagemap_scan_filter",
	.test_cases = filter_cases,
};

kunit_test_suite(filter_suite);
