// SPDX-License-Identifier: GPL-2.0
/*
 * heap: memory of all sorts to checkpoint, by a process that knows what has to
 * be in each page of it.
 *
 *	heap MIB		a sparse mapping of MIB, and smaller ones of other sorts
 *	heap -s MIB		the sparse mapping alone
 *	heap -z MIB		the sparse mapping, and one with huge zero pages
 *	heap -t MIB		the sparse mapping, its writes tracked, too, by another
 *				process's userfaultfd
 *
 * SIGUSR1 asks for another round of writes, SIGUSR2 to verify every page. What
 * came of it is in the file "status", which is replaced when it is done. Which
 * pages a round writes, and what, comes out of its number alone; so nothing is
 * left in memory that could be lost together with what it stands for, but the
 * number itself, which is said.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <tools/pagemap_scan.h>
#include <unistd.h>

#define PAGE		4096UL
#define WORDS		(PAGE / sizeof(unsigned long))
#define MIB_PAGES	256UL
#define SCATTERED	4096UL
#define HUGE		(2UL << 20)
#define ODD		0x9e3779b97f4a7c15

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Base is what the first round writes: so many pages, each STEP-th or anywhere. */
struct area {
	const char *name;
	unsigned long pages;
	unsigned long base;
	unsigned long step;
	int flags;
	int prot;
	int advice;
	bool file;
	unsigned long *mem;
};

static struct area areas[] = {
	{ "sparse", 0, SCATTERED, 0, MAP_PRIVATE | MAP_NORESERVE,
	  PROT_READ | PROT_WRITE },
	{ "huge zero", 0, 16, 0, MAP_PRIVATE, PROT_READ | PROT_WRITE,
	  MADV_HUGEPAGE },
	/* More regions than CRIU has room for in one scan: 32768. */
	{ "comb", 300 * MIB_PAGES, 150 * MIB_PAGES, 2, MAP_PRIVATE,
	  PROT_READ | PROT_WRITE },
	{ "dense", 16 * MIB_PAGES, 16 * MIB_PAGES, 1, MAP_PRIVATE,
	  PROT_READ | PROT_WRITE },
	{ "huge", 16 * MIB_PAGES, 12 * MIB_PAGES, 1, MAP_PRIVATE,
	  PROT_READ | PROT_WRITE, MADV_HUGEPAGE },
	/* The first half is paged out after each round. */
	{ "paged out", 8 * MIB_PAGES, 6 * MIB_PAGES, 1, MAP_PRIVATE,
	  PROT_READ | PROT_WRITE, MADV_PAGEOUT },
	{ "zero", 8 * MIB_PAGES, 256, 0, MAP_PRIVATE, PROT_READ | PROT_WRITE },
	{ "read-only", 4 * MIB_PAGES, 512, 0, MAP_PRIVATE, PROT_READ },
	{ "no access", 4 * MIB_PAGES, 512, 0, MAP_PRIVATE, PROT_NONE },
	{ "file", 4 * MIB_PAGES, 256, 0, MAP_PRIVATE, PROT_READ | PROT_WRITE,
	  .file = true },
	{ "shared", 4 * MIB_PAGES, 256, 0, MAP_SHARED, PROT_READ | PROT_WRITE },
};

static unsigned int rounds;

static unsigned long mix(unsigned long x)
{
	x += ODD;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static unsigned long id(const struct area *a)
{
	return a - areas;
}

/* How many pages ROUND writes, and which is the nth. */
static unsigned long writes(const struct area *a, unsigned int round)
{
	unsigned long later = a->pages / 16 < SCATTERED ? a->pages / 16 : SCATTERED;

	return round ? later : a->base;
}

static unsigned long place(const struct area *a, unsigned int round, unsigned long nth)
{
	if (!round && a->step)
		return nth * a->step;
	return mix(mix(id(a) << 32 | round) + nth) % a->pages;
}

/* The first word of a page that was written last in VERSION - 1. */
static unsigned long first_word(const struct area *a, unsigned long page,
				unsigned int version)
{
	return mix(id(a) << 56 ^ (unsigned long)version << 48 ^ page);
}

static void fill(unsigned long *mem, const struct area *a, unsigned long page,
		 unsigned int version)
{
	unsigned long first = first_word(a, page, version);

	for (unsigned int i = 0; i < WORDS; i++)
		mem[i] = first + i * ODD;
}

/* Version 0 is never. */
static bool is_filled(const unsigned long *mem, const struct area *a,
		      unsigned long page, unsigned int version)
{
	unsigned long first = version ? first_word(a, page, version) : 0;
	unsigned long step = version ? ODD : 0;

	for (unsigned int i = 0; i < WORDS; i++)
		if (mem[i] != first + i * step)
			return false;
	return true;
}

static void answer(const char *what, unsigned long n)
{
	FILE *f = fopen("status.new", "w");

	if (!f || fprintf(f, "%u rounds: %s %lu\n", rounds, what, n) < 0 ||
	    fclose(f) || rename("status.new", "status"))
		err(1, "status");
}

static void protect(struct area *a, int prot)
{
	if (a->prot != (PROT_READ | PROT_WRITE) &&
	    mprotect(a->mem, a->pages * PAGE, prot))
		err(1, "mprotect");
}

static void write_round(struct area *a)
{
	unsigned long n = writes(a, rounds);

	protect(a, PROT_READ | PROT_WRITE);
	for (unsigned long i = 0; i < n; i++) {
		unsigned long page = place(a, rounds, i);

		fill(a->mem + page * WORDS, a, page, rounds + 1);
	}
	if (a->advice == MADV_PAGEOUT)
		madvise(a->mem, a->pages * PAGE / 2, MADV_PAGEOUT);
	protect(a, a->prot);
}

/* What is not there is zero. */
static void read_all(const struct area *a)
{
	unsigned long sum = 0;

	for (unsigned long page = 0; page < a->pages; page++)
		sum |= a->mem[page * WORDS];
	if (sum && !a->file)
		errx(1, "%s is not empty", a->name);
}

/* A file whose pages are as if written before the first round. */
static int make_file(const struct area *a)
{
	unsigned long page[WORDS];
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (unsigned long i = 0; i < a->pages; i++) {
		fill(page, a, i, 255);
		if (write(fd, page, PAGE) != PAGE)
			err(1, "file");
	}
	return fd;
}

static void map(struct area *a)
{
	size_t len = a->pages * PAGE;
	int fd = a->file ? make_file(a) : -1;
	char *mem = mmap(NULL, len + HUGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	/* A page with nothing before it, so that mappings do not merge. */
	if (mem == MAP_FAILED)
		err(1, "mmap of %s", a->name);
	mem = (char *)(((uintptr_t)mem + HUGE - 1) & -HUGE);
	a->mem = mmap(mem, len, PROT_READ | PROT_WRITE, a->flags | MAP_FIXED |
		      (a->file ? 0 : MAP_ANONYMOUS), fd, 0);
	if (a->mem == MAP_FAILED)
		err(1, "mmap of %s", a->name);
	if (a->file)
		close(fd);
	if (a->advice == MADV_HUGEPAGE && madvise(a->mem, len, MADV_HUGEPAGE))
		err(1, "madvise");
	if (a->file || !strcmp(a->name, "zero") || !strcmp(a->name, "huge zero"))
		read_all(a);
}

/*
 * Note all pages as not written: those that are not there carry a marker then.
 * After a restore nobody tracks them, and nothing is done.
 */
static void arm(const struct area *a)
{
	unsigned long start = (uintptr_t)a->mem;
	struct page_region vec[64], region;
	int pagemap = pms_open(0), ret;
	struct pms_scan scan;

	if (pagemap < 0)
		errx(1, "pagemap: %s", strerror(-pagemap));
	pms_begin(&scan, pagemap, start, start + a->pages * PAGE, vec, 64);
	pms_written(&scan, false);
	scan.arg.flags = PM_SCAN_WP_MATCHING;
	while ((ret = pms_next(&scan, &region)) > 0)
		;
	if (ret < 0)
		errx(1, "PAGEMAP_SCAN: %s", strerror(-ret));
	close(pagemap);
}

/* The userfaultfd is left to a process of its own: CRIU cannot dump one. */
static void track(const struct area *a)
{
	unsigned long start = (uintptr_t)a->mem;
	int uffd = pms_uffd();

	if (uffd < 0 || pms_track(uffd, start, start + a->pages * PAGE))
		errx(1, "no write tracking");
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		setsid();
		if (fork())
			_exit(0);
		for (;;)
			pause();
	}
	close(uffd);
	wait(NULL);
}

/* The last round, plus one, that wrote each page. */
static unsigned char *model(const struct area *a)
{
	unsigned char *v = mmap(NULL, a->pages, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (v == MAP_FAILED)
		err(1, "mmap of bytes");
	if (a->file)
		memset(v, 255, a->pages);
	for (unsigned int round = 0; round <= rounds; round++)
		for (unsigned long i = 0; i < writes(a, round); i++)
			v[place(a, round, i)] = round + 1;
	return v;
}

/*
 * How many pages are wrong. One that pagemap says is not there, in private
 * memory, is empty, and is not looked at: there are too many of them.
 */
static unsigned long verify(struct area *a, int pagemap)
{
	static unsigned long entries[4096];
	unsigned char *v = model(a);
	unsigned long wrong = 0;

	protect(a, PROT_READ);
	for (unsigned long page = 0; page < a->pages; page++) {
		if (!(page % 4096) &&
		    pread(pagemap, entries, sizeof(entries),
			  ((uintptr_t)a->mem / PAGE + page) * 8) < 8)
			err(1, "pagemap");
		/* Present, or in swap */
		if (!v[page] && !(a->flags & MAP_SHARED) && !(entries[page % 4096] >> 62))
			continue;
		if (!is_filled(a->mem + page * WORDS, a, page, v[page])) {
			wrong++;
			fprintf(stderr, "%s: page %lu is not of version %u\n",
				a->name, page, v[page]);
		}
	}
	munmap(v, a->pages);
	protect(a, a->prot);
	return wrong;
}

/* Whether it is armed before or after must not hide a write from soft-dirty. */
static void write_all(unsigned int n, bool tracked)
{
	if (tracked)
		arm(&areas[0]);
	for (unsigned int i = 0; i < n; i++)
		if (areas[i].pages)
			write_round(&areas[i]);
	if (tracked)
		arm(&areas[0]);
	answer("wrote", rounds);
}

static void verify_all(unsigned int n)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY);
	unsigned long wrong = 0;

	if (pagemap < 0)
		err(1, "pagemap");
	for (unsigned int i = 0; i < n; i++)
		if (areas[i].pages)
			wrong += verify(&areas[i], pagemap);
	close(pagemap);
	answer("wrong pages", wrong);
}

int main(int argc, char **argv)
{
	unsigned int n = ARRAY_SIZE(areas);
	bool tracked = false;
	sigset_t set;
	int opt, sig;

	while ((opt = getopt(argc, argv, "szt")) != -1) {
		if (opt == '?')
			return 2;
		tracked = opt == 't';
		n = opt == 'z' ? 2 : 1;
	}
	if (optind + 1 != argc)
		errx(2, "usage: %s [-s | -z | -t] MIB", argv[0]);
	areas[0].pages = strtoull(argv[optind], NULL, 0) * MIB_PAGES;
	if (n == 2)
		areas[1].pages = 64 * MIB_PAGES;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (unsigned int i = 0; i < n; i++)
		if (areas[i].pages)
			map(&areas[i]);
	if (tracked)
		track(&areas[0]);
	write_all(n, tracked);
	for (;;) {
		if (sigwait(&set, &sig))
			err(1, "sigwait");
		if (sig == SIGUSR2) {
			verify_all(n);
			continue;
		}
		rounds++;
		write_all(n, tracked);
	}
}
