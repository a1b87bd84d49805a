/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What would a pre-copy migration of the process come to?
 *
 * All of its memory is sent while it runs; then, round after round, what it
 * wrote during the round before; and when the rest can be sent within the
 * downtime that is allowed, it is stopped and the rest is sent.
 *
 * The recording is played along the rounds, again and again if they take longer
 * than it. What a round overlaps of a look counts as a whole if it overlaps more
 * than one, so the estimate is rather too high than too low.
 */
#ifndef PAGESCAN_MIGRATE_H
#define PAGESCAN_MIGRATE_H

#include "recording.h"

#define MIGRATE_ROUNDS	30

struct migrate_round {
	uint64_t pages;		/* that are sent */
	uint64_t ns;		/* that this takes */
	uint64_t dirtied;	/* that were written meanwhile */
};

struct migration {
	uint64_t bandwidth;	/* bytes a second, not 0 */
	uint64_t downtime_ns;	/* that is allowed */
	struct migrate_round rounds[MIGRATE_ROUNDS];
	size_t nr;
	uint64_t rest;		/* pages that are sent while it is stopped */
	uint64_t rest_ns;
	uint64_t total;		/* pages that are sent, with the rest */
	uint64_t total_ns;
	bool converges;		/* the rest is within the downtime */
};

/* bandwidth and downtime_ns are set. False if the recording does not suffice. */
bool migrate(struct migration *m, const struct recording *rec);
/* Pages written from one time of the recording, played in a loop, to another. */
uint64_t written_between(const struct recording *rec, uint64_t from, uint64_t length);

#endif
