// SPDX-License-Identifier: GPL-2.0
/*
 * Runs scripts of the hunt, each in a fresh process, and makes those that find
 * something as short as they can be.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hunt.h"

#define SWAP_SIZE	(32UL << 20)
#define HUGETLB_PAGES	"24"
#define MAX_TRIES	400

#define MM_DIR		"/sys/kernel/mm/"

/* What cannot be changed is as it is. */
void hunt_machine_prepare(struct hunt_machine *machine)
{
	struct memory *settings = &machine->settings;
	const char *reason;

	memset(machine, 0, sizeof(*machine));
	settings->fd = -1;
	settings->range.pagemap = -1;
	memory_set(settings, MM_DIR "hugepages/hugepages-2048kB/nr_hugepages",
		   HUGETLB_PAGES);
	memory_set(settings, MM_DIR "transparent_hugepage/enabled", "madvise");
	memory_set(settings, MM_DIR "transparent_hugepage/shmem_enabled", "advise");
	/* What collapses pages is the script alone. */
	memory_set(settings, MM_DIR "transparent_hugepage/khugepaged/scan_sleep_millisecs",
		   "100000000");
	memory_set(settings, MM_DIR "ksm/run", "0");
	memory_set(settings, MM_DIR "ksm/sleep_millisecs", "1");
	memory_set(settings, MM_DIR "ksm/pages_to_scan", "10000");
	reason = swap_area_on(&machine->swap, SWAP_SIZE);
	if (reason)
		printf("# hunt: without swap: %s\n", reason);
	machine->kinds = hunt_kinds();
}

void hunt_machine_restore(struct hunt_machine *machine)
{
	swap_area_off(&machine->swap);
	memory_free(&machine->settings);
}

static const char *run_ops(struct hunt_world *world,
			   const struct hunt_script *script, unsigned int *at)
{
	bool verbose = getenv("HUNT_VERBOSE");
	const char *wrong = hunt_check(world);
	unsigned int i;

	for (*at = 0; *at < script->nr_ops && !wrong; ++*at) {
		if (verbose) {
			printf("# hunt: operation %u\n", *at);
			fflush(stdout);
		}
		hunt_goes_on();
		wrong = hunt_do(world, &script->ops[*at]);
		wrong = wrong ?: hunt_check(world);
	}
	if (wrong) {
		--*at;
		return wrong;
	}
	/* In the end, all that can be read is looked at. */
	for (i = 0; i < world->nr_areas && !wrong; i++)
		if (world->areas[i].mapped)
			wrong = hunt_verify(world, &world->areas[i], 0,
					    world->areas[i].nr);
	return wrong ?: hunt_check(world);
}

/* What a process of its own is to do. */
struct job {
	const struct hunt_script *script;
	const struct hunt_machine *machine;
	bool exact;
	bool race;		/* if so: */
	__u64 seed;
	enum hunt_scanners scanners;
};

static void child_main(const struct job *job, char *why)
{
	static struct hunt_world world;
	char text[HUNT_WHY], where[32] = "";
	const char *wrong;
	unsigned int at;

	/* The harness has plans for the alarm of the test, not for this one's. */
	signal(SIGALRM, SIG_DFL);
	hunt_goes_on();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	world.exact = job->exact;
	world.why = why;
	wrong = hunt_world_make(&world, job->script,
				job->machine->swap.path[0] ?
				&job->machine->swap : NULL);
	if (wrong) {
		snprintf(why, HUNT_WHY, "%s", wrong);
		_exit(HUNT_CANNOT);
	}
	if (job->race) {
		wrong = hunt_race(&world, job->seed, job->scanners);
	} else {
		wrong = run_ops(&world, job->script, &at);
		snprintf(where, sizeof(where), "operation %d: ", (int)at);
	}
	if (!wrong)
		_exit(HUNT_FINE);
	snprintf(text, sizeof(text), "%s", wrong);
	snprintf(why, HUNT_WHY, "%s%.900s", where, text);
	_exit(HUNT_FOUND);
}

static enum hunt_result run_job(const struct job *job, char *why)
{
	enum hunt_result result = HUNT_FOUND;
	char *shared;
	int status;
	pid_t pid;

	shared = mmap(NULL, HUNT_WHY, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return HUNT_CANNOT;
	/* If the kernel dies, this is what it dies of. */
	if (getenv("HUNT_VERBOSE"))
		hunt_script_print(job->script, stdout);
	fflush(stdout);
	pid = fork();
	if (!pid)
		child_main(job, shared);
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		munmap(shared, HUNT_WHY);
		return HUNT_CANNOT;
	}
	if (WIFEXITED(status)) {
		result = WEXITSTATUS(status);
		snprintf(why, HUNT_WHY, "%s", shared);
	} else if (WTERMSIG(status) == SIGALRM) {
		snprintf(why, HUNT_WHY, "it does not end");
	} else {
		snprintf(why, HUNT_WHY, "killed by signal %d", WTERMSIG(status));
	}
	munmap(shared, HUNT_WHY);
	return result;
}

enum hunt_result hunt_run(const struct hunt_script *script,
			  const struct hunt_machine *machine, bool exact, char *why)
{
	const struct job job = {
		.script = script,
		.machine = machine,
		.exact = exact,
	};

	return run_job(&job, why);
}

enum hunt_result hunt_run_race(const struct hunt_script *script,
			       const struct hunt_machine *machine, bool exact,
			       __u64 seed, enum hunt_scanners scanners, char *why)
{
	const struct job job = {
		.script = script,
		.machine = machine,
		.exact = exact,
		.race = true,
		.seed = seed,
		.scanners = scanners,
	};

	return run_job(&job, why);
}

struct shrinker {
	struct hunt_script *best;
	const struct hunt_machine *machine;
	bool exact;
	char *why;
	unsigned int tries;
};

/* Keeps the candidate if it finds something, too. */
static bool try_script(struct shrinker *shrinker, const struct hunt_script *candidate)
{
	char why[HUNT_WHY];

	if (shrinker->tries++ >= MAX_TRIES ||
	    hunt_run(candidate, shrinker->machine, shrinker->exact, why) !=
	    HUNT_FOUND)
		return false;
	*shrinker->best = *candidate;
	memcpy(shrinker->why, why, HUNT_WHY);
	return true;
}

/* Leaves out as many operations in a row as it can, then fewer. */
static bool drop_ops(struct shrinker *shrinker)
{
	struct hunt_script *best = shrinker->best, candidate;
	unsigned int len, at;
	bool dropped = false;

	for (len = best->nr_ops; len; len /= 2) {
		for (at = 0; at + len <= best->nr_ops;) {
			candidate = *best;
			candidate.nr_ops -= len;
			memmove(candidate.ops + at, candidate.ops + at + len,
				(candidate.nr_ops - at) * sizeof(*candidate.ops));
			if (try_script(shrinker, &candidate))
				dropped = true;
			else
				at += len;
		}
	}
	return dropped;
}

static bool drop_areas(struct shrinker *shrinker)
{
	struct hunt_script *best = shrinker->best, candidate;
	bool dropped = false;
	unsigned int i;

	for (i = 0; i < best->nr_areas; i++) {
		if (!best->areas[i].kind)
			continue;
		candidate = *best;
		candidate.areas[i].kind = NULL;
		dropped |= try_script(shrinker, &candidate);
	}
	candidate = *best;
	candidate.events = false;
	if (best->events)
		dropped |= try_script(shrinker, &candidate);
	return dropped;
}

/* The plainest of each kind of operation that still does it. */
static void simplify_ops(struct shrinker *shrinker)
{
	struct hunt_script *best = shrinker->best, candidate;
	unsigned int i;

	for (i = 0; i < best->nr_ops; i++) {
		struct hunt_op *op = &candidate.ops[i];

		candidate = *best;
		if (op->type == HUNT_SCAN) {
			op->args[0] = HUNT_SCAN_FLAGS(op) | 1 << 4;
			op->args[1] = 64;
			op->args[2] = 0;
			op->args[3] = PAGE_IS_WRITTEN << 8 | PAGE_IS_WRITTEN << 24;
		} else if (op->nr > 1) {
			op->nr = 1;
		} else {
			continue;
		}
		if (memcmp(&candidate, best, sizeof(candidate)))
			try_script(shrinker, &candidate);
	}
}

void hunt_shrink(struct hunt_script *script, const struct hunt_machine *machine,
		 bool exact, char *why)
{
	struct shrinker shrinker = {
		.best = script,
		.machine = machine,
		.exact = exact,
		.why = why,
	};

	drop_areas(&shrinker);
	while (drop_ops(&shrinker) && shrinker.tries < MAX_TRIES)
		;
	drop_areas(&shrinker);
	simplify_ops(&shrinker);
	drop_ops(&shrinker);
}
