// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what is pure: sets of pages, the file, the heat map, the estimate of
 * a migration. TAP on stdout. "unit SEED" chooses other random files.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "heat.h"
#include "migrate.h"
#include "summary.h"
#include "util.h"

#define SECOND	1000000000ULL
#define SPACE	64	/* pages of the models */

static unsigned int number, failed;
static uint64_t seed = 1;

static void result(bool ok, const char *name)
{
	number++;
	failed += !ok;
	printf("%sok %u %s\n", ok ? "" : "not ", number, name);
}

static unsigned int random_below(unsigned int limit)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % limit;
}

static void random_set(struct extents *set)
{
	uint64_t at = random_below(10), len;

	extents_clear(set);
	while (at < SPACE - 12) {
		len = 1 + random_below(6);
		extents_add(set, at, at + len);
		at += len + random_below(7);
	}
}

static bool has(const struct extents *set, uint64_t page)
{
	return extents_within(set, page, page + 1);
}

/* Sorted, apart, none empty. */
static bool proper(const struct extents *set)
{
	size_t i;

	for (i = 0; i < set->nr; i++)
		if (set->v[i].start >= set->v[i].end ||
		    (i && set->v[i - 1].end >= set->v[i].start))
			return false;
	return true;
}

static void test_extents(void)
{
	struct extents a = { }, b = { }, sum = { };
	bool ok = true;
	uint64_t page, pages;
	int round;

	for (round = 0; round < 2000; round++) {
		random_set(&a);
		random_set(&b);
		extents_clear(&sum);
		extents_union(&sum, &a);
		extents_union(&sum, &b);
		for (page = pages = 0; page < SPACE; page++) {
			ok &= has(&sum, page) == (has(&a, page) || has(&b, page));
			pages += has(&sum, page);
		}
		ok &= pages == extents_pages(&sum) && proper(&sum);
		ok &= extents_within(&sum, 0, UINT64_MAX) == pages;
	}
	result(ok, "a union has the pages of both");
	extents_free(&a);
	extents_free(&b);
	extents_free(&sum);
}

static void test_recent(void)
{
	uint64_t model[SPACE] = { }, page, when, since, expected;
	struct recent map = { };
	struct extents set = { };
	bool ok = true;

	for (when = 10; when < 3000; when++) {
		random_set(&set);
		recent_note(&map, &set, when);
		for (page = 0; page < SPACE; page++)
			if (has(&set, page))
				model[page] = when;
		since = when - random_below(5);
		for (page = expected = 0; page < SPACE; page++)
			expected += model[page] >= since;
		ok &= recent_pages(&map, 0, SPACE, since) == expected;
		page = random_below(SPACE);
		ok &= recent_pages(&map, page, page + 1, since) == (model[page] >= since);
		if (random_below(10))
			continue;
		recent_forget(&map, when - 2);
		for (page = 0; page < SPACE; page++)
			if (model[page] + 2 < when)
				model[page] = 0;
		ok &= recent_pages(&map, 0, SPACE, 0) == recent_pages(&map, 0, SPACE, when - 2);
	}
	result(ok, "the last time of each page is kept");
	recent_free(&map);
	extents_free(&set);
}

static void test_varint(void)
{
	static const uint64_t values[] = {
		0, 1, 127, 128, 16383, 16384, UINT32_MAX, INT64_MAX, UINT64_MAX,
	};
	static const uint8_t endless[] = {
		255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1,
	};
	struct bytes b = { };
	struct parse p;
	bool ok = true;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(values); i++)
		put_varint(&b, values[i]);
	p = (struct parse) { b.v, b.v + b.nr, false };
	for (i = 0; i < ARRAY_SIZE(values); i++)
		ok &= get_varint(&p) == values[i];
	ok &= !p.bad && !left(&p);
	result(ok, "varints come back");
	ok = !get_varint(&p) && p.bad;
	p = (struct parse) { endless, endless + sizeof(endless), false };
	ok &= !get_varint(&p) && p.bad;
	result(ok, "a varint that is cut or too large is bad");
	free(b.v);
}

static void test_maps(void)
{
	char heap[] = "55d0-55e0 rw-p 00000000 00:00 0                          [heap]";
	char file[] = "7f00-7f10 r-xs 00001000 fe:01 1234 /tmp/a file\nwith\x1b[1m (deleted)";
	char empty[] = "7f20-7f30 ---p 00000000 00:00 0 ";
	char wrong[] = "7f20-7f10 ---p 00000000 00:00 0 ";
	struct maps maps = { };
	bool ok;

	ok = maps_parse(&maps, heap) && maps_parse(&maps, file) && maps_parse(&maps, empty);
	ok = ok && !maps_parse(&maps, wrong) && maps.nr == 3;
	ok = ok && !strcmp(maps.v[0].name, "[heap]") && !strcmp(maps.v[2].name, "");
	ok = ok && !strcmp(maps.v[1].name, "/tmp/a file?with?[1m (deleted)");
	ok = ok && maps.v[1].flags == (VMA_READ | VMA_EXEC | VMA_SHARED | VMA_FILE);
	result(ok, "lines of /proc/PID/maps, with nothing in them for the terminal");
	ok = maps_find(&maps, 0x7f0f) == &maps.v[1] && !maps_find(&maps, 0x7f10) &&
	     !maps_find(&maps, 0) && maps_find(&maps, 0x55d0) == &maps.v[0];
	result(ok, "an address is found in its mapping");
	maps_free(&maps);
}

static void test_parse(void)
{
	uint64_t a, b;
	bool ok;

	ok = parse_size("4K", &a) && a == 4096 && parse_size("10GiB", &a) && a == 10ULL << 30 &&
	     !parse_size("", &a) && !parse_size("-1", &a) && !parse_size("1X", &a) &&
	     !parse_size("99999999T", &a);
	ok = ok && parse_seconds("0.5", &a) && a == SECOND / 2 && !parse_seconds("nan", &a) &&
	     !parse_seconds("-1", &a) && !parse_seconds("1s", &a);
	ok = ok && parse_range("7f00-0x8000", &a, &b) && a == 0x7f00 && b == 0x8000 &&
	     !parse_range("8-8", &a, &b) && !parse_range("8", &a, &b);
	result(ok, "sizes, seconds and ranges");
}

/* A recording of so many looks, one a second; pages 100 to 100 + pages each. */
static char *make_file(size_t looks, uint64_t pages, uint64_t rss, size_t *len)
{
	struct recording_head head = {
		.page_size = 4096, .start_ns = 5, .interval_ns = SECOND, .pid = 7,
		.command = (char *)"a command",
	};
	struct recorder r;
	struct maps maps = { };
	char *text = NULL;
	FILE *file = open_memstream(&text, len);
	size_t i;

	recorder_begin(&r, file, &head);
	maps_add(&maps, 0x10000, 0x20000, VMA_READ, "below", 5);
	maps_add(&maps, 100 << 12, 4000 << 12, VMA_READ | VMA_WRITE | VMA_TRACKED, "here", 4);
	maps_add(&maps, 4000ULL << 12, 4001ULL << 12, VMA_WRITE | VMA_TRACKED, "here", 4);
	recorder_maps(&r, &maps);
	for (i = 0; i < looks; i++) {
		struct sample sample = {
			.when = i * SECOND, .cost_ns = 10, .rss_pages = rss,
			.flags = i ? 0 : SAMPLE_FRESH,
		};

		if (i)
			extents_add(&sample.written, 100, 100 + pages);
		recorder_sample(&r, &sample);
		extents_free(&sample.written);
	}
	recorder_end(&r, END_STOPPED);
	fclose(file);
	maps_free(&maps);
	return text;
}

static bool read_back(struct recording *rec, const char *text, size_t len, char *why)
{
	FILE *file = fmemopen((void *)text, len, "r");
	bool ok = recording_read(rec, file, why);

	fclose(file);
	return ok;
}

static void test_file(void)
{
	char why[WHY_LEN];
	struct recording rec;
	size_t len;
	char *text = make_file(5, 10, 300, &len);
	bool ok;

	ok = read_back(&rec, text, len, why) && !*why && rec.nr == 5 && rec.nr_maps == 1 &&
	     rec.ending == END_STOPPED && rec.head.pid == 7 &&
	     !strcmp(rec.head.command, "a command") && rec.maps[0].nr == 3 &&
	     !strcmp(rec.maps[0].v[2].name, "here") && rec.maps[0].v[1].start == 100 << 12 &&
	     rec.samples[4].when == 4 * SECOND && rec.samples[4].rss_pages == 300 &&
	     !rec.samples[0].written.nr && extents_pages(&rec.samples[4].written) == 10;
	result(ok, "a recording comes back");
	recording_free(&rec);
	free(text);
}

static void test_cut(void)
{
	char why[WHY_LEN];
	struct recording rec;
	size_t len, at, last = 0;
	char *text = make_file(8, 10, 300, &len);
	bool ok = true, readable;

	for (at = 1; at < len; at++) {
		readable = read_back(&rec, text, at, why);
		ok &= *why && (!readable || (rec.nr >= last && !rec.ending));
		if (!readable)
			continue;
		last = rec.nr;
		recording_free(&rec);
	}
	result(ok && last == 8, "a recording cut anywhere is read up to there, and says so");
	free(text);
}

static void test_damage(void)
{
	char why[WHY_LEN];
	struct recording rec;
	size_t len, i;
	char *text = make_file(8, 10, 300, &len), *bad = malloc(len);
	int round, changes;
	bool ok = true;

	/* Any byte that changes is noticed, or is after the end. */
	for (i = 0; i < len; i++) {
		memcpy(bad, text, len);
		bad[i] ^= 1 + random_below(255);
		if (!read_back(&rec, bad, len, why))
			continue;
		ok &= *why;
		recording_free(&rec);
	}
	result(ok, "a byte that changed is noticed");
	for (round = 0; round < 20000; round++) {
		memcpy(bad, text, len);
		for (changes = 1 + random_below(8); changes; changes--)
			bad[8 + random_below(len - 8)] = random_below(256);
		if (read_back(&rec, bad, 8 + random_below(len - 8), why))
			recording_free(&rec);
	}
	result(true, "files of nonsense do no harm");
	free(bad);
	free(text);
}

/* Blocks whose checksum is right, of content that is not. */
static void test_nonsense(void)
{
	static const char types[] = "HMSEX";
	char why[WHY_LEN];
	struct recording rec;
	size_t len, size;
	char *good = make_file(2, 3, 4, &size), *text;
	int round, blocks, i;

	/* Up to the end block: a type, a length, one byte, a checksum. */
	size -= 7;
	for (round = 0; round < 20000; round++) {
		FILE *file = open_memstream(&text, &len);

		fwrite(good, 1, size, file);
		for (blocks = 1 + random_below(3); blocks; blocks--) {
			uint8_t type = types[random_below(5)], content[40];
			const uint8_t length = random_below(sizeof(content));
			uint32_t sum;

			for (i = 0; i < length; i++)
				content[i] = random_below(3) ? random_below(6) : random_below(256);
			sum = checksum(checksum(CHECKSUM_BEGIN, &type, 1), content, length);
			fprintf(file, "%c%c", type, length);
			fwrite(content, 1, length, file);
			for (i = 0; i < 4; i++)
				fputc(sum >> 8 * i, file);
		}
		fclose(file);
		if (read_back(&rec, text, len, why)) {
			struct heat heat;
			struct summary summary;
			struct migration m = { .bandwidth = 1, .downtime_ns = 1 };

			heat_make(&heat, &rec, 8, 8, NULL);
			heat_free(&heat);
			summary_make(&summary, &rec);
			summary_free(&summary);
			migrate(&m, &rec);
			recording_free(&rec);
		}
		free(text);
	}
	result(true, "nonsense with the right checksum does no harm");
	free(good);
}

static void test_heat(void)
{
	struct extent within = { 5000, 5004 };
	struct recording rec = { .head.page_size = 4096 };
	struct sample samples[4] = { };
	struct heat heat;
	bool ok;

	/* Pages 10 to 14 in each look, page 5000 in the last, 1 << 30 in the first. */
	rec.samples = samples;
	rec.nr = 4;
	for (int i = 0; i < 4; i++) {
		samples[i].when = (i + 1) * SECOND;
		extents_add(&samples[i].written, 10, 14);
	}
	extents_add(&samples[3].written, 5000, 5001);
	extents_add(&samples[0].written, 1 << 30, (1 << 30) + 64);

	heat_make(&heat, &rec, 80, 80, NULL);
	ok = heat.nr_bands == 3 && heat.columns == 4 && heat.rows == 69 && heat.row_pages == 1;
	ok = ok && heat_level(&heat, 0, 0) == HEAT_LEVELS && heat_level(&heat, 4, 3) &&
	     !heat_level(&heat, 4, 0) && heat_level(&heat, 5, 0) && !heat_level(&heat, 5, 1);
	heat_free(&heat);
	result(ok, "a heat map shows what was written, and where");

	heat_make(&heat, &rec, 8, 2, NULL);
	ok = heat.rows <= 8 && heat.nr_bands <= 4 && heat.columns == 2 && heat.least > 0 &&
	     heat.most >= heat.least;
	for (size_t row = 0; row < heat.rows; row++) {
		int levels = 0;

		for (size_t column = 0; column < heat.columns; column++)
			levels += heat_level(&heat, row, column);
		ok = ok && levels;
	}
	heat_free(&heat);
	result(ok, "a small one has no row without heat");

	heat_make(&heat, &rec, 8, 2, &within);
	ok = heat.nr_bands == 1 && heat.rows == 1;
	heat_free(&heat);
	result(ok, "a range is cut out");
	for (int i = 0; i < 4; i++)
		extents_free(&samples[i].written);
}

static void test_migrate(void)
{
	/* A page a second, at 4096 bytes. */
	struct migration m = { .bandwidth = 4096, .downtime_ns = SECOND };
	char why[WHY_LEN];
	struct recording rec;
	size_t len;
	char *text;
	bool ok;

	text = make_file(11, 1, 300, &len);
	read_back(&rec, text, len, why);
	ok = migrate(&m, &rec) && m.converges && m.nr == 1 && m.rounds[0].pages == 300 &&
	     m.rounds[0].ns == 300 * SECOND && m.rest == 1 && m.total == 301 &&
	     m.rest_ns == SECOND;
	result(ok, "a migration of a quiet process converges");
	recording_free(&rec);
	free(text);

	text = make_file(11, 50, 300, &len);
	read_back(&rec, text, len, why);
	ok = migrate(&m, &rec) && !m.converges && m.nr == MIGRATE_ROUNDS && m.rest == 50;
	result(ok, "one of a process that writes faster does not");
	ok = written_between(&rec, 3 * SECOND, SECOND / 2) == 25 &&
	     written_between(&rec, 3 * SECOND, 2 * SECOND) == 50 &&
	     written_between(&rec, 9 * SECOND + SECOND / 2, 2 * SECOND) == 50;
	result(ok, "a part of a look is a part of its pages; a recording is a loop");
	m.bandwidth = 0;
	ok = !migrate(&m, &rec);
	m.bandwidth = 1;
	ok = ok && migrate(&m, &rec) && !m.converges;
	result(ok, "no bandwidth, and next to none");
	recording_free(&rec);
	free(text);
}

static void test_summary(void)
{
	struct summary summary;
	char why[WHY_LEN];
	struct recording rec;
	size_t len;
	char *text = make_file(4, 10, 300, &len);
	bool ok;

	read_back(&rec, text, len, why);
	summary_make(&summary, &rec);
	ok = summary.nr == 1 && summary.rows[0].written == 30 && summary.rows[0].most == 10 &&
	     summary.rows[0].distinct == 10 && summary.distinct == 10 &&
	     summary.cost_ns == 40 && summary.most_rss == 300;
	result(ok, "a summary adds up");
	summary_free(&summary);
	recording_free(&rec);
	free(text);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	test_extents();
	test_recent();
	test_varint();
	test_maps();
	test_parse();
	test_file();
	test_cut();
	test_damage();
	test_nonsense();
	test_heat();
	test_migrate();
	test_summary();
	printf("1..%u\n", number);
	return failed ? 1 : 0;
}
