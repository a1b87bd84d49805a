// SPDX-License-Identifier: GPL-2.0
/*
 * Write tracking where the hardware has lost a page.
 *
 * Nothing brings such a page back before the next boot, so this runs only where
 * TEST_POISON says that it may: in a guest.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tracked.h"

#define LOST	1

FIXTURE(poison)
{
	struct memory mem;
	struct range *range;
	const char *others;
	int uffd;
};

FIXTURE_VARIANT(poison)
{
	const struct memory_kind *kind;
	enum memory_state state;
	bool armed_too;		/* its entry takes the bit, though it has no use */
};

FIXTURE_VARIANT_ADD(poison, anon) { KIND(anon, WRITTEN), .armed_too = true };
FIXTURE_VARIANT_ADD(poison, hugetlb_private) { KIND(hugetlb_private, WRITTEN) };
FIXTURE_VARIANT_ADD(poison, hugetlb_shared) { KIND(hugetlb_shared, WRITTEN) };

FIXTURE_SETUP(poison)
{
	SKIP_SETUP_IF(getenv("TEST_POISON") ? NULL :
		      "TEST_POISON does not say that memory may be lost");
	self->range = &self->mem.range;
	self->uffd = track(_metadata, &self->mem, variant->kind,
			   variant->state, 0, 0);
	self->others = strdup(pages_not(self->range, pages_one(LOST)));
}

FIXTURE_TEARDOWN(poison)
{
	close(self->uffd);
	memory_free(&self->mem);
}

static int lose(const struct range *range)
{
	return madvise(range->addr + LOST * range->unit, range->unit,
		       MADV_HWPOISON) ? -errno : 0;
}

/* The signal that ends who reads the page. */
static int signal_of_load(const struct range *range)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		load(range, LOST);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST_F(poison, is_passed_over)
{
	const char *lost = variant->armed_too ? "" : "1";
	const char *armed = variant->armed_too ?
		strdup(pages_all(self->range)) : self->others;

	SKIP_IF(lose(self->range) == -EINVAL ?
		"no CONFIG_MEMORY_FAILURE" : NULL);
	ASSERT_EQ(SIGBUS, signal_of_load(self->range));

	/* It has another entry than the one that was armed */
	ASSERT_STREQ("1", pages_take(self->range));
	ASSERT_STREQ(armed, pages_armed(self->range));
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, false));
	ASSERT_STREQ(pages_all(self->range), pages_written(self->range));
	ASSERT_EQ(0, uffd_writeprotect(self->uffd, self->range, true));
	ASSERT_STREQ(armed, pages_armed(self->range));
	ASSERT_STREQ(lost, pages_take(self->range));

	/* The others are tracked as ever */
	store(self->range, LOST + 1);
	ASSERT_TRUE(pages_have(pages_written(self->range), LOST + 1));
	ASSERT_TRUE(!pages_have(pages_written(self->range), 0));
	ASSERT_EQ(SIGBUS, signal_of_load(self->range));
	ASSERT_EQ(0, uffd_unregister(self->uffd, self->range));
	ASSERT_STREQ("", pages_armed(self->range));
	ASSERT_EQ(SIGBUS, signal_of_load(self->range));
}

TEST_HARNESS_MAIN
