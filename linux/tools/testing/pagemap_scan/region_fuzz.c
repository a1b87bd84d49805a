// SPDX-License-Identifier: GPL-2.0
/*
 * Runs of any length at any address, in batches as the ioctl takes them, against
 * a list of what was recorded. (The model in region_kunit.c is one of pages, so
 * it has few.)
 */
#include "../../../mm/pagemap_scan/region.h"
#include "fuzz.h"

#define MAX_RUNS	64

struct run {
	u64 page;
	u64 nr;
	u64 categories;
};

/* What was recorded in this batch, and in all of them */
struct history {
	struct run runs[MAX_RUNS];
	unsigned int nr;
	u64 pages;
};

/* A number that is small as often as not */
static u64 take_number(struct input *input)
{
	const u8 kind = take_byte(input);

	return kind & 1 ? take_u64(input) >> (kind >> 2) : kind >> 4;
}

static u64 take_categories(struct input *input)
{
	static const u64 some[] = { 0, 1, 3, 1ULL << 63 };

	return some[take_byte(input) % 4];
}

static u64 smaller(u64 a, u64 b)
{
	return a < b ? a : b;
}

/* Is run i the first of a region? */
static bool begins(const struct history *history, unsigned int i)
{
	const struct run *run = &history->runs[i];

	return !i || run[-1].page + run[-1].nr != run->page ||
	       run[-1].categories != run->categories;
}

static unsigned int nr_regions(const struct history *history)
{
	unsigned int i, nr = 0;

	for (i = 0; i < history->nr; i++)
		nr += begins(history, i);
	return nr;
}

/* How many pages of the next run must fit */
static u64 expected_fit(struct history *history, const struct run *run,
			bool has_vec, unsigned int cap, u64 limit)
{
	history->runs[history->nr] = *run;
	if (has_vec && begins(history, history->nr) &&
	    nr_regions(history) == cap)
		return 0;
	return smaller(run->nr, limit - history->pages);
}

static void check_regions(const struct history *history,
			  const struct pagemap_regions *regions,
			  unsigned int page_shift)
{
	const struct page_region *region = NULL;
	unsigned int i, nr = 0;

	CHECK(regions->nr == nr_regions(history));
	for (i = 0; i < history->nr; i++) {
		const struct run *run = &history->runs[i];

		if (begins(history, i)) {
			CHECK(!region || region->end ==
			      (run[-1].page + run[-1].nr) << page_shift);
			region = &regions->vec[nr++];
			CHECK(region->start == run->page << page_shift);
		}
		CHECK(region->categories == run->categories);
	}
	if (region)
		CHECK(region->end == (history->runs[i - 1].page +
				      history->runs[i - 1].nr) << page_shift);
}

static void fuzz(struct input *input, struct pagemap_regions *regions,
		 unsigned int page_shift)
{
	const u64 limit = regions->pages_left;
	const u64 last = ~0ULL >> page_shift;
	struct history history = {};
	u64 page = 0;

	while (input->size && history.nr < MAX_RUNS) {
		const u8 what = take_byte(input);
		struct run run;
		u64 fit;

		/* Go on behind the last run, or leave a gap. */
		if (what & 1)
			page += smaller(take_number(input), last - page);
		run.page = page;
		run.nr = smaller(take_number(input), last - page);
		run.categories = take_categories(input);

		fit = pagemap_regions_fit(regions, run.page << page_shift,
					  run.nr, run.categories);
		CHECK(fit == expected_fit(&history, &run, regions->vec,
					  regions->cap, limit));

		/* To record less than fits is allowed. */
		if (!(what & 6))
			fit = smaller(fit, take_number(input));
		pagemap_regions_record(regions, run.page << page_shift, fit,
				       run.categories);
		run.nr = fit;
		page += fit;
		if (fit)
			history.runs[history.nr++] = run;
		history.pages += fit;

		CHECK(regions->pages_left == limit - history.pages);
		if (regions->vec)
			check_regions(&history, regions, page_shift);
		else
			CHECK(!regions->nr);

		/* The next batch */
		if (!(what & 0xf8)) {
			regions->nr = 0;
			history.nr = 0;
		}
	}
}

int fuzz_one(const u8 *data, size_t size)
{
	struct input input = { data, size };
	const unsigned int page_shift = 12 + take_byte(&input) % 5;
	struct page_region *vec = NULL;
	struct pagemap_regions regions = {
		.page_size = 1U << page_shift,
		.pages_left = take_number(&input),
	};

	if (take_byte(&input) & 3) {
		regions.cap = take_byte(&input) % 8;
		/* Of the size that it has, for ASan to see what is behind it */
		vec = malloc(regions.cap * sizeof(*vec));
		CHECK(vec);
	}
	regions.vec = vec;
	fuzz(&input, &regions, page_shift);
	free(vec);
	return 0;
}
