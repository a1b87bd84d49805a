// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of how pages become regions, within limits.
 *
 * Cases of interest are in a table; for the rest there is a model that goes
 * page by page and knows nothing of runs, which random runs are compared with.
 */
#include <kunit/test.h>
#include <linux/string.h>
#include <linux/types.h>

#include "region.h"

#define PAGE_BYTES	4096U
/* Page 0 of the tests: not address 0, which nothing must depend on */
#define BASE		0x7f0000000000ULL
#define NO_LIMIT	(~0ULL)
#define MAX_REGIONS	6
/* What is in the array behind the regions, and must stay there */
#define UNTOUCHED	0xa5

#define A		PAGE_IS_WRITTEN
#define B		PAGE_IS_PRESENT

static u64 address(u64 page)
{
	return BASE + page * PAGE_BYTES;
}

/* A run of pages that goes in, and how many of them there must be room for */
struct run {
	u64 page;
	u64 nr;
	u64 categories;
	u64 fit;
};

/* Pages from first to before end */
struct expected_region {
	u64 first;
	u64 end;
	u64 categories;
};

static const struct region_case {
	const char *name;
	bool no_vec;
	unsigned int cap;
	u64 limit;
	u64 left;
	struct run runs[5];
	struct expected_region regions[4];
} region_cases[] = {
	{
		.name = "one page",
		.cap = 4, .limit = 10, .left = 9,
		.runs = { { 3, 1, A, 1 } },
		.regions = { { 3, 4, A } },
	}, {
		.name = "alike and adjacent: one region",
		.cap = 4, .limit = 10, .left = 4,
		.runs = { { 0, 1, A, 1 }, { 1, 3, A, 3 }, { 4, 2, A, 2 } },
		.regions = { { 0, 6, A } },
	}, {
		.name = "alike, not adjacent: two regions",
		.cap = 4, .limit = 10, .left = 7,
		.runs = { { 0, 1, A, 1 }, { 2, 2, A, 2 } },
		.regions = { { 0, 1, A }, { 2, 4, A } },
	}, {
		.name = "adjacent, not alike: two regions",
		.cap = 4, .limit = 10, .left = 7,
		.runs = { { 0, 1, A, 1 }, { 1, 2, B, 2 } },
		.regions = { { 0, 1, A }, { 1, 3, B } },
	}, {
		.name = "one category more: two regions",
		.cap = 4, .limit = 10, .left = 8,
		.runs = { { 0, 1, A, 1 }, { 1, 1, A | B, 1 } },
		.regions = { { 0, 1, A }, { 1, 2, A | B } },
	}, {
		.name = "nothing to report: one region all the same",
		.cap = 4, .limit = 10, .left = 7,
		.runs = { { 0, 1, 0, 1 }, { 1, 2, 0, 2 } },
		.regions = { { 0, 3, 0 } },
	}, {
		.name = "nothing to report beside something",
		.cap = 4, .limit = 10, .left = 7,
		.runs = { { 0, 1, 0, 1 }, { 1, 1, A, 1 }, { 2, 1, 0, 1 } },
		.regions = { { 0, 1, 0 }, { 1, 2, A }, { 2, 3, 0 } },
	}, {
		.name = "only the last region grows",
		.cap = 4, .limit = 10, .left = 6,
		.runs = { { 0, 1, A, 1 }, { 1, 1, B, 1 }, { 2, 1, A, 1 },
			  { 3, 1, A, 1 } },
		.regions = { { 0, 1, A }, { 1, 2, B }, { 2, 4, A } },
	}, {
		.name = "categories from the top bit on",
		.cap = 4, .limit = 10, .left = 8,
		.runs = { { 0, 1, 1ULL << 63, 1 }, { 1, 1, 1ULL << 31, 1 } },
		.regions = { { 0, 1, 1ULL << 63 }, { 1, 2, 1ULL << 31 } },
	}, {
		.name = "full: what is not alike does not fit",
		.cap = 1, .limit = 10, .left = 8,
		.runs = { { 0, 2, A, 2 }, { 2, 3, B, 0 } },
		.regions = { { 0, 2, A } },
	}, {
		.name = "full: what is not adjacent does not fit",
		.cap = 1, .limit = 10, .left = 8,
		.runs = { { 0, 2, A, 2 }, { 3, 3, A, 0 } },
		.regions = { { 0, 2, A } },
	}, {
		.name = "full: the last region still grows",
		.cap = 2, .limit = 10, .left = 3,
		.runs = { { 0, 1, A, 1 }, { 1, 2, B, 2 }, { 3, 4, B, 4 },
			  { 7, 1, A, 0 } },
		.regions = { { 0, 1, A }, { 1, 7, B } },
	}, {
		.name = "full: one that is refused changes nothing",
		.cap = 1, .limit = 10, .left = 7,
		.runs = { { 0, 2, A, 2 }, { 2, 1, B, 0 }, { 2, 1, A, 1 } },
		.regions = { { 0, 3, A } },
	}, {
		.name = "no room at all",
		.cap = 0, .limit = 10, .left = 10,
		.runs = { { 0, 1, A, 0 } },
	}, {
		.name = "limit: part of a run fits",
		.cap = 4, .limit = 3, .left = 0,
		.runs = { { 0, 5, A, 3 } },
		.regions = { { 0, 3, A } },
	}, {
		.name = "limit: part of a run fits that grows a region",
		.cap = 1, .limit = 3, .left = 0,
		.runs = { { 0, 2, A, 2 }, { 2, 5, A, 1 } },
		.regions = { { 0, 3, A } },
	}, {
		.name = "limit: part of a run fits as a new region",
		.cap = 2, .limit = 3, .left = 0,
		.runs = { { 0, 2, A, 2 }, { 2, 5, B, 1 } },
		.regions = { { 0, 2, A }, { 2, 3, B } },
	}, {
		.name = "limit: reached exactly, then nothing fits",
		.cap = 4, .limit = 3, .left = 0,
		.runs = { { 0, 3, A, 3 }, { 3, 1, A, 0 }, { 9, 1, B, 0 } },
		.regions = { { 0, 3, A } },
	}, {
		.name = "limit and full at once",
		.cap = 1, .limit = 2, .left = 0,
		.runs = { { 0, 2, A, 2 }, { 2, 1, A, 0 }, { 2, 1, B, 0 } },
		.regions = { { 0, 2, A } },
	}, {
		.name = "limit 0: nothing fits",
		.cap = 4, .limit = 0, .left = 0,
		.runs = { { 0, 1, A, 0 } },
	}, {
		.name = "no array: pages are counted",
		.no_vec = true, .limit = 10, .left = 4,
		.runs = { { 0, 1, A, 1 }, { 1, 2, B, 2 }, { 9, 3, A, 3 } },
	}, {
		.name = "no array: the limit holds",
		.no_vec = true, .limit = 4, .left = 0,
		.runs = { { 0, 1, A, 1 }, { 5, 9, B, 3 }, { 20, 1, A, 0 } },
	}, {
		.name = "no array: room for regions is not looked at",
		.no_vec = true, .cap = 1, .limit = 10, .left = 7,
		.runs = { { 0, 1, A, 1 }, { 1, 1, B, 1 }, { 2, 1, A, 1 } },
	}, {
		.name = "more pages than 32 bits count, more bytes than 48",
		.cap = 4, .limit = NO_LIMIT, .left = NO_LIMIT - (3ULL << 40),
		.runs = { { 0, 1ULL << 40, A, 1ULL << 40 },
			  { 1ULL << 40, 2ULL << 40, A, 2ULL << 40 } },
		.regions = { { 0, 3ULL << 40, A } },
	}, {
		.name = "no array: as many pages as a number can be",
		.no_vec = true, .limit = NO_LIMIT, .left = 0,
		.runs = { { 0, NO_LIMIT, A, NO_LIMIT }, { 0, 1, A, 0 } },
	},
};

static void region_desc(const struct region_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(region, region_cases, region_desc);

/* How many of a run fit; to ask must not change anything. */
static u64 fit(struct kunit *test, const struct pagemap_regions *regions,
	       u64 start, u64 nr, u64 categories)
{
	struct page_region vec_before[MAX_REGIONS];
	const struct pagemap_regions before = *regions;
	u64 fits;

	if (regions->vec)
		memcpy(vec_before, regions->vec, sizeof(vec_before));
	fits = pagemap_regions_fit(regions, start, nr, categories);

	KUNIT_EXPECT_EQ(test, pagemap_regions_fit(regions, start, nr, categories),
			fits);
	KUNIT_EXPECT_PTR_EQ(test, regions->vec, before.vec);
	KUNIT_EXPECT_EQ(test, regions->nr, before.nr);
	KUNIT_EXPECT_EQ(test, regions->cap, before.cap);
	KUNIT_EXPECT_EQ(test, regions->page_size, before.page_size);
	KUNIT_EXPECT_EQ(test, regions->pages_left, before.pages_left);
	if (regions->vec)
		KUNIT_EXPECT_EQ(test, memcmp(vec_before, regions->vec,
					     sizeof(vec_before)), 0);
	return fits;
}

/* Nothing was written to the elements from nr on. */
static void expect_untouched(struct kunit *test, const struct page_region *vec,
			     unsigned int nr)
{
	struct page_region untouched;

	memset(&untouched, UNTOUCHED, sizeof(untouched));
	for (; nr < MAX_REGIONS; nr++)
		KUNIT_EXPECT_EQ_MSG(test, memcmp(&vec[nr], &untouched,
						 sizeof(untouched)),
				    0, "element %u", nr);
}

static void table(struct kunit *test)
{
	const struct region_case *c = test->param_value;
	struct page_region vec[MAX_REGIONS];
	struct pagemap_regions regions = {
		.vec = c->no_vec ? NULL : vec,
		.cap = c->cap,
		.page_size = PAGE_BYTES,
		.pages_left = c->limit,
	};
	unsigned int i, nr = 0;

	memset(vec, UNTOUCHED, sizeof(vec));

	for (i = 0; i < ARRAY_SIZE(c->runs) && c->runs[i].nr; i++) {
		const struct run *run = &c->runs[i];
		const u64 fits = fit(test, &regions, address(run->page),
				     run->nr, run->categories);

		KUNIT_ASSERT_EQ_MSG(test, fits, run->fit, "run %u", i);
		pagemap_regions_record(&regions, address(run->page), fits,
				       run->categories);
	}

	while (nr < ARRAY_SIZE(c->regions) && c->regions[nr].end)
		nr++;
	KUNIT_ASSERT_EQ(test, regions.nr, nr);
	for (i = 0; i < nr; i++) {
		const struct expected_region *expected = &c->regions[i];

		KUNIT_EXPECT_EQ_MSG(test, vec[i].start,
				    address(expected->first), "region %u", i);
		KUNIT_EXPECT_EQ_MSG(test, vec[i].end, address(expected->end),
				    "region %u", i);
		KUNIT_EXPECT_EQ_MSG(test, vec[i].categories,
				    expected->categories, "region %u", i);
	}
	expect_untouched(test, vec, nr);

	KUNIT_EXPECT_EQ(test, regions.pages_left, c->left);
	KUNIT_EXPECT_EQ(test, regions.cap, c->cap);
	KUNIT_EXPECT_EQ(test, regions.page_size, PAGE_BYTES);
}

/* No pages: neither a region, nor anything else */
static void record_nothing(struct kunit *test)
{
	struct page_region vec[MAX_REGIONS];
	struct pagemap_regions regions = {
		.vec = vec,
		.cap = 2,
		.page_size = PAGE_BYTES,
		.pages_left = 5,
	};

	memset(vec, UNTOUCHED, sizeof(vec));
	KUNIT_EXPECT_EQ(test, fit(test, &regions, address(0), 0, A), 0ULL);
	pagemap_regions_record(&regions, address(0), 0, A);
	KUNIT_ASSERT_EQ(test, regions.nr, 0U);
	KUNIT_EXPECT_EQ(test, regions.pages_left, 5ULL);
	expect_untouched(test, vec, 0);

	/* Behind a region, alike or not; it must not close it either. */
	pagemap_regions_record(&regions, address(0), 1, A);
	pagemap_regions_record(&regions, address(1), 0, A);
	pagemap_regions_record(&regions, address(1), 0, B);
	pagemap_regions_record(&regions, address(1), 1, A);
	KUNIT_ASSERT_EQ(test, regions.nr, 1U);
	KUNIT_EXPECT_EQ(test, regions.pages_left, 3ULL);
	KUNIT_EXPECT_EQ(test, vec[0].start, address(0));
	KUNIT_EXPECT_EQ(test, vec[0].end, address(2));
	expect_untouched(test, vec, 1);
}

/*
 * The caller takes the regions out and goes on with nr = 0: what is in the
 * array then is of the past, and must not grow.
 */
static void next_batch(struct kunit *test)
{
	struct page_region vec[MAX_REGIONS];
	struct pagemap_regions regions = {
		.vec = vec,
		.cap = 1,
		.page_size = PAGE_BYTES,
		.pages_left = 5,
	};

	pagemap_regions_record(&regions, address(0), 2, A);
	KUNIT_EXPECT_EQ(test, pagemap_regions_fit(&regions, address(2), 1, B), 0ULL);

	regions.nr = 0;
	KUNIT_EXPECT_EQ(test, pagemap_regions_fit(&regions, address(2), 4, A), 3ULL);
	pagemap_regions_record(&regions, address(2), 3, A);
	KUNIT_ASSERT_EQ(test, regions.nr, 1U);
	KUNIT_EXPECT_EQ(test, regions.pages_left, 0ULL);
	KUNIT_EXPECT_EQ(test, vec[0].start, address(2));
	KUNIT_EXPECT_EQ(test, vec[0].end, address(5));
}

static const unsigned int page_shifts[] = { 12, 14, 16 };

static void page_shift_desc(const unsigned int *page_shift, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "pages of %u KiB",
		 1U << (*page_shift - 10));
}

KUNIT_ARRAY_PARAM(page_shift, page_shifts, page_shift_desc);

/* Pages of other sizes, and the last that an address can reach */
static void last_pages(struct kunit *test)
{
	const unsigned int page_shift = *(const unsigned int *)test->param_value;
	/* Number of the last page of 64 bits; its end is no address */
	const u64 last = ~0ULL >> page_shift;
	struct page_region vec[MAX_REGIONS];
	struct pagemap_regions regions = {
		.vec = vec,
		.cap = 2,
		.page_size = 1U << page_shift,
		.pages_left = NO_LIMIT,
	};

	/* All but the last two as one region */
	pagemap_regions_record(&regions, 0, 1, A);
	pagemap_regions_record(&regions, 1ULL << page_shift, last - 2, A);
	KUNIT_ASSERT_EQ(test, regions.nr, 1U);
	KUNIT_EXPECT_EQ(test, vec[0].start, 0ULL);
	KUNIT_EXPECT_EQ(test, vec[0].end, (last - 1) << page_shift);

	pagemap_regions_record(&regions, (last - 1) << page_shift, 1, B);
	KUNIT_ASSERT_EQ(test, regions.nr, 2U);
	KUNIT_EXPECT_EQ(test, vec[1].start, (last - 1) << page_shift);
	KUNIT_EXPECT_EQ(test, vec[1].end, last << page_shift);
	KUNIT_EXPECT_EQ(test, regions.pages_left, NO_LIMIT - last);
}

/* The model: pages that match and that do not, one by one */

#define MODEL_PAGES	32
#define MODEL_ROUNDS	4096
#define NO_MATCH	(~0ULL)

struct model {
	u64 page[MODEL_PAGES];	/* categories, or NO_MATCH */
	unsigned int cap;
	unsigned int limit;
	/* What must come out */
	unsigned int stop;	/* the first page that matches and has no room */
	unsigned int nr_pages;
	unsigned int nr_regions;
};

/* A generator that needs no seed from outside: each run is the same. */
static unsigned int random_below(u64 *state, unsigned int limit)
{
	*state = *state * 0x5851f42d4c957f2dULL + 1;
	return (unsigned int)(*state >> 33) % limit;
}

/* A page continues a region if the page before it matches and is alike. */
static bool model_continues(const struct model *model, unsigned int page)
{
	return page && model->page[page - 1] == model->page[page];
}

static void model_make(struct model *model, u64 *state)
{
	static const u64 kinds[] = { NO_MATCH, NO_MATCH, 0, A, A | B };
	const unsigned int sameness = 1 + random_below(state, 8);
	unsigned int i;

	for (i = 0; i < MODEL_PAGES; i++) {
		if (i && random_below(state, sameness))
			model->page[i] = model->page[i - 1];
		else
			model->page[i] = kinds[random_below(state, ARRAY_SIZE(kinds))];
	}
	model->cap = random_below(state, MAX_REGIONS);
	model->limit = 1 + random_below(state, MODEL_PAGES + 8);
}

static void model_solve(struct model *model)
{
	unsigned int i;

	model->nr_pages = 0;
	model->nr_regions = 0;
	for (i = 0; i < MODEL_PAGES; i++) {
		bool begins = !model_continues(model, i);

		if (model->page[i] == NO_MATCH)
			continue;
		if (model->nr_pages == model->limit ||
		    (begins && model->nr_regions == model->cap))
			break;
		model->nr_pages++;
		model->nr_regions += begins;
	}
	model->stop = i;
}

/* How many pages from this on are the same, of no more than max */
static unsigned int model_run(const struct model *model, unsigned int page,
			      unsigned int max)
{
	unsigned int nr = 1;

	while (nr < max && page + nr < MODEL_PAGES &&
	       model->page[page + nr] == model->page[page])
		nr++;
	return nr;
}

/* Each page up to stop is in the region that it must be in. */
static void expect_model(struct kunit *test, const struct model *model,
			 const struct pagemap_regions *regions,
			 unsigned int stop, unsigned int round)
{
	unsigned int i, nr = 0;

	KUNIT_ASSERT_EQ_MSG(test, stop, model->stop, "round %u", round);
	KUNIT_ASSERT_EQ_MSG(test, regions->nr, model->nr_regions, "round %u", round);
	KUNIT_ASSERT_EQ_MSG(test, regions->pages_left,
			    (u64)model->limit - model->nr_pages, "round %u", round);

	for (i = 0; i < stop; i++) {
		const struct page_region *region;

		if (model->page[i] == NO_MATCH)
			continue;
		nr += !model_continues(model, i);
		region = &regions->vec[nr - 1];
		if (!model_continues(model, i))
			KUNIT_ASSERT_EQ_MSG(test, region->start, address(i),
					    "round %u page %u", round, i);
		if (i + 1 == stop || !model_continues(model, i + 1))
			KUNIT_ASSERT_EQ_MSG(test, region->end, address(i + 1),
					    "round %u page %u", round, i);
		KUNIT_ASSERT_EQ_MSG(test, region->categories, model->page[i],
				    "round %u page %u", round, i);
	}
	expect_untouched(test, regions->vec, regions->nr);
}

/* Feed the pages in runs of random lengths, up to longest. */
static void compare_with_model(struct kunit *test, const struct model *model,
			       unsigned int longest, u64 *state,
			       unsigned int round)
{
	struct page_region vec[MAX_REGIONS];
	struct pagemap_regions regions = {
		.vec = vec,
		.cap = model->cap,
		.page_size = PAGE_BYTES,
		.pages_left = model->limit,
	};
	unsigned int page = 0;

	memset(vec, UNTOUCHED, sizeof(vec));

	while (page < MODEL_PAGES) {
		unsigned int max = 1 + random_below(state, longest);
		unsigned int nr = model_run(model, page, max);
		u64 fits = nr;

		if (model->page[page] != NO_MATCH) {
			fits = fit(test, &regions, address(page), nr,
				   model->page[page]);
			KUNIT_ASSERT_LE_MSG(test, fits, (u64)nr, "round %u", round);
			pagemap_regions_record(&regions, address(page), fits,
					       model->page[page]);
		}
		page += fits;
		if (fits < nr)
			break;
	}
	expect_model(test, model, &regions, page, round);
}

/* Page by page, in short runs or in long ones: it makes no difference. */
static void random_runs(struct kunit *test)
{
	struct model model;
	unsigned int round;
	u64 state = 2;

	for (round = 0; round < MODEL_ROUNDS; round++) {
		model_make(&model, &state);
		model_solve(&model);
		compare_with_model(test, &model, 1, &state, round);
		compare_with_model(test, &model, 6, &state, round);
		compare_with_model(test, &model, 4 * MODEL_PAGES, &state, round);
	}
}

/* The short way comes to the same as the long one */
static void put_at_the_end(struct kunit *test)
{
	struct page_region slow_vec[MAX_REGIONS], fast_vec[MAX_REGIONS], *next;
	struct pagemap_regions slow = {
		.vec = slow_vec,
		.cap = MAX_REGIONS - 1,
		.page_size = PAGE_BYTES,
		.pages_left = 100,
	}, fast = slow;
	u64 nr = 0, page;

	memset(slow_vec, UNTOUCHED, sizeof(slow_vec));
	memset(fast_vec, UNTOUCHED, sizeof(fast_vec));
	fast.vec = fast_vec;
	pagemap_regions_record(&slow, address(0), 1, A);
	pagemap_regions_record(&fast, address(0), 1, A);

	next = pagemap_regions_next(&fast);
	for (page = 2; next != pagemap_regions_full(&fast); page += 5) {
		KUNIT_ASSERT_EQ(test, fit(test, &slow, address(page), 3, B), 3ULL);
		pagemap_regions_record(&slow, address(page), 3, B);
		*next++ = (struct page_region) {
			.start = address(page),
			.end = address(page + 3),
			.categories = B,
		};
		nr += 3;
	}
	pagemap_regions_appended(&fast, next, nr);

	KUNIT_EXPECT_EQ(test, nr, 3ULL * (MAX_REGIONS - 2));
	KUNIT_EXPECT_EQ(test, fit(test, &slow, address(page), 1, B), 0ULL);
	KUNIT_EXPECT_EQ(test, fast.nr, slow.nr);
	KUNIT_EXPECT_EQ(test, fast.pages_left, slow.pages_left);
	KUNIT_EXPECT_EQ(test, memcmp(fast_vec, slow_vec, sizeof(fast_vec)), 0);
}

static struct kunit_case region_test_cases[] = {
	KUNIT_CASE_PARAM(table, region_gen_params),
	KUNIT_CASE(record_nothing),
	KUNIT_CASE(next_batch),
	KUNIT_CASE_PARAM(last_pages, page_shift_gen_params),
	KUNIT_CASE(random_runs),
	KUNIT_CASE(put_at_the_end),
	{}
};

static struct kunit_suite region_suite = {
	.name = "pagemap_scan_region",
	.test_cases = region_test_cases,
};

kunit_test_suite(region_suite);
