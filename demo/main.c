// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <sys/stat.h>

#include "checkpoint.h"
#include "demo.h"

#define VEC_LEN_DEFAULT	32
#define VEC_LEN_MAX	1048576UL
#define MIB_DEFAULT	24
#define MIB_MAX		1024UL

static const char usage[] =
	"usage: checkpoint-demo [OPTION]... [SCRIPT.sql]\n"
	"       checkpoint-demo --restore DIR\n"
	"\n"
	"Run SQL in an SQLite whose memory is one arena, take an incremental checkpoint\n"
	"of it with PAGEMAP_SCAN after each transaction, restore them, and compare.\n"
	"\n"
	"  --arena MIB        size of the arena (24), a multiple of 2\n"
	"  --memory KIND      anon, thp or shmem (anon)\n"
	"  --vec N            regions that one scan can report (32)\n"
	"  --dir DIR          keep the checkpoint files there (else they are removed)\n"
	"  --utf8, --ascii    draw the picture with these characters\n"
	"  --sabotage save:N  leave written pages out of the file of checkpoint N\n"
	"  --sabotage scan:N  ignore written pages that the kernel reports then\n"
	"  --restore DIR      open and check the database in such files\n"
	"\n"
	"Exit status: 0 all verified, 1 a check failed, 2 trouble, 4 the kernel lacks\n"
	"what it takes.\n";

/* For atexit(): the directory to remove, if it is a temporary one. */
static const char *temporary_dir;

static void remove_temporary(void)
{
	checkpoint_remove(temporary_dir);
}

static const char *make_temporary(void)
{
	const char *parent = getenv("TMPDIR");
	char *path;

	if (asprintf(&path, "%s/checkpoint-demo.XXXXXX", parent ? parent : "/tmp") < 0)
		errx(EXIT_TROUBLE, "out of memory");
	if (!mkdtemp(path))
		err(EXIT_TROUBLE, "%s", path);
	temporary_dir = path;
	atexit(remove_temporary);
	return path;
}

static size_t parse_number(const char *text, size_t min, size_t max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || end == text || *text == '-' || n < min || n > max)
		errx(EXIT_TROUBLE, "%s: not a number from %zu to %zu", text, min, max);
	return n;
}

static enum arena_memory parse_memory(const char *text)
{
	if (!strcmp(text, "anon"))
		return ARENA_ANON;
	if (!strcmp(text, "thp"))
		return ARENA_THP;
	if (!strcmp(text, "shmem"))
		return ARENA_SHMEM;
	errx(EXIT_TROUBLE, "%s: not anon, thp or shmem", text);
}

static void parse_sabotage(struct options *o, const char *text)
{
	if (!strncmp(text, "save:", 5))
		o->sabotage = SABOTAGE_SAVE;
	else if (!strncmp(text, "scan:", 5))
		o->sabotage = SABOTAGE_SCAN;
	else
		errx(EXIT_TROUBLE, "%s: not save:N or scan:N", text);
	o->sabotage_at = parse_number(text + 5, 0, 9999);
}

/* What the environment says of the terminal, in the order of locale(7). */
static bool is_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *value;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		value = getenv(names[i]);
		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "arena", required_argument, NULL, 'a' },
		{ "memory", required_argument, NULL, 'm' },
		{ "vec", required_argument, NULL, 'v' },
		{ "dir", required_argument, NULL, 'd' },
		{ "utf8", no_argument, NULL, 'u' },
		{ "ascii", no_argument, NULL, 'p' },
		{ "sabotage", required_argument, NULL, 's' },
		{ "restore", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct options o = {
		.arena_size = (size_t)MIB_DEFAULT << 20,
		.vec_len = VEC_LEN_DEFAULT,
		.utf8 = is_utf8(),
	};
	const char *restore = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 'a':
			o.arena_size = parse_number(optarg, 2, MIB_MAX) / 2 << 21;
			break;
		case 'm':
			o.memory = parse_memory(optarg);
			break;
		case 'v':
			o.vec_len = parse_number(optarg, 1, VEC_LEN_MAX);
			break;
		case 'd':
			o.dir = optarg;
			break;
		case 'u':
			o.utf8 = true;
			break;
		case 'p':
			o.utf8 = false;
			break;
		case 's':
			parse_sabotage(&o, optarg);
			break;
		case 'r':
			restore = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_VERIFIED;
		default:
			fputs(usage, stderr);
			return EXIT_TROUBLE;
		}
	}
	if (restore)
		return revive_main(restore);

	o.script = argv[optind];
	if (o.dir && mkdir(o.dir, 0777) && errno != EEXIST)
		err(EXIT_TROUBLE, "%s", o.dir);
	if (!o.dir)
		o.dir = make_temporary();
	return live_main(&o);
}
