// SPDX-License-Identifier: GPL-2.0
/* pagescan report: show what a recording has. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "commands.h"
#include "util.h"

static const char help[] =
"usage: pagescan report [OPTIONS] FILE\n"
"\n"
"Show a recording: what was written, and what a live migration would take.\n"
"\n"
"  -f, --format FORMAT   text (default), ascii (a heat map), svg (the same as a\n"
"                        picture), json, csv\n"
"  -m, --range A-B       ascii, svg: only these addresses (hexadecimal)\n"
"      --rows N          ascii, svg: at most so many rows of memory\n"
"      --columns N       ascii, svg: at most so many columns of time\n"
"  -b, --bandwidth SIZE  migration: bytes a second, as 1G; 125000000 if not given\n"
"      --downtime SEC    migration: how long the process may stand still: 0.3\n"
"  -h, --help            this\n"
"\n"
"The result goes to standard output. FILE can be -, the standard input.\n";

enum format { TEXT, ASCII, SVG, JSON, CSV, FORMATS };

static const char * const formats[FORMATS] = { "text", "ascii", "svg", "json", "csv" };

/* Rows and columns, where none are asked for. */
#define SVG_ROWS	96
#define SVG_COLUMNS	300
#define ASCII_ROWS	40
#define ASCII_COLUMNS	72
/* Beside the cells: the address, and some of the mapping's name. */
#define ASCII_BESIDE	36

static size_t parse_cells(const char *option, const char *text)
{
	uint64_t value;

	if (!parse_size(text, &value) || !value || value > 10000)
		die(EXIT_USAGE, "%s %s: must be 1 to 10000", option, text);
	return value;
}

static void parse_pages(const char *text, struct extent *within)
{
	if (!parse_range(text, &within->start, &within->end))
		die(EXIT_USAGE, "--range %s: must be START-END, both hexadecimal", text);
}

static enum format parse_format(const char *text)
{
	enum format format;

	for (format = 0; format < FORMATS; format++)
		if (!strcmp(text, formats[format]))
			return format;
	die(EXIT_USAGE, "--format %s: must be text, ascii, svg, json or csv", text);
}

static enum format parse_options(int argc, char **argv, struct report_options *options,
				 struct extent *within)
{
	static const struct option longs[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "range", required_argument, NULL, 'm' },
		{ "rows", required_argument, NULL, 'r' },
		{ "columns", required_argument, NULL, 'c' },
		{ "bandwidth", required_argument, NULL, 'b' },
		{ "downtime", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	enum format format = TEXT;
	int option;

	while ((option = getopt_long(argc, argv, "f:m:b:h", longs, NULL)) != -1) {
		switch (option) {
		case 'f':
			format = parse_format(optarg);
			break;
		case 'm':
			parse_pages(optarg, within);
			options->within = within;
			break;
		case 'r':
			options->rows = parse_cells("--rows", optarg);
			break;
		case 'c':
			options->columns = parse_cells("--columns", optarg);
			break;
		case 'b':
			if (!parse_size(optarg, &options->bandwidth) || !options->bandwidth)
				die(EXIT_USAGE, "--bandwidth %s: must be bytes a second", optarg);
			break;
		case 'd':
			if (!parse_seconds(optarg, &options->downtime_ns))
				die(EXIT_USAGE, "--downtime %s: must be seconds", optarg);
			break;
		case 'h':
			fputs(help, stdout);
			exit(EXIT_OK);
		default:
			wrong_usage("report");
		}
	}
	return format;
}

/* As much as there is room for. */
static void set_cells(struct report_options *options, enum format format)
{
	struct winsize size = { };
	size_t columns = ASCII_COLUMNS;

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	if (size.ws_col > ASCII_BESIDE + 20)
		columns = size.ws_col - ASCII_BESIDE;
	if (!options->rows)
		options->rows = format == SVG ? SVG_ROWS : ASCII_ROWS;
	if (!options->columns)
		options->columns = format == SVG ? SVG_COLUMNS : columns;
}

static void report(const struct recording *rec, enum format format,
		   const struct report_options *options, const char *incomplete)
{
	switch (format) {
	case ASCII:
		report_ascii(rec, options);
		break;
	case SVG:
		report_svg(rec, options);
		break;
	case JSON:
		report_json(rec, options, incomplete);
		break;
	case CSV:
		report_csv(rec);
		break;
	default:
		report_text(rec, options);
	}
}

int command_report(int argc, char **argv)
{
	struct report_options options = {
		.bandwidth = 125000000,
		.downtime_ns = 300000000,
	};
	struct extent within = { };
	char why[WHY_LEN];
	struct recording rec;
	enum format format;
	const char *name;
	FILE *file;

	format = parse_options(argc, argv, &options, &within);
	if (argc - optind != 1) {
		complain("report needs one file");
		wrong_usage("report");
	}
	name = argv[optind];
	file = strcmp(name, "-") ? fopen(name, "re") : stdin;
	if (!file)
		die(EXIT_TROUBLE, "%s: %s", name, strerror(errno));
	if (!recording_read(&rec, file, why))
		die(EXIT_TROUBLE, "%s: %s", name, why);
	if (*why)
		complain("%s: %s", name, why);
	/* What was given as addresses is pages from here. */
	within.start /= rec.head.page_size;
	within.end = (within.end - 1) / rec.head.page_size + 1;
	set_cells(&options, format);
	report(&rec, format, &options, why);
	recording_free(&rec);
	fclose(file);
	return EXIT_OK;
}
