// SPDX-License-Identifier: GPL-2.0
/* What all of pagescan uses; see util.h */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

#define RING	8
#define SHORT	32

bool quiet;

static void vsay(const char *fmt, va_list args)
{
	fflush(stdout);
	fputs("pagescan: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void say(const char *fmt, ...)
{
	va_list args;

	if (quiet)
		return;
	va_start(args, fmt);
	vsay(fmt, args);
	va_end(args);
}

void complain(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsay(fmt, args);
	va_end(args);
}

void die(int status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsay(fmt, args);
	va_end(args);
	exit(status);
}

void because(char *why, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, WHY_LEN, fmt, args);
	va_end(args);
}

void *xrealloc(void *old, size_t nr, size_t size)
{
	void *new = reallocarray(old, nr, size);

	if (!new && nr)
		die(EXIT_TROUBLE, "out of memory");
	return new;
}

void *xcalloc(size_t nr, size_t size)
{
	void *new = calloc(nr, size);

	if (!new)
		die(EXIT_TROUBLE, "out of memory");
	return new;
}

char *xstrndup(const char *s, size_t len)
{
	char *copy = xcalloc(len + 1, 1);

	memcpy(copy, s, len);
	return copy;
}

/* How many bytes the UTF-8 character at s has; 0 if it is none. */
static size_t utf8_len(const unsigned char *s)
{
	size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 :
		     (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
	size_t i;

	for (i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Too long for what it says, a surrogate, beyond Unicode; C1 controls. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ||
	    (s[0] == 0xc2 && s[1] < 0xa0))
		return 0;
	return len;
}

void clean_text(char *text)
{
	unsigned char *s = (unsigned char *)text;
	size_t len;

	for (; *s; s += len) {
		len = utf8_len(s);
		if (len > 1 || (len == 1 && *s >= ' ' && *s != 0x7f))
			continue;
		*s = '?';
		len = 1;
	}
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

uint64_t page_size(void)
{
	static uint64_t size;

	if (!size)
		size = sysconf(_SC_PAGESIZE);
	return size;
}

static char *next_short(void)
{
	static char ring[RING][SHORT];
	static unsigned int next;

	return ring[next++ % RING];
}

const char *human(uint64_t bytes)
{
	static const char * const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = bytes;
	char *text = next_short();
	size_t i = 0;

	while (value >= 1024 && i + 1 < ARRAY_SIZE(unit)) {
		value /= 1024;
		i++;
	}
	snprintf(text, SHORT, i && value < 100 ? "%.1f %s" : "%.0f %s", value, unit[i]);
	return text;
}

const char *human_ns(uint64_t ns)
{
	char *text = next_short();

	if (ns < 1000000)
		snprintf(text, SHORT, "%.0f us", ns / 1e3);
	else if (ns < 1000000000)
		snprintf(text, SHORT, "%.1f ms", ns / 1e6);
	else
		snprintf(text, SHORT, "%.2f s", ns / 1e9);
	return text;
}

bool parse_seconds(const char *text, uint64_t *ns)
{
	double value;
	char *end;

	errno = 0;
	value = strtod(text, &end);
	/* The comparison is false for a NaN, too. */
	if (errno || end == text || *end || !(value >= 0 && value <= 1e9))
		return false;
	*ns = value * 1e9;
	return true;
}

bool parse_size(const char *text, uint64_t *bytes)
{
	static const char suffix[] = "KMGT";
	unsigned long long value;
	const char *found;
	unsigned int shift = 0;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || !isdigit((unsigned char)text[0]))
		return false;
	if (*end) {
		found = strchr(suffix, toupper((unsigned char)*end));
		if (!found)
			return false;
		shift = 10 * (found - suffix + 1);
		end++;
		if (!strcmp(end, "iB"))
			end += 2;
	}
	if (*end || value > UINT64_MAX >> shift)
		return false;
	*bytes = value << shift;
	return true;
}

bool parse_pid(const char *text, int *pid)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < 1 || value > INT_MAX)
		return false;
	*pid = value;
	return true;
}

bool parse_range(const char *text, uint64_t *start, uint64_t *end)
{
	char *at;

	errno = 0;
	*start = strtoull(text, &at, 16);
	if (errno || at == text || *at != '-')
		return false;
	text = at + 1;
	*end = strtoull(text, &at, 16);
	return !errno && at != text && !*at && *start < *end;
}
