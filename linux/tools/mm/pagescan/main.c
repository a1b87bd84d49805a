// SPDX-License-Identifier: GPL-2.0
/* pagescan: what does a process write? */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "util.h"

static const char help[] =
"usage: pagescan COMMAND ...\n"
"\n"
"Which pages of its memory does a process write?\n"
"\n"
"  pagescan scan PID           what its pages are, now\n"
"  pagescan top PID            what it writes, live\n"
"  pagescan record PID         keep what it writes in a file; or\n"
"  pagescan record -- COMMAND  start a command, and do so from the beginning\n"
"  pagescan report FILE        show what a file has: text, pictures, JSON, CSV,\n"
"                              and what a live migration would take\n"
"\n"
"pagescan COMMAND --help tells the options; man pagescan tells all of it.\n"
"Exit status: 0 all went well; 1 trouble; 2 wrong usage; 3 no such process, no\n"
"right to it, or it is gone; 4 the kernel lacks what is needed.\n";

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "scan", command_scan },
	{ "top", command_top },
	{ "record", command_record },
	{ "report", command_report },
};

void wrong_usage(const char *command)
{
	fprintf(stderr, "pagescan: 'pagescan %s --help' tells how it is used\n", command);
	exit(EXIT_USAGE);
}

int pid_argument(const char *command, int argc, char **argv)
{
	int pid;

	if (argc - optind != 1) {
		complain("%s needs one PID", command);
		wrong_usage(command);
	}
	if (!parse_pid(argv[optind], &pid))
		die(EXIT_USAGE, "%s: this is no PID", argv[optind]);
	return pid;
}

int status_of(int error)
{
	switch (error) {
	case 0:
		return EXIT_OK;
	case -EOPNOTSUPP:
	case -ENOTTY:
		return EXIT_KERNEL;
	case -ESRCH:
	case -ENOENT:
	case -EINVAL:
	case -EPERM:
	case -EACCES:
	case -EBUSY:
	case -EAGAIN:
		return EXIT_TARGET;
	default:
		return EXIT_TROUBLE;
	}
}

/* All that was printed has arrived, or it was in vain. */
static int finish(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		complain("standard output: %s", strerror(errno));
		return status ? status : EXIT_TROUBLE;
	}
	return status;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		fputs(help, stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		fputs(help, stdout);
		return finish(EXIT_OK);
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return finish(commands[i].run(argc - 1, argv + 1));
	complain("there is no command '%s'", argv[1]);
	fputs(help, stderr);
	return EXIT_USAGE;
}
