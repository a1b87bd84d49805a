// SPDX-License-Identifier: GPL-2.0
/* pagescan record: keep what a process writes in a file. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "start.h"
#include "stop.h"
#include "target.h"
#include "tracker.h"
#include "util.h"

#define SECOND	1000000000ULL

static const char help[] =
"usage: pagescan record [OPTIONS] PID\n"
"       pagescan record [OPTIONS] -- COMMAND [ARGUMENT...]\n"
"\n"
"Record which pages the process writes, until it ends, or Ctrl-C.\n"
"\n"
"  -o, --output FILE     where to: pagescan.rec\n"
"  -i, --interval SEC    look that often: 1\n"
"  -d, --duration SEC    stop after that long\n"
"      --soft-dirty      by soft-dirty bits, not by a userfaultfd\n"
"  -q, --quiet           do not show how it goes on\n"
"  -h, --help            this\n"
"\n"
"With a COMMAND, the exit status is that of the command, or 128 and the number of\n"
"the signal that ended it; 127 if there is no such command, 126 if it cannot be\n"
"run; but pagescan's own if it could not be recorded. Ctrl-C ends the recording, and\n"
"once more, the waiting for the command.\n";

struct options {
	const char *output;
	uint64_t interval_ns;
	uint64_t duration_ns;
	bool soft_dirty;
};

/* A recording that is being made. */
struct session {
	const struct options *options;
	bool held;		/* it waits for the first look */
	struct tracker tracker;
	struct look look;
	struct recorder recorder;
	struct maps maps;	/* that were recorded last */
	uint64_t start;
	uint64_t pages;
	uint64_t cost_ns;
	unsigned int looks;
	char why[WHY_LEN];
};

static void parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "interval", required_argument, NULL, 'i' },
		{ "duration", required_argument, NULL, 'd' },
		{ "soft-dirty", no_argument, NULL, 's' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int option;

	while ((option = getopt_long(argc, argv, "+o:i:d:qh", longs, NULL)) != -1) {
		switch (option) {
		case 'o':
			options->output = optarg;
			break;
		case 'i':
			if (!parse_seconds(optarg, &options->interval_ns) ||
			    options->interval_ns < SECOND / 1000)
				die(EXIT_USAGE, "--interval %s: must be 0.001 or more", optarg);
			break;
		case 'd':
			if (!parse_seconds(optarg, &options->duration_ns) || !options->duration_ns)
				die(EXIT_USAGE, "--duration %s: must be seconds", optarg);
			break;
		case 's':
			options->soft_dirty = true;
			break;
		case 'q':
			quiet = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(EXIT_OK);
		default:
			wrong_usage("record");
		}
	}
}

/* The words of the command line of a process, or its name. */
static char *command_of(pid_t pid)
{
	char path[40], text[1024];
	size_t len = 0, i;
	ssize_t got = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		got = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	len = got > 0 ? got : 0;
	while (len && !text[len - 1])
		len--;
	if (!len)
		return xstrndup(target_name(pid), strlen(target_name(pid)));
	for (i = 0; i < len; i++)
		if (!text[i])
			text[i] = ' ';
	return xstrndup(text, len);
}

static void record_head(struct session *s, FILE *file)
{
	struct recording_head head = {
		.page_size = page_size(),
		.interval_ns = s->options->interval_ns,
		.pid = s->tracker.pid,
		.mode = s->tracker.mode,
		.command = command_of(s->tracker.pid),
	};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	head.start_ns = now.tv_sec * SECOND + now.tv_nsec;
	clean_text(head.command);
	recorder_begin(&s->recorder, file, &head);
	free(head.command);
}

static void record_look(struct session *s)
{
	struct sample sample = {
		.when = s->look.when - s->start,
		.cost_ns = s->look.cost_ns,
		.rss_pages = s->look.rss_pages,
		.flags = s->look.fresh ? SAMPLE_FRESH : 0,
		.written = s->look.written,
	};

	if (s->look.blind)
		return;
	if (!s->looks || !maps_equal(&s->maps, &s->tracker.maps)) {
		recorder_maps(&s->recorder, &s->tracker.maps);
		maps_copy(&s->maps, &s->tracker.maps);
	}
	recorder_sample(&s->recorder, &sample);
	s->looks++;
	s->pages += extents_pages(&s->look.written);
	s->cost_ns += s->look.cost_ns;
}

static void show_progress(const struct session *s)
{
	const uint64_t length = s->look.when - s->start;

	if (quiet || !isatty(STDERR_FILENO) || !length)
		return;
	fprintf(stderr, "\r\033[K%s, %u looks, %s written, %s of file, cost %.2f %% of the time",
		human_ns(length), s->looks, human(s->pages * page_size()),
		human(s->recorder.bytes), 100.0 * s->cost_ns / length);
}

static void show_end(const struct session *s, enum ending ending)
{
	static const char * const why[] = {
		[END_NONE] = "", [END_STOPPED] = "stopped",
		[END_EXITED] = "the process ended", [END_ERROR] = "stopped by an error",
	};

	if (!quiet && isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	say("%s after %s: %u looks, %s written, %s in %s; each look took %s",
	    why[ending], human_ns(s->look.when - s->start), s->looks,
	    human(s->pages * page_size()), human(s->recorder.bytes), s->options->output,
	    human_ns(s->looks ? s->cost_ns / s->looks : 0));
	if (s->tracker.refused)
		say("%u mappings could not be tracked: %s", s->tracker.refused,
		    s->tracker.refusal == EBUSY ? "another userfaultfd has them" :
		    strerror(s->tracker.refusal));
}

/* Look, and look again, until there is an end to it. */
static enum ending record_on(struct session *s, FILE *file)
{
	const struct options *options = s->options;
	uint64_t next = s->start + options->interval_ns;
	uint64_t end = options->duration_ns ? s->start + options->duration_ns : UINT64_MAX;
	enum wake wake = WAKE_TIME;
	int ret;

	while (wake == WAKE_TIME && now_ns() < end) {
		wake = wait_until(next < end ? next : end, s->tracker.pidfd, -1);
		if (wake == WAKE_ENDED)
			return END_EXITED;
		ret = tracker_look(&s->tracker, &s->look, s->why);
		if (ret == -ESRCH)
			return END_EXITED;
		if (ret)
			return END_ERROR;
		record_look(s);
		if (ferror(file)) {
			because(s->why, "%s: %s", options->output, strerror(errno));
			return END_ERROR;
		}
		show_progress(s);
		while (next <= s->look.when)
			next += options->interval_ns;
	}
	return END_STOPPED;
}

/* The first look says only where it begins. */
static enum ending record_all(struct session *s, FILE *file)
{
	enum ending ending = END_EXITED;
	int ret = tracker_look(&s->tracker, &s->look, s->why);

	s->start = s->look.when;
	record_head(s, file);
	if (!ret) {
		record_look(s);
		say("recording process %d (%s) by %s", (int)s->tracker.pid,
		    target_name(s->tracker.pid), track_mode_name(s->tracker.mode));
		if (s->held)
			start_go(s->tracker.pid);
		ending = record_on(s, file);
	} else if (ret != -ESRCH) {
		ending = END_ERROR;
	}
	recorder_end(&s->recorder, ending);
	if (ending == END_ERROR)
		complain("%s", s->why);
	return ending;
}

static int record(pid_t pid, bool held, const struct options *options)
{
	struct session s = { .options = options, .held = held };
	enum ending ending;
	FILE *file;
	int ret;

	ret = tracker_begin_any(&s.tracker, pid, options->soft_dirty, s.why);
	if (ret) {
		complain("%s", s.why);
		return status_of(ret);
	}
	/* Not before: what the file has is lost with this. */
	file = fopen(options->output, "we");
	if (!file) {
		complain("%s: %s", options->output, strerror(errno));
		tracker_end(&s.tracker);
		return EXIT_TROUBLE;
	}
	ending = record_all(&s, file);
	tracker_end(&s.tracker);
	if (fclose(file)) {
		complain("%s: %s", options->output, strerror(errno));
		ending = END_ERROR;
	}
	show_end(&s, ending);
	maps_free(&s.maps);
	look_free(&s.look);
	if (ending == END_EXITED && !s.looks) {
		complain("it ended before it was looked at");
		return EXIT_TARGET;
	}
	return ending == END_ERROR ? EXIT_TROUBLE : EXIT_OK;
}

static int record_command(char **argv, const struct options *options)
{
	int status = EXIT_TROUBLE, ret;
	const pid_t pid = start_command(argv, &status);

	if (!pid)
		return status;
	ret = record(pid, true, options);
	/* Also if it was not recorded. */
	start_go(pid);
	if (target_status(pid, "VmSize", 10) >= 0)
		say("waiting for process %d to end; Ctrl-C leaves it", (int)pid);
	status = start_wait(pid);
	return ret ? ret : status;
}

int command_record(int argc, char **argv)
{
	struct options options = { .output = "pagescan.rec", .interval_ns = SECOND };
	int i;

	parse_options(argc, argv, &options);
	stop_on_signals();
	/* After "--" there is a command; without, a PID. */
	for (i = 1; i < argc && i < optind; i++)
		if (i == optind - 1 && !strcmp(argv[i], "--") && optind < argc)
			return record_command(argv + optind, &options);
	return record(pid_argument("record", argc, argv), false, &options);
}
