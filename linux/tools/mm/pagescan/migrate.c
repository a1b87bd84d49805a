// SPDX-License-Identifier: GPL-2.0
/* What a pre-copy migration would come to; see migrate.h */
#include "migrate.h"

#define SECOND	1000000000ULL

/*
 * What was written from one time to another within the recording; as a part of
 * a look if it is within one.
 */
static uint64_t within_one(const struct sample *sample, uint64_t before, uint64_t length)
{
	const uint64_t pages = extents_pages(&sample->written);
	const double part = (double)length / (sample->when - before);

	return part >= 1 ? pages : (uint64_t)(pages * part + 0.5);
}

/* The first look that is at a time or later; nr if none is. */
static size_t look_at(const struct recording *rec, uint64_t when)
{
	size_t low = 0, high = rec->nr, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (rec->samples[middle].when >= when)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* A look tells of the time since the one before: how many begin before a time? */
static size_t looks_before(const struct recording *rec, uint64_t when)
{
	const size_t at = when ? look_at(rec, when) + 1 : 0;

	return at < rec->nr ? at : rec->nr;
}

uint64_t written_between(const struct recording *rec, uint64_t from, uint64_t length)
{
	const uint64_t all = recording_length(rec);
	size_t first, end, again, only;
	struct extents written = { };
	uint64_t pages;

	if (!all || !length)
		return 0;
	from %= all;
	if (length > all)
		length = all;
	first = look_at(rec, from + 1);
	end = looks_before(rec, from + length);
	/* In the next turn of the loop, what is not among these. */
	again = from + length > all ? looks_before(rec, from + length - all) : 0;
	if (again > first)
		again = first;
	recording_union_of(rec, first, end - first, &written);
	recording_union_of(rec, 0, again, &written);
	pages = extents_pages(&written);
	extents_free(&written);
	only = end > first ? first : 0;
	if (end - first + again == 1)
		pages = within_one(&rec->samples[only],
				   only ? rec->samples[only - 1].when : 0, length);
	return pages;
}

static uint64_t send_ns(const struct migration *m, const struct recording *rec, uint64_t pages)
{
	const double ns = (double)pages * rec->head.page_size * SECOND / m->bandwidth;

	/* Three years are enough for anybody. */
	return ns < 1e17 ? (uint64_t)ns : (uint64_t)1e17;
}

bool migrate(struct migration *m, const struct recording *rec)
{
	struct migrate_round *round;
	uint64_t at = 0;

	m->nr = 0;
	m->total = 0;
	m->total_ns = 0;
	m->converges = false;
	if (!recording_length(rec) || !m->bandwidth)
		return false;
	m->rest = rec->samples[0].rss_pages;
	while (m->nr < MIGRATE_ROUNDS) {
		round = &m->rounds[m->nr++];
		round->pages = m->rest;
		round->ns = send_ns(m, rec, round->pages);
		round->dirtied = written_between(rec, at, round->ns);
		at = (at + round->ns) % recording_length(rec);
		m->total += round->pages;
		m->total_ns += round->ns;
		m->rest = round->dirtied;
		m->rest_ns = send_ns(m, rec, m->rest);
		if (m->rest_ns <= m->downtime_ns) {
			m->converges = true;
			break;
		}
	}
	m->total += m->rest;
	m->total_ns += m->rest_ns;
	return true;
}
