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

uint64_t written_between(const struct recording *rec, uint64_t from, uint64_t length)
{
	const uint64_t all = recording_length(rec);
	struct extents written = { };
	uint64_t at = 0, pages, to;
	size_t i, looks = 0, only = 0;
	uint64_t only_at = 0;

	if (!all || !length)
		return 0;
	from %= all;
	if (length > all)
		length = all;
	to = from + length;
	for (i = 0; i < rec->nr; at = rec->samples[i++].when) {
		const uint64_t end = rec->samples[i].when;

		/* As it is, and once more in the next turn of the loop. */
		if (!(end > from && at < to) && !(end + all > from && at + all < to))
			continue;
		looks++;
		only = i;
		only_at = at;
		extents_union(&written, &rec->samples[i].written);
	}
	pages = extents_pages(&written);
	extents_free(&written);
	if (looks == 1)
		pages = within_one(&rec->samples[only], only_at, length);
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
