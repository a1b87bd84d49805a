// SPDX-License-Identifier: GPL-2.0
/*
 * What PAGEMAP_SCAN makes of the pages that match: dense regions, as many as
 * there is room for, and a walk_end from which the next call goes on.
 *
 * A model of ten lines says what each call must return.
 */
#define _GNU_SOURCE
#include "tracked.h"

/* Three page tables, so that runs of pages cross from one into the next. */
#define NR_PAGES	1536
#define MAX_REGIONS	NR_PAGES
#define POISON		0xee

/* What a page of the pattern is. */
#define HOLE		0	/* of a file: as it was read */
#define ZERO		1	/* the zero page; of a file: as it was read */
#define DATA		2

struct answer {
	struct page_region vec[MAX_REGIONS];
	__u64 walk_end;
	int nr;
};

FIXTURE(pattern)
{
	char pages[NR_PAGES];
	struct range range;
	struct answer expected;
	struct answer seen;
	unsigned int seed;
	bool tracked;
	bool file;
	bool both;
	int uffd;
	int memfd;
};

FIXTURE_VARIANT(pattern)
{
	bool tracked;
	bool file;
};

FIXTURE_VARIANT_ADD(pattern, reading)
{
	.tracked = false,
};

FIXTURE_VARIANT_ADD(pattern, arming)
{
	.tracked = true,
};

/* What a private mapping has copied of a file, as a checkpoint asks for it */
FIXTURE_VARIANT_ADD(pattern, reading_private_file)
{
	.file = true,
};

FIXTURE_SETUP(pattern)
{
	size_t len = NR_PAGES * base_page();

	self->tracked = variant->tracked;
	self->file = variant->file;
	self->memfd = -1;
	SKIP_SETUP_IF(self->tracked ? missing_wp_async() : missing_scan());
	self->range.unit = base_page();
	self->range.nr = NR_PAGES;
	if (self->file) {
		self->memfd = memfd_create("pattern", 0);
		ASSERT_LE(0, self->memfd);
		ASSERT_EQ(0, ftruncate(self->memfd, len));
	}
	self->range.addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE |
				(self->file ? 0 : MAP_ANONYMOUS), self->memfd, 0);
	ASSERT_TRUE(self->range.addr != MAP_FAILED);
	madvise(self->range.addr, len, MADV_NOHUGEPAGE);
	self->range.pagemap = pagemap_open(0);
	ASSERT_LE(0, self->range.pagemap);
	self->uffd = -1;
	if (self->tracked) {
		self->uffd = uffd_track(&self->range, 0, 0);
		ASSERT_LE(0, self->uffd);
	}
}

FIXTURE_TEARDOWN(pattern)
{
	munmap(self->range.addr, NR_PAGES * self->range.unit);
	close(self->range.pagemap);
	close(self->uffd);
	close(self->memfd);
}

/*
 * Makes the memory what self->pages says.  All that matches then is DATA, and
 * ZERO too unless it is tracked: there it is armed, for only a write counts.
 */
static void realize(FIXTURE_DATA(pattern) *self)
{
	size_t i;

	madvise(self->range.addr, NR_PAGES * self->range.unit, MADV_DONTNEED);
	for (i = 0; i < NR_PAGES; i++) {
		if (self->pages[i] == ZERO || self->file)
			load(&self->range, i);
	}
	if (self->tracked)
		pages_take(&self->range);
	for (i = 0; i < NR_PAGES; i++) {
		if (self->pages[i] == DATA)
			store(&self->range, i);
	}
}

/* The same if all that is present matches, whatever else it is. */
static __u64 any_category_of(FIXTURE_DATA(pattern) *self, size_t i)
{
	if (self->pages[i] == DATA)
		return PAGE_IS_PRESENT | (self->tracked ? PAGE_IS_WRITTEN : 0);
	if (self->file)
		return PAGE_IS_PRESENT | PAGE_IS_FILE;
	if (self->pages[i] == HOLE)
		return 0;
	return PAGE_IS_PRESENT | (self->tracked ? 0 : PAGE_IS_PFNZERO);
}

static __u64 category_of(FIXTURE_DATA(pattern) *self, size_t i)
{
	if (self->both)
		return any_category_of(self, i);
	if (self->file)
		return self->pages[i] == DATA ? PAGE_IS_PRESENT : 0;
	if (self->tracked)
		return self->pages[i] == DATA ? PAGE_IS_WRITTEN : 0;
	if (self->pages[i] == ZERO)
		return PAGE_IS_PRESENT | PAGE_IS_PFNZERO;
	return self->pages[i] == DATA ? PAGE_IS_PRESENT : 0;
}

static struct pm_scan_arg query(FIXTURE_DATA(pattern) *self)
{
	struct pm_scan_arg arg = SCAN_OF(&self->range,
		.vec = to_u64(self->seen.vec),
		.vec_len = MAX_REGIONS,
		.category_mask = PAGE_IS_PRESENT,
		.return_mask = PAGE_IS_PRESENT | PAGE_IS_PFNZERO);

	if (self->file)
		arg.return_mask |= PAGE_IS_FILE;
	if (self->both) {
		if (self->tracked)
			arg.return_mask = PAGE_IS_PRESENT | PAGE_IS_WRITTEN;
		return arg;
	}
	if (self->file) {
		arg.category_inverted = PAGE_IS_FILE;
		arg.category_mask |= PAGE_IS_FILE;
	}
	if (self->tracked) {
		arg.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC;
		arg.category_mask = PAGE_IS_WRITTEN;
		arg.return_mask = PAGE_IS_WRITTEN;
	}
	return arg;
}

/* The model: what the call must return. */
static void model(FIXTURE_DATA(pattern) *self, const struct pm_scan_arg *arg)
{
	size_t i = (arg->start - addr_of(&self->range, 0)) / self->range.unit;
	size_t end = (arg->end - addr_of(&self->range, 0)) / self->range.unit;
	struct page_region *last = NULL, *vec = self->expected.vec;
	__u64 categories, pages = 0;

	self->expected.nr = 0;
	for (; i < end; i++) {
		categories = category_of(self, i) & arg->return_mask;
		if (!category_of(self, i))
			continue;
		if (arg->max_pages && pages == arg->max_pages)
			break;
		pages++;
		if (last && last->end == addr_of(&self->range, i) &&
		    last->categories == categories) {
			last->end += self->range.unit;
			continue;
		}
		if (self->expected.nr == (int)arg->vec_len)
			break;
		last = &vec[self->expected.nr++];
		last->start = addr_of(&self->range, i);
		last->end = last->start + self->range.unit;
		last->categories = categories;
	}
	self->expected.walk_end = addr_of(&self->range, i);
}

/* Beyond what it returned the kernel has written nothing. */
static bool is_poison(const char *bytes, size_t len)
{
	if (!len)
		return true;
	return *(unsigned char *)bytes == POISON &&
	       !memcmp(bytes, bytes + 1, len - 1);
}

/* One call, which must return what the model says. */
static void one_call(struct __test_metadata *_metadata,
		     FIXTURE_DATA(pattern) *self, struct pm_scan_arg *arg)
{
	size_t used;

	model(self, arg);
	memset(self->seen.vec, POISON, sizeof(self->seen.vec));
	arg->walk_end = 0;
	self->seen.nr = pagemap_scan(self->range.pagemap, arg);
	ASSERT_EQ(self->expected.nr, self->seen.nr);
	ASSERT_EQ(self->expected.walk_end, arg->walk_end);
	used = self->seen.nr * sizeof(self->seen.vec[0]);
	ASSERT_EQ(0, memcmp(self->expected.vec, self->seen.vec, used));
	ASSERT_TRUE(is_poison((char *)self->seen.vec + used,
			      sizeof(self->seen.vec) - used));
}

/* Calls until the end: together they report every page, and once. */
static void all_calls(struct __test_metadata *_metadata,
		      FIXTURE_DATA(pattern) *self, __u64 vec_len,
		      __u64 max_pages)
{
	struct pm_scan_arg arg = query(self);
	size_t pages = 0, matching = 0, i;
	int r;

	for (i = 0; i < NR_PAGES; i++)
		matching += !!category_of(self, i);
	arg.vec_len = vec_len;
	arg.max_pages = max_pages;
	while (arg.start < arg.end) {
		one_call(_metadata, self, &arg);
		for (r = 0; r < self->seen.nr; r++)
			pages += (self->seen.vec[r].end -
				  self->seen.vec[r].start) / self->range.unit;
		ASSERT_LT(arg.start, arg.walk_end);
		arg.start = arg.walk_end;
	}
	ASSERT_EQ(matching, pages);
	if (self->tracked && !self->both) {
		ASSERT_STREQ("", pages_written(&self->range));
	}
}

static unsigned int next_random(FIXTURE_DATA(pattern) *self)
{
	self->seed = self->seed * 1103515245 + 12345;
	return self->seed >> 16 & 0x7fff;
}

/* Runs of the three sorts of pages, of random lengths up to a longest one. */
static void random_pages(FIXTURE_DATA(pattern) *self, unsigned int longest)
{
	unsigned int len = 0;
	char page = HOLE;
	size_t i;

	for (i = 0; i < NR_PAGES; i++) {
		if (!len--) {
			len = next_random(self) % longest;
			page = next_random(self) % 3;
		}
		self->pages[i] = page;
	}
}

TEST_F(pattern, nothing_matches)
{
	struct pm_scan_arg arg = query(self);

	realize(self);
	one_call(_metadata, self, &arg);
	ASSERT_EQ(0, self->seen.nr);
	ASSERT_EQ(arg.end, arg.walk_end);
}

TEST_F(pattern, adjacent_pages_are_one_region)
{
	struct pm_scan_arg arg = query(self);

	memset(self->pages, DATA, NR_PAGES);
	realize(self);
	arg.vec_len = 1;
	one_call(_metadata, self, &arg);
	ASSERT_EQ(1, self->seen.nr);
	ASSERT_EQ(arg.end, arg.walk_end);
}

TEST_F(pattern, adjacent_mappings_are_one_region)
{
	struct pm_scan_arg arg = query(self);

	memset(self->pages, DATA, NR_PAGES);
	realize(self);
	ASSERT_EQ(0, mprotect(self->range.addr + 100 * self->range.unit,
			      100 * self->range.unit, PROT_READ));
	one_call(_metadata, self, &arg);
	ASSERT_EQ(1, self->seen.nr);
}

TEST_F(pattern, pages_apart_are_regions_apart)
{
	struct pm_scan_arg arg = query(self);
	size_t i;

	/* More than any buffer of the kernel's is likely to hold. */
	for (i = 0; i < NR_PAGES; i += 2)
		self->pages[i] = DATA;
	realize(self);
	if (mainline_kernel()) {
		ASSERT_EQ(NR_PAGES / 2,
			  pagemap_scan(self->range.pagemap, &arg));
		MAINLINE_DIFFERS("a stale walk_end after 512 regions",
				 addr_of(&self->range, 1024), arg.walk_end);
	}
	one_call(_metadata, self, &arg);
	ASSERT_EQ(NR_PAGES / 2, self->seen.nr);
	ASSERT_EQ(arg.end, arg.walk_end);
}

TEST_F(pattern, last_region_takes_all_that_adjoins)
{
	struct pm_scan_arg arg = query(self);

	memset(self->pages + 10, DATA, 2);
	memset(self->pages + 500, DATA, 600);
	self->pages[1200] = DATA;
	realize(self);
	arg.vec_len = 2;
	one_call(_metadata, self, &arg);
	ASSERT_EQ(addr_of(&self->range, 1100), self->seen.vec[1].end);
	ASSERT_EQ(addr_of(&self->range, 1200), arg.walk_end);
}

TEST_F(pattern, full_and_done_differ)
{
	struct pm_scan_arg arg = query(self);

	self->pages[3] = DATA;
	self->pages[7] = DATA;
	realize(self);
	arg.vec_len = 2;
	one_call(_metadata, self, &arg);
	ASSERT_EQ(arg.end, arg.walk_end);

	self->pages[1000] = DATA;
	realize(self);
	one_call(_metadata, self, &arg);
	ASSERT_EQ(addr_of(&self->range, 1000), arg.walk_end);
}

TEST_F(pattern, max_pages_reached_and_done_differ)
{
	struct pm_scan_arg arg = query(self);

	memset(self->pages + 3, DATA, 5);
	realize(self);
	arg.max_pages = 5;
	one_call(_metadata, self, &arg);
	ASSERT_EQ(arg.end, arg.walk_end);

	memset(self->pages + 1300, DATA, 5);
	realize(self);
	one_call(_metadata, self, &arg);
	ASSERT_EQ(addr_of(&self->range, 1300), arg.walk_end);
}

TEST_F(pattern, max_pages_cuts_a_region)
{
	struct pm_scan_arg arg = query(self);

	memset(self->pages + 510, DATA, 20);
	realize(self);
	arg.max_pages = 7;
	one_call(_metadata, self, &arg);
	ASSERT_EQ(addr_of(&self->range, 517), arg.walk_end);
	if (self->tracked) {
		ASSERT_STREQ("517-529", pages_written(&self->range));
	}
}

TEST_F(pattern, largest_limits_are_no_limits)
{
	struct pm_scan_arg arg = query(self);

	memset(self->pages + 5, DATA, 900);
	realize(self);
	arg.max_pages = -1ULL;
	one_call(_metadata, self, &arg);
	ASSERT_EQ(1, self->seen.nr);
}

TEST_F(pattern, part_of_the_range_is_scanned_alone)
{
	struct pm_scan_arg arg = query(self);

	memset(self->pages, DATA, NR_PAGES);
	realize(self);
	arg.start = addr_of(&self->range, 300);
	arg.end = addr_of(&self->range, 700);
	one_call(_metadata, self, &arg);
	ASSERT_EQ(1, self->seen.nr);
	if (self->tracked) {
		ASSERT_STREQ("0-299,700-1535", pages_written(&self->range));
	}
}

TEST_F(pattern, every_small_limit_resumes_exactly)
{
	__u64 vec_len, max_pages;

	memset(self->pages + 2, DATA, 3);
	memset(self->pages + 7, ZERO, 3);
	memset(self->pages + 10, DATA, 2);
	memset(self->pages + 509, DATA, 6);
	memset(self->pages + 1534, DATA, 2);
	for (vec_len = 1; vec_len <= 6; vec_len++) {
		for (max_pages = 0; max_pages <= 18; max_pages++) {
			realize(self);
			all_calls(_metadata, self, vec_len, max_pages);
		}
	}
}

static void random_patterns(struct __test_metadata *_metadata,
			    FIXTURE_DATA(pattern) *self)
{
	const __u64 limits[] = { 1, 5, 64, MAX_REGIONS };
	const unsigned int longest[] = { 2, 5, 40, 700 };
	size_t i, j;

	self->seed = 1;
	for (i = 0; i < ARRAY_SIZE(longest); i++) {
		for (j = 0; j < ARRAY_SIZE(limits); j++) {
			random_pages(self, longest[i]);
			realize(self);
			all_calls(_metadata, self, limits[j], 0);
			realize(self);
			all_calls(_metadata, self, MAX_REGIONS, limits[j] * 3);
			realize(self);
			all_calls(_metadata, self, limits[j], limits[j] * 2);
		}
	}
}

TEST_F_TIMEOUT(pattern, random_patterns_match_the_model, 300)
{
	random_patterns(_metadata, self);
}

/* Neighbours that match, and are not the same: a region ends where one begins. */
TEST_F_TIMEOUT(pattern, all_sorts_that_match_are_told_apart, 300)
{
	self->both = true;
	random_patterns(_metadata, self);
}

/* What return_mask hides keeps no two pages apart. */
TEST_F(pattern, return_mask_decides_what_merges)
{
	const __u64 other = self->file ? PAGE_IS_FILE : PAGE_IS_PFNZERO;
	const size_t end = self->file ? NR_PAGES : 8;
	struct pm_scan_arg arg = SCAN_OF(&self->range,
		.vec = to_u64(self->seen.vec),
		.vec_len = MAX_REGIONS,
		.category_mask = PAGE_IS_PRESENT,
		.return_mask = PAGE_IS_PRESENT | other);

	memset(self->pages, DATA, 4);
	memset(self->pages + 4, ZERO, 4);
	realize(self);
	ASSERT_EQ(2, pagemap_scan(self->range.pagemap, &arg));
	ASSERT_EQ(PAGE_IS_PRESENT, self->seen.vec[0].categories);
	ASSERT_EQ(PAGE_IS_PRESENT | other, self->seen.vec[1].categories);

	arg.return_mask = PAGE_IS_PRESENT;
	ASSERT_EQ(1, pagemap_scan(self->range.pagemap, &arg));
	ASSERT_EQ(PAGE_IS_PRESENT, self->seen.vec[0].categories);

	arg.return_mask = 0;
	ASSERT_EQ(1, pagemap_scan(self->range.pagemap, &arg));
	ASSERT_EQ(0, self->seen.vec[0].categories);
	ASSERT_EQ(addr_of(&self->range, 0), self->seen.vec[0].start);
	ASSERT_EQ(addr_of(&self->range, end), self->seen.vec[0].end);
}

TEST_F(pattern, no_masks_match_every_page)
{
	struct pm_scan_arg arg = SCAN_OF(&self->range,
		.vec = to_u64(self->seen.vec),
		.vec_len = MAX_REGIONS);

	memset(self->pages + 4, DATA, 4);
	realize(self);
	ASSERT_EQ(1, pagemap_scan(self->range.pagemap, &arg));
	ASSERT_EQ(arg.start, self->seen.vec[0].start);
	ASSERT_EQ(arg.end, self->seen.vec[0].end);
	ASSERT_EQ(0, self->seen.vec[0].categories);
}

TEST_HARNESS_MAIN
