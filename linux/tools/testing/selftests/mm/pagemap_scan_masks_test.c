// SPDX-License-Identifier: GPL-2.0
/*
 * The masks of PAGEMAP_SCAN as a truth table: a page of each sort, every small
 * set of categories in each mask, and what a reading of the definition bit by
 * bit says must come out.
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include "tracked.h"

#define WPALLOWED	PAGE_IS_WPALLOWED
#define WRITTEN		PAGE_IS_WRITTEN
#define FILE_PAGE	PAGE_IS_FILE
#define PRESENT		PAGE_IS_PRESENT
#define PFNZERO		PAGE_IS_PFNZERO

#define NR_CATEGORIES	8
#define NR_MASKS	256

/* Which page has which sort; the rest is not mapped. */
enum {
	TRACKED_HOLE,
	ARMED_HOLE,
	TRACKED_ZERO,
	ARMED_ZERO,
	TRACKED_DATA,
	ARMED_DATA,
	HOLE,
	ZERO,
	DATA,
	FILE_DATA,
	TRACKED_FILE,
	ARMED_FILE,
	NR_SORTS,
	NR_PAGES = NR_SORTS + 2
};

static const __u64 sorts[NR_SORTS] = {
	[TRACKED_HOLE]	= WPALLOWED | WRITTEN,
	[ARMED_HOLE]	= WPALLOWED,
	[TRACKED_ZERO]	= WPALLOWED | WRITTEN | PRESENT | PFNZERO,
	[ARMED_ZERO]	= WPALLOWED | PRESENT | PFNZERO,
	[TRACKED_DATA]	= WPALLOWED | WRITTEN | PRESENT,
	[ARMED_DATA]	= WPALLOWED | PRESENT,
	[HOLE]		= 0,
	[ZERO]		= WRITTEN | PRESENT | PFNZERO,
	[DATA]		= WRITTEN | PRESENT,
	[FILE_DATA]	= WRITTEN | PRESENT | FILE_PAGE,
	[TRACKED_FILE]	= WPALLOWED | WRITTEN | PRESENT | FILE_PAGE,
	[ARMED_FILE]	= WPALLOWED | PRESENT | FILE_PAGE,
};

FIXTURE(masks)
{
	struct range range;
	__u64 categories[NR_SORTS];
	int uffd;
	int memfd;
};

static void arm(struct __test_metadata *_metadata, const struct range *all,
		size_t index)
{
	struct range page = *all;

	page.addr += index * page.unit;
	page.nr = 1;
	ASSERT_STREQ("0", pages_take(&page));
}

FIXTURE_SETUP(masks)
{
	struct range *range = &self->range, part;
	size_t page = base_page();
	int fd;

	SKIP_SETUP_IF(missing_wp_async());
	range->unit = page;
	range->nr = NR_PAGES;
	range->pagemap = pagemap_open(0);
	ASSERT_LE(0, range->pagemap);
	range->addr = mmap(NULL, NR_PAGES * page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(range->addr != MAP_FAILED);
	ASSERT_EQ(0, munmap(range->addr + NR_SORTS * page,
			    (NR_PAGES - NR_SORTS) * page));
	self->memfd = memfd_create("masks", MFD_CLOEXEC);
	ASSERT_LE(0, self->memfd);
	ASSERT_EQ(0, ftruncate(self->memfd, 3 * page));
	ASSERT_TRUE(mmap(range->addr + FILE_DATA * page, 3 * page,
			 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 self->memfd, 0) != MAP_FAILED);

	load(range, TRACKED_ZERO);
	load(range, ARMED_ZERO);
	store(range, TRACKED_DATA);
	store(range, ARMED_DATA);
	load(range, ZERO);
	store(range, DATA);
	store(range, FILE_DATA);
	store(range, TRACKED_FILE);
	store(range, ARMED_FILE);

	part = *range;
	part.nr = HOLE;
	self->uffd = uffd_track(&part, 0, 0);
	ASSERT_LE(0, self->uffd);
	part.addr += TRACKED_FILE * page;
	part.nr = 2;
	ASSERT_EQ(0, uffd_register(self->uffd, &part, UFFDIO_REGISTER_MODE_WP));
	arm(_metadata, range, ARMED_HOLE);
	arm(_metadata, range, ARMED_ZERO);
	arm(_metadata, range, ARMED_DATA);
	arm(_metadata, range, ARMED_FILE);

	/* Soft-dirty is nobody's subject here: no page has it from now on. */
	fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(1, write(fd, "4", 1));
	close(fd);

	memcpy(self->categories, sorts, sizeof(sorts));
	if (mainline_kernel()) {
		/* What pagemap_scan_categories_test says of mainline. */
		self->categories[ARMED_HOLE] |= PAGE_IS_SWAPPED;
		self->categories[HOLE] |= WRITTEN;
	}
}

FIXTURE_TEARDOWN(masks)
{
	munmap(self->range.addr, NR_SORTS * self->range.unit);
	close(self->range.pagemap);
	close(self->memfd);
	close(self->uffd);
}

/* The definition, category by category. */
static bool matches(__u64 categories, const struct pm_scan_arg *arg)
{
	bool any = false;
	int bit;

	for (bit = 0; bit < NR_CATEGORIES; bit++) {
		bool has = categories >> bit & 1;
		bool must_not = arg->category_inverted >> bit & 1;
		bool fits = must_not ? !has : has;

		if ((arg->category_mask >> bit & 1) && !fits)
			return false;
		if ((arg->category_anyof_mask >> bit & 1) && fits)
			any = true;
	}
	return any || !arg->category_anyof_mask;
}

/* One query: its regions, page by page, are what the definition says. */
static void try_masks(struct __test_metadata *_metadata,
		      FIXTURE_DATA(masks) *self, __u64 inverted, __u64 mask,
		      __u64 anyof, __u64 return_mask)
{
	struct page_region vec[NR_PAGES];
	struct pm_scan_arg arg = SCAN_OF(&self->range,
		.vec = to_u64(vec),
		.vec_len = NR_PAGES,
		.category_inverted = inverted,
		.category_mask = mask,
		.category_anyof_mask = anyof,
		.return_mask = return_mask);
	__u64 pos = addr_of(&self->range, 0);
	int nr, r = 0;
	size_t i;

	nr = pagemap_scan(self->range.pagemap, &arg);
	ASSERT_LE(0, nr);
	ASSERT_EQ(arg.end, arg.walk_end);
	for (i = 0; i < NR_PAGES; i++, pos += self->range.unit) {
		bool seen = r < nr && vec[r].start <= pos;
		bool wanted = i < NR_SORTS &&
			      matches(self->categories[i], &arg);

		ASSERT_EQ(wanted, seen)
			TH_LOG("page %zu, inverted %llx mask %llx anyof %llx",
			       i, (unsigned long long)inverted,
			       (unsigned long long)mask,
			       (unsigned long long)anyof);
		if (!seen)
			continue;
		ASSERT_EQ(self->categories[i] & return_mask,
			  vec[r].categories);
		if (vec[r].end == pos + self->range.unit)
			r++;
	}
	ASSERT_EQ(nr, r);
}

/* The sets of no more than so many categories. */
static size_t small_sets(__u64 *sets, int most)
{
	__u64 set;
	size_t nr = 0;

	for (set = 0; set < NR_MASKS; set++)
		if (__builtin_popcountll(set) <= most)
			sets[nr++] = set;
	return nr;
}

TEST_F_TIMEOUT(masks, every_small_set_in_each_mask, 600)
{
	__u64 pairs[NR_MASKS], singles[NR_MASKS];
	size_t nr_pairs = small_sets(pairs, 2), nr_singles = small_sets(singles, 1);
	size_t i, j, k;

	for (i = 0; i < nr_pairs; i++) {
		for (j = 0; j < nr_pairs; j++) {
			for (k = 0; k < nr_singles; k++)
				try_masks(_metadata, self, pairs[i], pairs[j],
					  singles[k], ALL_CATEGORIES);
		}
	}
}

TEST_F_TIMEOUT(masks, every_pair_in_anyof, 600)
{
	__u64 pairs[NR_MASKS], singles[NR_MASKS];
	size_t nr_pairs = small_sets(pairs, 2), nr_singles = small_sets(singles, 1);
	size_t i, j, k;

	for (i = 0; i < nr_singles; i++) {
		for (j = 0; j < nr_singles; j++) {
			for (k = 0; k < nr_pairs; k++)
				try_masks(_metadata, self, singles[i],
					  singles[j], pairs[k],
					  ALL_CATEGORIES);
		}
	}
}

TEST_F_TIMEOUT(masks, random_sets_in_each_mask, 600)
{
	unsigned int seed = 1, i;
	__u64 sets[4];
	int j;

	for (i = 0; i < 4096; i++) {
		for (j = 0; j < 4; j++) {
			seed = seed * 1103515245 + 12345;
			sets[j] = seed >> 16 & ALL_CATEGORIES;
		}
		try_masks(_metadata, self, sets[0], sets[1], sets[2], sets[3]);
	}
}

TEST_F(masks, every_return_mask)
{
	__u64 mask;

	for (mask = 0; mask < NR_MASKS; mask++)
		try_masks(_metadata, self, 0, 0, 0, mask);
}

/* The bit in both inverted and mask is how to leave pages out. */
TEST_F(masks, excluded_category)
{
	struct pm_scan_arg arg = SCAN_OF(&self->range,
		.category_inverted = FILE_PAGE,
		.category_mask = FILE_PAGE | PRESENT | WPALLOWED);

	ASSERT_STREQ("2-5", pages_matching(&self->range, &arg));
}

TEST_HARNESS_MAIN
