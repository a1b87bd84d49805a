// SPDX-License-Identifier: GPL-2.0
/* Tests of recordings: written, read, damaged, and long. */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "heat.h"
#include "migrate.h"
#include "summary.h"
#include "unit.h"
#include "util.h"

char *make_file(size_t looks, uint64_t pages, uint64_t rss, size_t *len)
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

bool read_back(struct recording *rec, const char *text, size_t len, char *why)
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

/*
 * A byte of the file stands for a name of 60000. Of a copy for each of the 40000
 * mappings there would be 2.4 GB.
 */
static void test_large(void)
{
	struct recording_head head = { .page_size = 4096, .command = (char *)"" };
	const size_t nr = 40000, name_len = 60000;
	char *text = NULL, *name = xcalloc(name_len + 1, 1), why[WHY_LEN];
	struct recording rec;
	struct maps maps = { };
	struct recorder r;
	size_t len, i;
	FILE *file = open_memstream(&text, &len);
	bool ok;

	memset(name, 'x', name_len);
	for (i = 1; i <= nr; i++)
		maps_borrow(&maps, i << 12, (i + 1) << 12, 0, name);
	recorder_begin(&r, file, &head);
	recorder_maps(&r, &maps);
	recorder_end(&r, END_STOPPED);
	fclose(file);
	ok = len < 1 << 20 && read_back(&rec, text, len, why) && !*why &&
	     rec.maps[0].nr == nr && rec.maps[0].v[0].name == rec.maps[0].v[nr - 1].name;
	result(ok, "names of a recording are there once");
	recording_free(&rec);
	maps_free(&maps);
	free(name);
	free(text);
}

/*
 * So long that with the square of its length the tests would not come to an end
 * while somebody waits: looks that all write other pages, and many mappings.
 */
static void test_long(void)
{
	struct migration m = { .bandwidth = 4096, .downtime_ns = 1 };
	const size_t looks = 20000, each = 10, mappings = 20000;
	struct recording rec = { .head.page_size = 4096 };
	struct summary summary;
	struct maps maps = { };
	struct heat heat;
	size_t i, j;
	bool ok;

	rec.samples = xcalloc(looks, sizeof(*rec.samples));
	rec.nr = looks;
	for (i = 0; i < looks; i++) {
		rec.samples[i].when = (i + 1) * SECOND;
		rec.samples[i].rss_pages = 1 << 20;
		for (j = 0; j < each; j++)
			extents_add(&rec.samples[i].written, 2 * (j * looks + i),
				    2 * (j * looks + i) + 1);
	}
	for (i = 0; i < mappings; i++)
		maps_borrow(&maps, i * each * 2 << 12, (i + 1) * each * 2 << 12, 0, "a");
	rec.maps = &maps;
	rec.nr_maps = 1;
	ok = migrate(&m, &rec) && !m.converges;
	summary_make(&summary, &rec);
	ok = ok && summary.nr == mappings && summary.distinct == looks * each;
	heat_make(&heat, &rec, 96, 300, NULL);
	ok = ok && heat.rows;
	result(ok, "a long recording");
	heat_free(&heat);
	summary_free(&summary);
	maps_free(&maps);
	for (i = 0; i < looks; i++)
		extents_free(&rec.samples[i].written);
	free(rec.samples);
}

void test_recordings(void)
{
	test_file();
	test_cut();
	test_damage();
	test_nonsense();
	test_large();
	test_long();
}
