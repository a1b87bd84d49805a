/* SPDX-License-Identifier: GPL-2.0 */
/* The commands; each takes its own options and returns the exit status. */
#ifndef PAGESCAN_COMMANDS_H
#define PAGESCAN_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "recording.h"

int command_scan(int argc, char **argv);
int command_top(int argc, char **argv);
int command_record(int argc, char **argv);
int command_report(int argc, char **argv);

/* main.c: "pagescan COMMAND: try --help", and the end. */
void wrong_usage(const char *command) __attribute__((noreturn));
/* The PID that is the one argument left. */
int pid_argument(const char *command, int argc, char **argv);
/* The exit status for an errno of target.h or tracker.h. */
int status_of(int error);

/* report_*.c */
struct report_options {
	uint64_t bandwidth;	/* bytes a second */
	uint64_t downtime_ns;
	size_t rows;
	size_t columns;
	const struct extent *within;	/* pages, or NULL */
};

void report_text(const struct recording *rec, const struct report_options *options);
void report_ascii(const struct recording *rec, const struct report_options *options);
void report_json(const struct recording *rec, const struct report_options *options,
		 const char *incomplete);
void report_csv(const struct recording *rec);
void report_svg(const struct recording *rec, const struct report_options *options);

#endif
