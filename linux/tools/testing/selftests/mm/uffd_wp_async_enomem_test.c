// SPDX-License-Identifier: GPL-2.0
/*
 * Arming when there is no memory to do it with: every allocation of a call is
 * made to fail, one after the other, and whatever the call then says is true.
 * Where the kernel can also make copies from and to the caller fail, these are
 * counted among the allocations, and the same holds for them.
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include "tracked.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define FAIL_PAGE	"/sys/kernel/debug/fail_page_alloc/"
#define FAIL_SLAB	"/sys/kernel/debug/failslab/"
#define MOST		200	/* allocations in one call: a bound, not a guess */

FIXTURE(enomem)
{
	struct memory settings;	/* the machine's, for as long as the test runs */
	struct memory mem;
	struct range *range;
	int uffd;
	int fail_nth;
};

FIXTURE_VARIANT(enomem)
{
	const struct memory_kind *kind;
	enum memory_state state;
};

/* Two page tables that are not there yet, or there but for their entries. */
static const struct memory_kind many_anon = {
	.map_flags = MAP_PRIVATE | MAP_ANONYMOUS,
	.nr = 1024,
};

static const struct memory_kind many_shared = {
	.map_flags = MAP_SHARED | MAP_ANONYMOUS,
	.nr = 1024,
};

FIXTURE_VARIANT_ADD(enomem, anon_hole)
{
	.kind = &many_anon,
	.state = MEMORY_HOLE,
};

FIXTURE_VARIANT_ADD(enomem, anon)
{
	.kind = &many_anon,
	.state = MEMORY_WRITTEN,
};

FIXTURE_VARIANT_ADD(enomem, thp_hole) { KIND(anon_thp, HOLE) };
FIXTURE_VARIANT_ADD(enomem, thp) { KIND(anon_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(enomem, shared_hole)
{
	.kind = &many_shared,
	.state = MEMORY_HOLE,
};

FIXTURE_VARIANT_ADD(enomem, memfd_shared_thp) { KIND(memfd_shared_thp, WRITTEN) };
FIXTURE_VARIANT_ADD(enomem, hugetlb_hole) { KIND(hugetlb_private, HOLE) };

FIXTURE_SETUP(enomem)
{
	SKIP_SETUP_IF(missing_wp_async());
	self->fail_nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	SKIP_SETUP_IF(self->fail_nth < 0 || access(FAIL_PAGE, F_OK) ||
		      access(FAIL_SLAB, F_OK) ?
		      "no fault injection in this kernel" : NULL);
	self->range = &self->mem.range;
	self->uffd = -1;
	ASSERT_EQ(0, memory_set(&self->settings, FAIL_PAGE "ignore-gfp-wait",
				"N"));
	ASSERT_EQ(0, memory_set(&self->settings, FAIL_PAGE "min-order", "0"));
	ASSERT_EQ(0, memory_set(&self->settings, FAIL_PAGE "verbose", "0"));
	ASSERT_EQ(0, memory_set(&self->settings, FAIL_SLAB "ignore-gfp-wait",
				"N"));
	ASSERT_EQ(0, memory_set(&self->settings, FAIL_SLAB "verbose", "0"));
	self->settings.fd = -1;
	self->settings.range.pagemap = -1;
}

static int arm_failure(FIXTURE_DATA(enomem) *self, int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	return pwrite(self->fail_nth, text, strlen(text), 0) < 0 ? -errno : 0;
}

FIXTURE_TEARDOWN(enomem)
{
	arm_failure(self, 0);
	close(self->fail_nth);
	memory_free(&self->settings);
}

/* True when the failure has happened; either way, there will be none now. */
static bool failure_happened(FIXTURE_DATA(enomem) *self)
{
	char text[16] = "";

	if (pread(self->fail_nth, text, sizeof(text) - 1, 0) < 0)
		return false;
	arm_failure(self, 0);
	return !strtol(text, NULL, 10);
}

static const char *make_tracked(FIXTURE_DATA(enomem) *self,
				const FIXTURE_VARIANT(enomem) *variant)
{
	const char *reason;

	reason = memory_make(&self->mem, variant->kind, variant->state);
	if (reason)
		return reason;
	self->uffd = uffd_track(self->range, 0, 0);
	return self->uffd < 0 ? "cannot be tracked" : NULL;
}

static void unmake(FIXTURE_DATA(enomem) *self)
{
	close(self->uffd);
	memory_free(&self->mem);
}

TEST_F_TIMEOUT(enomem, scan_claims_what_it_did, 300)
{
	struct page_region vec[4];
	struct pm_scan_arg arg;
	struct range done;
	int nth, ret, failures = 0;

	for (nth = 1; nth < MOST; nth++) {
		SKIP_IF(make_tracked(self, variant));
		arg = SCAN_OF(self->range,
			      .flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
			      .vec = to_u64(vec),
			      .vec_len = ARRAY_SIZE(vec),
			      .category_mask = PAGE_IS_WRITTEN,
			      .return_mask = PAGE_IS_WRITTEN);
		ASSERT_EQ(0, arm_failure(self, nth));
		ret = pagemap_scan(self->range->pagemap, &arg);
		if (!failure_happened(self)) {
			ASSERT_EQ(1, ret);
			ASSERT_WRITTEN("", self->range);
			unmake(self);
			break;
		}
		failures++;
		if (ret < 0) {
			ASSERT_TRUE(ret == -ENOMEM || ret == -EFAULT);
			ASSERT_WRITTEN(pages_all(self->range), self->range);
		} else {
			/* As far as it got, or over a failure that it survived. */
			ASSERT_EQ(1, ret);
			ASSERT_EQ(addr_of(self->range, 0), vec[0].start);
			ASSERT_EQ(arg.walk_end, vec[0].end);
			done = *self->range;
			done.nr = (vec[0].end - vec[0].start) / done.unit;
			ASSERT_WRITTEN(pages_not(self->range,
						 pages_all(&done)),
				       self->range);
		}
		unmake(self);
	}
	ASSERT_GT(MOST, nth);
	/* It can only have failed where it allocates. */
	if (variant->state == MEMORY_HOLE && !variant->kind->hugetlb) {
		ASSERT_LT(0, failures);
	}
}

TEST_F_TIMEOUT(enomem, writeprotect_claims_what_it_did, 300)
{
	int nth, ret;

	for (nth = 1; nth < MOST; nth++) {
		SKIP_IF(make_tracked(self, variant));
		ASSERT_EQ(0, arm_failure(self, nth));
		ret = uffd_writeprotect(self->uffd, self->range, true);
		if (!failure_happened(self)) {
			ASSERT_EQ(0, ret);
			ASSERT_WRITTEN("", self->range);
			unmake(self);
			break;
		}
		if (ret) {
			ASSERT_TRUE(ret == -ENOMEM || ret == -EFAULT);
		} else {
			ASSERT_WRITTEN("", self->range);
		}
		/* With memory it works, whatever it left undone. */
		ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, true));
		ASSERT_WRITTEN("", self->range);
		unmake(self);
	}
	ASSERT_GT(MOST, nth);
}

TEST_HARNESS_MAIN
