// SPDX-License-Identifier: GPL-2.0
/* pagescan top: what a process writes, live. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "stop.h"
#include "target.h"
#include "tracker.h"
#include "util.h"

#define SECOND		1000000000ULL

static const char help[] =
"usage: pagescan top [OPTIONS] PID\n"
"\n"
"Show what the process writes: for each mapping, the pages written a second, and\n"
"how many different pages were written in the last 1, 10 and 60 seconds.\n"
"\n"
"  -i, --interval SEC    look that often: 1\n"
"  -n, --count N         end after N times\n"
"  -s, --sort ORDER      rate (default), 1s, 10s, 60s, size or address\n"
"      --plain           no screen, one table after the other; so it is also\n"
"                        when the output is no terminal\n"
"      --soft-dirty      by soft-dirty bits, not by a userfaultfd\n"
"  -h, --help            this\n"
"\n"
"Keys: s next order, + and - change the interval, space looks at once, q quits.\n";

/* The windows of working sets. */
static const unsigned int windows[] = { 1, 10, 60 };
#define WINDOWS	ARRAY_SIZE(windows)

enum order { BY_RATE, BY_1S, BY_10S, BY_60S, BY_SIZE, BY_ADDRESS, ORDERS };

static const char * const order_names[ORDERS] = {
	"rate", "1s", "10s", "60s", "size", "address",
};

struct row {
	const struct vma *vma;
	double rate;
	uint64_t set[WINDOWS];
};

struct top {
	struct tracker tracker;
	struct look look;
	struct recent recent;
	uint64_t interval_ns;
	uint64_t last;		/* when the look before was */
	uint64_t count;
	uint64_t shown;
	enum order order;
	bool soft_dirty;
	bool screen;
	struct row *rows;
	size_t nr;
	size_t room;
	char why[WHY_LEN];
};

/* What the terminal was like; it gets that back however we end. */
static struct termios before;
static bool changed;

static void parse_options(int argc, char **argv, struct top *top)
{
	static const struct option longs[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ "sort", required_argument, NULL, 's' },
		{ "plain", no_argument, NULL, 'p' },
		{ "soft-dirty", no_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int option;

	while ((option = getopt_long(argc, argv, "i:n:s:h", longs, NULL)) != -1) {
		switch (option) {
		case 'i':
			if (!parse_seconds(optarg, &top->interval_ns) ||
			    top->interval_ns < SECOND / 100)
				die(EXIT_USAGE, "--interval %s: must be 0.01 or more", optarg);
			break;
		case 'n':
			if (!parse_size(optarg, &top->count) || !top->count)
				die(EXIT_USAGE, "--count %s: must be a number above 0", optarg);
			break;
		case 's':
			for (top->order = 0; top->order < ORDERS; top->order++)
				if (!strcmp(optarg, order_names[top->order]))
					break;
			if (top->order == ORDERS)
				die(EXIT_USAGE, "--sort %s: see pagescan top --help", optarg);
			break;
		case 'p':
			top->screen = false;
			break;
		case 'S':
			top->soft_dirty = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(EXIT_OK);
		default:
			wrong_usage("top");
		}
	}
}

static void leave_screen(void)
{
	if (!changed)
		return;
	changed = false;
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
}

static void enter_screen(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &before))
		return;
	raw = before;
	raw.c_lflag &= ~(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	changed = true;
	atexit(leave_screen);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs("\033[?1049h\033[?25l", stdout);
}

/* A look counts for a window if more than half of what it covers is in it. */
static uint64_t window_since(const struct top *top, unsigned int seconds)
{
	const uint64_t back = seconds * SECOND, half = top->interval_ns / 2;

	if (back <= half)
		return top->look.when;
	/* The clock begins when the machine is booted. */
	return top->look.when > back - half ? top->look.when - (back - half) : 0;
}

static void make_row(struct top *top, const struct vma *vma, uint64_t passed)
{
	const uint64_t start = vma->start / page_size(), end = vma->end / page_size();
	struct row row = { .vma = vma };
	size_t i;

	for (i = 0; i < WINDOWS; i++)
		row.set[i] = recent_pages(&top->recent, start, end,
					  window_since(top, windows[i]));
	if (!row.set[WINDOWS - 1])
		return;
	if (passed)
		row.rate = extents_within(&top->look.written, start, end) * 1e9 / passed;
	GROW(top->rows, top->nr, top->room);
	top->rows[top->nr++] = row;
}

static enum order sort_order;

static int compare(const void *left, const void *right)
{
	const struct row *a = left, *b = right;

	switch (sort_order) {
	case BY_RATE:
		if (a->rate != b->rate)
			return a->rate < b->rate ? 1 : -1;
		break;
	case BY_1S:
	case BY_10S:
	case BY_60S: {
		const size_t i = sort_order - BY_1S;

		if (a->set[i] != b->set[i])
			return a->set[i] < b->set[i] ? 1 : -1;
		break;
	}
	case BY_SIZE:
		if (a->vma->end - a->vma->start != b->vma->end - b->vma->start)
			return a->vma->end - a->vma->start < b->vma->end - b->vma->start ? 1 : -1;
		break;
	default:
		break;
	}
	return a->vma->start < b->vma->start ? -1 : 1;
}

static void make_rows(struct top *top, uint64_t passed)
{
	size_t i;

	top->nr = 0;
	for (i = 0; i < top->tracker.maps.nr; i++)
		if (top->tracker.maps.v[i].flags & VMA_TRACKED)
			make_row(top, &top->tracker.maps.v[i], passed);
	sort_order = top->order;
	if (top->nr)
		qsort(top->rows, top->nr, sizeof(*top->rows), compare);
}

/* One line, ended as the screen needs it. */
static void end_line(const struct top *top)
{
	fputs(top->screen ? "\033[K\n" : "\n", stdout);
}

static uint64_t working_set(const struct top *top, size_t window)
{
	return recent_pages(&top->recent, 0, UINT64_MAX, window_since(top, windows[window]));
}

static void show_head(const struct top *top, uint64_t passed)
{
	const uint64_t pages = extents_pages(&top->look.written), page = page_size();
	const double seconds = passed / 1e9;
	char clock[16];
	time_t now = time(NULL);
	size_t i;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&now));
	printf("%s  %s (%d), %s of memory, tracked by %s, every %s", clock,
	       target_name(top->tracker.pid), (int)top->tracker.pid,
	       human(top->look.rss_pages * page), track_mode_name(top->tracker.mode),
	       human_ns(top->interval_ns));
	end_line(top);
	printf("written: %.0f pages/s, %s/s; working set:", seconds ? pages / seconds : 0,
	       human(seconds ? pages * page / seconds : 0));
	for (i = 0; i < WINDOWS; i++)
		printf(" %s in %u s%s", human(page * working_set(top, i)), windows[i],
		       i + 1 < WINDOWS ? "," : "");
	end_line(top);
	printf("cost: %s a look (%.2f %% of the time), and a fault for each page written",
	       human_ns(top->look.cost_ns),
	       passed ? 100.0 * top->look.cost_ns / passed : 0);
	if (top->tracker.refused)
		printf("; %u mappings not tracked: %s", top->tracker.refused,
		       top->tracker.refusal == EBUSY ? "another userfaultfd has them" :
		       strerror(top->tracker.refusal));
	end_line(top);
}

static void show_row(const struct top *top, const struct row *row, int width)
{
	char perms[5], line[512];
	int len;

	len = snprintf(line, sizeof(line),
		       "%9.0f %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %9s  %s %12" PRIx64 "  %s",
		       row->rate, row->set[0], row->set[1], row->set[2],
		       human(row->vma->end - row->vma->start), vma_perms(row->vma, perms),
		       row->vma->start, vma_label(row->vma));
	if (top->screen && width > 0 && len > width)
		line[width < (int)sizeof(line) ? width : (int)sizeof(line) - 1] = '\0';
	fputs(line, stdout);
	end_line(top);
}

static void show(const struct top *top, uint64_t passed)
{
	struct winsize size = { };
	size_t i, lines = top->nr;

	if (top->screen) {
		ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
		fputs("\033[H", stdout);
		if (size.ws_row > 6 && lines > size.ws_row - 6u)
			lines = size.ws_row - 6;
	}
	show_head(top, passed);
	end_line(top);
	printf("%9s %8s %8s %8s %9s  %-4s %12s  %s", "pages/s", "in 1s", "in 10s", "in 60s",
	       "size", "", "address", "mapping");
	if (top->screen)
		printf("   [by %s]", order_names[top->order]);
	end_line(top);
	for (i = 0; i < lines; i++)
		show_row(top, &top->rows[i], size.ws_col);
	if (!top->nr) {
		printf("%9s nothing written yet", "");
		end_line(top);
	}
	fputs(top->screen ? "\033[J" : "\n", stdout);
	fflush(stdout);
}

/* True if that key ends it. */
static bool take_key(struct top *top, bool *look_now)
{
	char key;

	*look_now = false;
	if (read(STDIN_FILENO, &key, 1) != 1)
		return true;
	switch (key) {
	case 'q':
		return true;
	case 's':
		top->order = (top->order + 1) % ORDERS;
		*look_now = true;
		break;
	case '+':
		if (top->interval_ns < 60 * SECOND)
			top->interval_ns *= 2;
		break;
	case '-':
		if (top->interval_ns > SECOND / 50)
			top->interval_ns /= 2;
		break;
	case ' ':
		*look_now = true;
		break;
	}
	return false;
}

/* Wait for the next look. False if there is none. */
static bool wait_for_next(struct top *top)
{
	uint64_t start = top->look.when;
	bool now;

	for (;;) {
		switch (wait_until(start + top->interval_ns, top->tracker.pidfd,
				   changed ? STDIN_FILENO : -1)) {
		case WAKE_TIME:
			return true;
		case WAKE_KEY:
			if (take_key(top, &now))
				return false;
			if (now)
				return true;
			break;
		case WAKE_ENDED:
			because(top->why, "the process ended");
			return false;
		case WAKE_STOP:
			return false;
		}
	}
}

static int run(struct top *top)
{
	uint64_t passed;
	int ret;

	while (!stop_asked()) {
		top->last = top->look.when;
		ret = tracker_look(&top->tracker, &top->look, top->why);
		if (ret == -ESRCH) {
			because(top->why, "the process ended");
			return 0;
		}
		if (ret)
			return ret;
		passed = top->look.fresh || top->look.blind ? 0 : top->look.when - top->last;
		/* The pages of another program have nothing to do with these. */
		if (top->look.fresh || top->look.blind)
			recent_free(&top->recent);
		recent_note(&top->recent, &top->look.written, top->look.when);
		recent_forget(&top->recent, window_since(top, windows[WINDOWS - 1]));
		make_rows(top, passed);
		/* The first look tells nothing but that it began. */
		if (top->screen || passed) {
			show(top, passed);
			top->shown++;
		}
		if (top->count && top->shown >= top->count)
			return 0;
		if (!wait_for_next(top))
			return 0;
	}
	return 0;
}

int command_top(int argc, char **argv)
{
	struct top top = {
		.interval_ns = SECOND,
		.screen = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO),
	};
	pid_t pid;
	int ret;

	parse_options(argc, argv, &top);
	pid = pid_argument("top", argc, argv);
	stop_on_signals();
	ret = tracker_begin_any(&top.tracker, pid, top.soft_dirty, top.why);
	if (ret)
		die(status_of(ret), "%s", top.why);
	if (top.screen)
		enter_screen();
	ret = run(&top);
	tracker_end(&top.tracker);
	leave_screen();
	if (*top.why)
		complain("%s", top.why);
	look_free(&top.look);
	recent_free(&top.recent);
	free(top.rows);
	return status_of(ret);
}
