// SPDX-License-Identifier: GPL-2.0
/*
 * The hunt for what the other tests do not think of: random operations, and a
 * model that knows what scans must say of them.
 *
 *	HUNT_SEED=n	(or -s n) start with the scripts of this seed, else of 1
 *	HUNT_SECONDS=n	how long each part goes on; when that is over, no more is
 *			started; each seed is said before it is used.  Without,
 *			it is the same few scripts and races each time.
 *	HUNT_SCRIPT=f	run the script that a failure has printed, and no other
 *	HUNT_WITHOUT=w	without kinds of memory that have the word in their name
 *	HUNT_EXACT=0	compare only the content with what was reported, as is
 *			done on a kernel with mainline's implementation
 *	HUNT_VERBOSE=1	say what is done before it is: for a kernel that dies
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>

#include "hunt.h"
#include "tracked.h"

#define SECONDS		10	/* of each part, and no more than so many: */
#define MAX_SCRIPTS	300
#define MAX_RACES	20
#define TIMEOUT		100000	/* seconds, for a part that is told to go on */

/* A seed on the command line is as good as one in the environment. */
__attribute__((constructor)) static void read_arguments(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "-s"))
		setenv("HUNT_SEED", argv[2], 1);
}

static __u64 first_seed(void)
{
	const char *seed = getenv("HUNT_SEED");

	return seed ? strtoull(seed, NULL, 0) : 1;
}

static time_t deadline(void)
{
	const char *seconds = getenv("HUNT_SECONDS");

	return time(NULL) + (seconds ? atoi(seconds) : SECONDS);
}

/* Who says how long it shall go on wants as many as there can be. */
static bool enough(unsigned int nr, unsigned int max, time_t end)
{
	return time(NULL) >= end || (!getenv("HUNT_SECONDS") && nr >= max);
}

/* For a kernel that dies, and for whoever waits. */
static void say_seed(__u64 seed)
{
	if (getenv("HUNT_SECONDS"))
		printf("# hunt: seed %llu\n", (unsigned long long)seed);
}

static bool exact(void)
{
	const char *exact = getenv("HUNT_EXACT");

	return exact ? atoi(exact) : !mainline_kernel();
}

FIXTURE(hunt)
{
	struct hunt_machine machine;
	struct hunt_script script;
	char why[HUNT_WHY];
};

FIXTURE_SETUP(hunt)
{
	SKIP_SETUP_IF(missing_wp_async());
	hunt_machine_prepare(&self->machine);
}

FIXTURE_TEARDOWN(hunt)
{
	hunt_machine_restore(&self->machine);
}

static void show(FIXTURE_DATA(hunt) *self)
{
	hunt_shrink(&self->script, &self->machine, exact(), self->why);
	printf("# hunt: %s\n", self->why);
	printf("# hunt: HUNT_SCRIPT=FILE runs what is in FILE again, here:\n");
	hunt_script_print(&self->script, stdout);
}

TEST_F_TIMEOUT(hunt, one_after_the_other, TIMEOUT)
{
	const time_t end = deadline();
	__u64 seed = first_seed();
	enum hunt_result result;
	unsigned int nr = 0;

	SKIP_IF(getenv("HUNT_SCRIPT") ? "there is a script to run" : NULL);
	TH_LOG("from HUNT_SEED=%llu on", (unsigned long long)seed);
	do {
		say_seed(seed);
		hunt_script_make(&self->script, seed, self->machine.kinds);
		result = hunt_run(&self->script, &self->machine, exact(),
				  self->why);
		if (result == HUNT_CANNOT)
			TH_LOG("seed %llu cannot be run: %s",
			       (unsigned long long)seed, self->why);
		nr++;
		seed++;
	} while (result != HUNT_FOUND && !enough(nr, MAX_SCRIPTS, end));
	TH_LOG("%u scripts", nr);
	if (result == HUNT_FOUND) {
		TH_LOG("HUNT_SEED=%llu: %s", (unsigned long long)(seed - 1),
		       self->why);
		show(self);
	}
	/* It is known to lose writes: if none is found, the hunt is no good. */
	MAINLINE_DIFFERS("loses writes", HUNT_FOUND, result);
	ASSERT_NE(HUNT_FOUND, result);
	ASSERT_EQ(HUNT_FINE, result);
}

/* All of the memory of a script, tracked. */
static void make_arena(struct hunt_script *script, __u64 seed, unsigned int kinds)
{
	struct hunt_random random = { .state = seed };
	unsigned int i;

	memset(script, 0, sizeof(*script));
	script->events = hunt_below(&random, 2);
	hunt_areas_make(script, &random, kinds);
	for (i = 0; i < script->nr_areas; i++)
		script->areas[i].tracked = true;
}

static void race(struct __test_metadata *_metadata, FIXTURE_DATA(hunt) *self,
		 enum hunt_scanners scanners)
{
	const time_t end = deadline();
	__u64 seed = first_seed();
	enum hunt_result result;
	unsigned int nr = 0;

	SKIP_IF(getenv("HUNT_SCRIPT") ? "there is a script to run" : NULL);
	TH_LOG("from HUNT_SEED=%llu on", (unsigned long long)seed);
	do {
		say_seed(seed);
		make_arena(&self->script, seed, self->machine.kinds);
		result = hunt_run_race(&self->script, &self->machine, exact(),
				       seed, scanners, self->why);
		if (result != HUNT_FINE)
			TH_LOG("HUNT_SEED=%llu: %s", (unsigned long long)seed,
			       self->why);
		nr++;
		seed++;
	} while (result != HUNT_FOUND && !enough(nr, MAX_RACES, end));
	TH_LOG("%u races", nr);
	if (result == HUNT_FOUND) {
		hunt_script_print(&self->script, stdout);
		SKIP_IF(mainline_kernel() ? "mainline: loses writes" : NULL);
	}
	ASSERT_EQ(HUNT_FINE, result);
}

TEST_F_TIMEOUT(hunt, all_at_once, TIMEOUT)
{
	race(_metadata, self, HUNT_ONE_SCANNER);
}

TEST_F_TIMEOUT(hunt, all_at_once_and_many_scanners, TIMEOUT)
{
	race(_metadata, self, HUNT_MANY_SCANNERS);
}

TEST_F_TIMEOUT(hunt, script, TIMEOUT)
{
	const char *path = getenv("HUNT_SCRIPT");

	SKIP_IF(path ? NULL : "no HUNT_SCRIPT");
	ASSERT_STREQ("", hunt_script_read(&self->script, path) ?: "");
	ASSERT_EQ(HUNT_FINE, hunt_run(&self->script, &self->machine, exact(),
				      self->why))
		TH_LOG("%s", self->why);
}

TEST_HARNESS_MAIN
