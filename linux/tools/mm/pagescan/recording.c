// SPDX-License-Identifier: GPL-2.0
/* A recording: written, and read; see recording.h */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "recording.h"
#include "util.h"

static const uint8_t magic[8] = { 0x89, 'P', 'S', 'C', 'N', '\r', '\n', 0x1a };

/* Larger ones are not ours, whatever the file says. */
#define BLOCK_LIMIT	(1ULL << 30)
/* Page numbers are below this. */
#define PAGE_LIMIT	(1ULL << 52)
#define NAME_LIMIT	65536

static void put_block(struct recorder *r, uint8_t type, struct bytes *content)
{
	struct bytes head = { };
	uint8_t end[4];
	uint32_t sum;
	int i;

	sum = checksum(CHECKSUM_BEGIN, &type, 1);
	sum = checksum(sum, content->v, content->nr);
	for (i = 0; i < 4; i++)
		end[i] = sum >> 8 * i;
	put_bytes(&head, &type, 1);
	put_varint(&head, content->nr);
	fwrite(head.v, 1, head.nr, r->file);
	if (content->nr)
		fwrite(content->v, 1, content->nr, r->file);
	fwrite(end, 1, sizeof(end), r->file);
	/* Whoever is killed leaves whole blocks. */
	fflush(r->file);
	r->bytes += head.nr + content->nr + sizeof(end);
	free(head.v);
	free(content->v);
	*content = (struct bytes) { };
}

void recorder_begin(struct recorder *r, FILE *file, const struct recording_head *head)
{
	const size_t len = strlen(head->command);
	struct bytes b = { };

	*r = (struct recorder) { .file = file, .bytes = sizeof(magic) };
	fwrite(magic, 1, sizeof(magic), file);
	put_varint(&b, RECORDING_VERSION);
	put_varint(&b, head->page_size);
	put_varint(&b, head->start_ns);
	put_varint(&b, head->interval_ns);
	put_varint(&b, head->pid);
	put_varint(&b, head->mode);
	put_varint(&b, len);
	put_bytes(&b, head->command, len);
	put_block(r, 'H', &b);
}

static void put_name(struct recorder *r, struct bytes *b, const char *name)
{
	const size_t len = strlen(name), number = names_find(&r->names, name);

	put_varint(b, number);
	if (number < r->names.nr)
		return;
	names_add(&r->names, name);
	put_varint(b, len);
	put_bytes(b, name, len);
}

void recorder_maps(struct recorder *r, const struct maps *maps)
{
	const uint64_t page = page_size();
	struct bytes b = { };
	uint64_t at = 0;
	size_t i;

	/* What begins beyond all page numbers is the kernel's. */
	for (i = 0; i < maps->nr && maps->v[i].start / page < PAGE_LIMIT / 2; i++)
		;
	put_varint(&b, i);
	for (size_t j = 0; j < i; j++) {
		const struct vma *vma = &maps->v[j];

		put_varint(&b, vma->start / page - at);
		put_varint(&b, (vma->end - vma->start) / page);
		put_varint(&b, vma->flags);
		put_name(r, &b, vma->name);
		at = vma->end / page;
	}
	put_block(r, 'M', &b);
}

void recorder_sample(struct recorder *r, const struct sample *sample)
{
	const struct extents *written = &sample->written;
	struct bytes b = { };
	uint64_t at = 0;
	size_t i;

	put_varint(&b, sample->when - r->last);
	put_varint(&b, sample->cost_ns);
	put_varint(&b, sample->rss_pages);
	put_varint(&b, sample->flags);
	put_varint(&b, written->nr);
	for (i = 0; i < written->nr; i++) {
		put_varint(&b, written->v[i].start - at);
		put_varint(&b, written->v[i].end - written->v[i].start);
		at = written->v[i].end;
	}
	put_block(r, 'S', &b);
	r->last = sample->when;
}

void recorder_end(struct recorder *r, enum ending ending)
{
	struct bytes b = { };

	put_varint(&b, ending);
	put_block(r, 'E', &b);
	names_free(&r->names);
}

/* What is read so far, beyond the recording itself. */
struct reader {
	struct recording *rec;
	uint64_t last;
	bool has_head;
};

static bool parse_head(struct reader *r, struct parse *p)
{
	struct recording_head *head = &r->rec->head;
	const char *command;
	uint64_t len;

	if (r->has_head || get_varint(p) != RECORDING_VERSION)
		return false;
	head->page_size = get_varint(p);
	head->start_ns = get_varint(p);
	head->interval_ns = get_varint(p);
	head->pid = get_varint(p);
	head->mode = get_varint(p);
	len = get_varint(p);
	command = get_bytes(p, len);
	if (!command || head->page_size < 512 || head->page_size > 1 << 20 ||
	    head->page_size & (head->page_size - 1))
		return false;
	head->command = xstrndup(command, len);
	clean_text(head->command);
	r->has_head = true;
	return true;
}

/* A stretch of pages behind *at. */
static bool parse_extent(struct parse *p, uint64_t *at, struct extent *extent)
{
	const uint64_t gap = get_varint(p), len = get_varint(p);

	if (p->bad || gap > PAGE_LIMIT || len > PAGE_LIMIT || !len)
		return false;
	extent->start = *at + gap;
	extent->end = extent->start + len;
	*at = extent->end;
	return *at <= PAGE_LIMIT;
}

static const char *parse_name(struct recording *rec, struct parse *p)
{
	const uint64_t number = get_varint(p);
	const char *name;
	uint64_t len;

	if (p->bad || number > rec->nr_names)
		return NULL;
	if (number < rec->nr_names)
		return rec->names[number];
	len = get_varint(p);
	name = len <= NAME_LIMIT ? get_bytes(p, len) : NULL;
	if (!name)
		return NULL;
	GROW(rec->names, rec->nr_names, rec->room_names);
	rec->names[rec->nr_names] = xstrndup(name, len);
	clean_text(rec->names[rec->nr_names]);
	return rec->names[rec->nr_names++];
}

static bool parse_maps(struct reader *r, struct parse *p)
{
	const uint64_t page = r->rec->head.page_size;
	struct recording *rec = r->rec;
	struct maps maps = { };
	struct extent extent;
	uint64_t nr, at = 0, flags;
	const char *name;

	for (nr = get_varint(p); nr && !p->bad; nr--) {
		if (!parse_extent(p, &at, &extent))
			break;
		flags = get_varint(p);
		name = parse_name(rec, p);
		if (!name || flags > VMA_ALL || extent.end > UINT64_MAX / page)
			break;
		maps_borrow(&maps, extent.start * page, extent.end * page, flags, name);
	}
	if (nr || p->bad) {
		maps_free(&maps);
		return false;
	}
	GROW(rec->maps, rec->nr_maps, rec->room_maps);
	rec->maps[rec->nr_maps++] = maps;
	return true;
}

static bool parse_sample(struct reader *r, struct parse *p)
{
	struct recording *rec = r->rec;
	struct sample sample = { };
	struct extent extent;
	uint64_t nr, at = 0;

	if (!rec->nr_maps)
		return false;
	sample.maps = rec->nr_maps - 1;
	sample.when = r->last + get_varint(p);
	sample.cost_ns = get_varint(p);
	sample.rss_pages = get_varint(p);
	sample.flags = get_varint(p);
	if (sample.when < r->last || sample.when > INT64_MAX || sample.rss_pages > PAGE_LIMIT)
		return false;
	for (nr = get_varint(p); nr && !p->bad; nr--) {
		if (!parse_extent(p, &at, &extent))
			break;
		extents_add(&sample.written, extent.start, extent.end);
	}
	if (nr || p->bad) {
		extents_free(&sample.written);
		return false;
	}
	r->last = sample.when;
	GROW(rec->samples, rec->nr, rec->room);
	rec->samples[rec->nr++] = sample;
	return true;
}

static bool parse_end(struct reader *r, struct parse *p)
{
	uint64_t ending = get_varint(p);

	if (p->bad || ending < END_STOPPED || ending > END_ERROR)
		return false;
	r->rec->ending = ending;
	return true;
}

static bool parse_block(struct reader *r, uint8_t type, struct parse *p)
{
	if (type == 'H')
		return parse_head(r, p);
	if (!r->has_head)
		return false;
	switch (type) {
	case 'M':
		return parse_maps(r, p);
	case 'S':
		return parse_sample(r, p);
	case 'E':
		return parse_end(r, p);
	default:
		return true;
	}
}

/* The length of a block's content; false at the end of the file. */
static bool read_length(FILE *file, uint64_t *len)
{
	uint8_t buf[10];
	size_t nr = 0;
	struct parse p;
	int byte;

	do {
		byte = getc(file);
		if (byte == EOF || nr == sizeof(buf))
			return false;
		buf[nr++] = byte;
	} while (byte & 0x80);
	p = (struct parse) { buf, buf + nr, false };
	*len = get_varint(&p);
	return !p.bad && *len < BLOCK_LIMIT;
}

/* Memory only for what is really there: the length may be anything. */
static uint8_t *read_content(FILE *file, size_t len)
{
	const size_t step = 1 << 20;
	size_t have = 0, more;
	uint8_t *v = NULL;

	do {
		more = len - have < step ? len - have : step;
		v = xrealloc(v, have + more, 1);
		if (fread(v + have, 1, more, file) != more) {
			free(v);
			return NULL;
		}
		have += more;
	} while (have < len);
	return v;
}

enum block { BLOCK_OK, BLOCK_EOF, BLOCK_CUT, BLOCK_BAD };

static enum block read_block(struct reader *r, FILE *file)
{
	const int type = getc(file);
	uint8_t kind = type;
	struct parse p;
	uint64_t len;
	uint32_t sum;
	uint8_t *v;
	bool ok;

	if (type == EOF)
		return BLOCK_EOF;
	if (!read_length(file, &len))
		return feof(file) ? BLOCK_CUT : BLOCK_BAD;
	v = read_content(file, len + 4);
	if (!v)
		return BLOCK_CUT;
	sum = checksum(checksum(CHECKSUM_BEGIN, &kind, 1), v, len);
	ok = sum == (v[len] | v[len + 1] << 8 | v[len + 2] << 16 | (uint32_t)v[len + 3] << 24);
	p = (struct parse) { v, v + len, false };
	ok = ok && parse_block(r, kind, &p);
	free(v);
	return ok ? BLOCK_OK : BLOCK_BAD;
}

static void explain(const struct reader *r, enum block last, FILE *file, char *why)
{
	if (ferror(file))
		because(why, "it cannot be read to its end");
	else if (last == BLOCK_BAD)
		because(why, "it is damaged after %zu samples; the rest is left out",
			r->rec->nr);
	else if (last == BLOCK_CUT)
		because(why, "it is cut short after %zu samples", r->rec->nr);
	else if (!r->rec->ending)
		because(why, "it has no end: the recording was killed, or still goes on");
	else
		*why = '\0';
}

bool recording_read(struct recording *rec, FILE *file, char *why)
{
	struct reader r = { .rec = rec };
	uint8_t begin[sizeof(magic)];
	enum block last;

	*rec = (struct recording) { };
	if (fread(begin, 1, sizeof(begin), file) != sizeof(begin) ||
	    memcmp(begin, magic, sizeof(magic))) {
		because(why, "it is not a recording of pagescan");
		return false;
	}
	do {
		last = read_block(&r, file);
	} while (last == BLOCK_OK);
	explain(&r, last, file, why);
	if (!r.has_head) {
		because(why, "its head is damaged, or of another version of pagescan");
		recording_free(rec);
		return false;
	}
	return true;
}

void recording_free(struct recording *rec)
{
	size_t i;

	for (i = 0; i < rec->nr_maps; i++)
		maps_free(&rec->maps[i]);
	for (i = 0; i < rec->nr; i++)
		extents_free(&rec->samples[i].written);
	for (i = 0; i < rec->nr_names; i++)
		free(rec->names[i]);
	free(rec->names);
	free(rec->maps);
	free(rec->samples);
	free(rec->head.command);
	*rec = (struct recording) { };
}

uint64_t recording_length(const struct recording *rec)
{
	return rec->nr ? rec->samples[rec->nr - 1].when : 0;
}

/* Two by two, so that no page is gone over more than log(samples) times. */
static void union_of(const struct sample *samples, size_t nr, struct extents *all)
{
	struct extents half = { };

	if (!nr)
		return;
	if (nr == 1) {
		extents_union(all, &samples->written);
		return;
	}
	union_of(samples, nr / 2, all);
	union_of(samples + nr / 2, nr - nr / 2, &half);
	extents_union(all, &half);
	extents_free(&half);
}

void recording_union_of(const struct recording *rec, size_t first, size_t nr,
			struct extents *all)
{
	struct extents some = { };

	union_of(rec->samples + first, nr, &some);
	extents_union(all, &some);
	extents_free(&some);
}

void recording_union(const struct recording *rec, struct extents *all)
{
	union_of(rec->samples, rec->nr, all);
}
