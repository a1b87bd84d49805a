// SPDX-License-Identifier: GPL-2.0
/*
 * Masks of all 64 bits against a definition that goes by bit. (The truth tables
 * in filter_kunit.c are complete, but of a few bits at a time.)
 */
#include "../../../mm/pagemap_scan/filter.h"
#include "fuzz.h"

#define NR_CATEGORIES	8
#define NR_GUESSES	8

/* Few bits: of many, some is always missing, and nothing matches. */
static u64 take_sparse(struct input *input)
{
	return take_u64(input) & take_u64(input) & take_u64(input);
}

static bool bit(u64 mask, int i)
{
	return mask >> i & 1;
}

static bool matches(const struct pagemap_filter *filter, u64 categories)
{
	int asked = 0, found = 0, i;

	for (i = 0; i < 64; i++) {
		bool counts = bit(categories, i) != bit(filter->inverted, i);

		if (bit(filter->mask, i) && !counts)
			return false;
		asked += bit(filter->anyof, i);
		found += bit(filter->anyof, i) && counts;
	}
	return !asked || found;
}

static bool valid(const struct pagemap_filter *filter)
{
	int i;

	for (i = NR_CATEGORIES; i < 64; i++)
		if (bit(filter->inverted, i) || bit(filter->mask, i) ||
		    bit(filter->anyof, i) || bit(filter->ret, i))
			return false;
	return true;
}

/*
 * The page that matches if any does, of those that are like categories where
 * that is known: elsewhere, it is what the filter likes to see.
 */
static u64 best_page(const struct pagemap_filter *filter, u64 known,
		     u64 categories)
{
	u64 page = 0;
	int i;

	for (i = 0; i < 64; i++) {
		bool has = bit(known, i) ? bit(categories, i) :
					   !bit(filter->inverted, i);

		page |= (u64)has << i;
	}
	return page;
}

/* One bit too many, or not, in one of the masks */
static void check_valid(struct input *input, struct pagemap_filter filter)
{
	u64 *const masks[] = {
		&filter.inverted, &filter.mask, &filter.anyof, &filter.ret,
	};
	int i;

	for (i = 0; i < 4; i++)
		*masks[i] &= 0xff;
	*masks[take_byte(input) % 4] |= 1ULL << take_byte(input) % 64;
	CHECK(pagemap_filter_valid(&filter) == valid(&filter));
}

int fuzz_one(const u8 *data, size_t size)
{
	struct input input = { data, size };
	/* Half of the time, nothing that is not a category */
	const u64 only = take_byte(&input) & 1 ? ~0ULL : 0xff;
	const struct pagemap_filter filter = {
		.inverted = take_u64(&input) & only,
		.mask = take_sparse(&input) & only,
		.anyof = take_sparse(&input) & only,
		.ret = take_u64(&input) & only,
	};
	const u64 categories = take_u64(&input);
	const u64 known = take_u64(&input);
	const u64 wants = pagemap_filter_wants(&filter);
	const bool possible = pagemap_filter_may_match(&filter, known,
						       categories & known);
	int i;

	CHECK(pagemap_filter_valid(&filter) == valid(&filter));
	check_valid(&input, filter);
	CHECK(pagemap_filter_match(&filter, categories) ==
	      matches(&filter, categories));
	CHECK(possible ==
	      matches(&filter, best_page(&filter, known, categories)));

	/* What is not known can be anything, and so can what is not wanted. */
	for (i = 0; i < NR_GUESSES; i++) {
		const u64 guess = take_u64(&input);
		const u64 page = (categories & known) | (guess & ~known);
		const u64 other = (categories & wants) | (guess & ~wants);

		CHECK((other & filter.ret) == (categories & filter.ret));
		CHECK(possible || !pagemap_filter_match(&filter, page));
		CHECK(pagemap_filter_match(&filter, other) ==
		      pagemap_filter_match(&filter, categories));
	}
	return 0;
}
