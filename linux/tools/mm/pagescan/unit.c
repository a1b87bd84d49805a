// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what is pure: sets of pages, the heat map, the estimate of a migration,
 * and, in unit_file.c, recordings. TAP on stdout. "unit SEED" chooses other random
 * files.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "heat.h"
#include "migrate.h"
#include "summary.h"
#include "unit.h"
#include "util.h"

#define SPACE	64	/* pages of the models */

static unsigned int number, failed;
static uint64_t seed = 1;

void result(bool ok, const char *name)
{
	number++;
	failed += !ok;
	printf("%sok %u %s\n", ok ? "" : "not ", number, name);
}

unsigned int random_below(unsigned int limit)
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

/* What /proc/PID/maps can say while mappings move: maps_read() goes in order. */
static void test_overlap(void)
{
	static const char text[] =
		"1000-3000 rw-p 00000000 00:00 0 a\n"
		"2000-5000 rw-p 00000000 00:00 0 b\n"
		"4000-5000 rw-p 00000000 00:00 0 c\n"
		"5000-6000 rw-p 00000000 00:00 0 d\n";
	FILE *file = tmpfile();
	struct maps maps = { };
	bool ok;

	fputs(text, file);
	fflush(file);
	ok = !maps_read(&maps, fileno(file)) && maps.nr == 3 && maps.v[0].end == 0x3000 &&
	     maps.v[1].start == 0x3000 && maps.v[1].end == 0x5000 &&
	     maps.v[2].start == 0x5000 && !strcmp(maps.v[2].name, "d");
	result(ok, "mappings that overlap are clipped");
	maps_free(&maps);
	fclose(file);
}

static void test_names(void)
{
	struct names names = { };
	char name[16];
	bool ok = true;
	size_t i;

	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "%zu", i);
		ok &= names_find(&names, name) == i;
		names_add(&names, name);
	}
	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "%zu", i);
		ok &= names_find(&names, name) == i && !strcmp(names.v[i], name);
	}
	result(ok, "names have numbers");
	names_free(&names);
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

/* A mapping that moves one of its ends at a time is one, and others are others. */
static void test_summary_rows(void)
{
	struct recording rec = { .head.page_size = 4096 };
	struct sample samples[3] = { };
	struct maps maps[3] = { };
	static const char one[] = "one", two[] = "two";
	struct summary summary;
	bool ok;
	int i;

	for (i = 0; i < 3; i++) {
		samples[i].maps = i;
		extents_add(&samples[i].written, 90, 210);
		/* Grows at its end, then at its start. */
		maps_borrow(&maps[i], (i < 2 ? 100 : 95) << 12, (i ? 160 : 150) << 12, 0, one);
		maps_borrow(&maps[i], 160 << 12, 170 << 12, 0, two);
		maps_borrow(&maps[i], (190 + i) << 12, (200 + i) << 12, 0, one);
	}
	rec.samples = samples;
	rec.maps = maps;
	rec.nr = 3;
	rec.nr_maps = 3;
	summary_make(&summary, &rec);
	ok = summary.nr == 5 && summary.rows[0].written == 50 + 60 + 65 &&
	     summary.rows[0].vma.start == 95 << 12 && summary.rows[1].written == 30 &&
	     summary.rows[1].vma.name == two && summary.rows[4].written == 10;
	result(ok, "a mapping that grows is one, one that moves is another");
	summary_free(&summary);
	for (i = 0; i < 3; i++) {
		maps_free(&maps[i]);
		extents_free(&samples[i].written);
	}
}

/* By the definition: look after look. */
static uint64_t written_slowly(const struct recording *rec, uint64_t from, uint64_t to)
{
	const uint64_t all = recording_length(rec);
	struct extents written = { };
	uint64_t at = 0, pages;
	size_t i;

	for (i = 0; i < rec->nr; at = rec->samples[i++].when)
		if ((rec->samples[i].when > from && at < to) || at + all < to)
			extents_union(&written, &rec->samples[i].written);
	pages = extents_pages(&written);
	extents_free(&written);
	return pages;
}

static void test_rounds(void)
{
	struct recording rec = { .head.page_size = 4096 };
	struct sample samples[8] = { };
	uint64_t when = 0, from, length;
	bool ok = true;
	int round, i;

	rec.samples = samples;
	rec.nr = 8;
	for (i = 0; i < 8; i++) {
		when += 1 + random_below(3);
		samples[i].when = when;
		random_set(&samples[i].written);
	}
	for (round = 0; round < 2000; round++) {
		from = random_below(when);
		/* Longer than any look, so that none counts in part. */
		length = 4 + random_below(when);
		if (length > when)
			length = when;
		ok &= written_between(&rec, from, length) ==
		      written_slowly(&rec, from, from + length);
	}
	result(ok, "what was written in a round");
	for (i = 0; i < 8; i++)
		extents_free(&samples[i].written);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	test_extents();
	test_recent();
	test_varint();
	test_maps();
	test_overlap();
	test_parse();
	test_names();
	test_recordings();
	test_heat();
	test_migrate();
	test_summary();
	test_summary_rows();
	test_rounds();
	printf("1..%u\n", number);
	return failed ? 1 : 0;
}
