// SPDX-License-Identifier: GPL-2.0
/* A recording as JSON, of which the man page has the schema, and as CSV. */
#include <inttypes.h>

#include "commands.h"
#include "migrate.h"
#include "output.h"
#include "summary.h"
#include "tracker.h"
#include "util.h"

static const char * const endings[] = {
	[END_NONE] = "none",
	[END_STOPPED] = "stopped",
	[END_EXITED] = "exited",
	[END_ERROR] = "error",
};

static void json_vma(const struct vma *vma)
{
	char perms[5];

	printf("\"start\":\"0x%" PRIx64 "\",\"end\":\"0x%" PRIx64 "\",\"perms\":\"%s\",",
	       vma->start, vma->end, vma_perms(vma, perms));
	printf("\"tracked\":%s,\"name\":", vma->flags & VMA_TRACKED ? "true" : "false");
	json_string(stdout, vma->name);
}

static void json_maps(const struct recording *rec)
{
	size_t i, j;

	printf("\"maps\":[");
	for (i = 0; i < rec->nr_maps; i++) {
		printf("%s\n [", i ? "," : "");
		for (j = 0; j < rec->maps[i].nr; j++) {
			printf("%s\n  {", j ? "," : "");
			json_vma(&rec->maps[i].v[j]);
			putchar('}');
		}
		printf("\n ]");
	}
	printf("\n],\n");
}

static void json_samples(const struct recording *rec)
{
	const struct sample *sample;
	size_t i, j;

	printf("\"samples\":[");
	for (i = 0; i < rec->nr; i++) {
		sample = &rec->samples[i];
		printf("%s\n {\"time\":%.9f,\"cost\":%.9f,\"memory_pages\":%" PRIu64
		       ",\"fresh\":%s,\"maps\":%zu,\"pages\":%" PRIu64 ",\"written\":[",
		       i ? "," : "", sample->when / 1e9, sample->cost_ns / 1e9,
		       sample->rss_pages, sample->flags & SAMPLE_FRESH ? "true" : "false",
		       sample->maps, extents_pages(&sample->written));
		for (j = 0; j < sample->written.nr; j++)
			printf("%s[%" PRIu64 ",%" PRIu64 "]", j ? "," : "",
			       sample->written.v[j].start,
			       sample->written.v[j].end - sample->written.v[j].start);
		printf("]}");
	}
	printf("\n],\n");
}

static void json_summary(const struct recording *rec)
{
	struct summary summary;
	size_t i;

	summary_make(&summary, rec);
	printf("\"summary\":{\"written_pages\":%" PRIu64 ",\"distinct_pages\":%" PRIu64 ",",
	       summary.written, summary.distinct);
	printf("\"cost\":%.9f,\"mappings\":[", summary.cost_ns / 1e9);
	for (i = 0; i < summary.nr; i++) {
		printf("%s\n {", i ? "," : "");
		json_vma(&summary.rows[i].vma);
		printf(",\"written_pages\":%" PRIu64 ",\"distinct_pages\":%" PRIu64
		       ",\"most_pages\":%" PRIu64 "}", summary.rows[i].written,
		       summary.rows[i].distinct, summary.rows[i].most);
	}
	printf("\n]},\n");
	summary_free(&summary);
}

static void json_migration(const struct recording *rec, const struct report_options *options)
{
	struct migration m = {
		.bandwidth = options->bandwidth,
		.downtime_ns = options->downtime_ns,
	};
	size_t i;

	printf("\"migration\":");
	if (!migrate(&m, rec)) {
		printf("null\n");
		return;
	}
	printf("{\"bandwidth\":%" PRIu64 ",\"downtime_allowed\":%.9f,\"converges\":%s,"
	       "\"rest_pages\":%" PRIu64 ",\"downtime\":%.9f,\"sent_pages\":%" PRIu64
	       ",\"time\":%.9f,\"rounds\":[", m.bandwidth, m.downtime_ns / 1e9,
	       m.converges ? "true" : "false", m.rest, m.rest_ns / 1e9, m.total,
	       m.total_ns / 1e9);
	for (i = 0; i < m.nr; i++)
		printf("%s\n {\"sent_pages\":%" PRIu64 ",\"time\":%.9f,\"written_pages\":%" PRIu64
		       "}", i ? "," : "", m.rounds[i].pages, m.rounds[i].ns / 1e9,
		       m.rounds[i].dirtied);
	printf("\n]}\n");
}

void report_json(const struct recording *rec, const struct report_options *options,
		 const char *incomplete)
{
	const struct recording_head *head = &rec->head;

	printf("{\"schema\":\"pagescan-report-1\",\n\"command\":");
	json_string(stdout, head->command);
	printf(",\n\"pid\":%" PRIu64 ",\"start\":%.9f,\"interval\":%.9f,\"length\":%.9f,"
	       "\"page_size\":%" PRIu64 ",\n\"tracking\":\"%s\",\"ending\":\"%s\",\"incomplete\":",
	       head->pid, head->start_ns / 1e9, head->interval_ns / 1e9,
	       recording_length(rec) / 1e9, head->page_size,
	       head->mode == TRACK_ASYNC ? "userfaultfd" : "soft-dirty", endings[rec->ending]);
	if (*incomplete)
		json_string(stdout, incomplete);
	else
		printf("null");
	printf(",\n");
	json_maps(rec);
	json_samples(rec);
	json_summary(rec);
	json_migration(rec, options);
	printf("}\n");
}

void report_csv(const struct recording *rec)
{
	const uint64_t page = rec->head.page_size;
	const struct sample *sample;
	const struct extent *e;
	const struct vma *vma;
	char perms[5];
	size_t i, j;

	printf("time,start,end,pages,perms,mapping\n");
	for (i = 0; i < rec->nr; i++) {
		sample = &rec->samples[i];
		for (j = 0; j < sample->written.nr; j++) {
			e = &sample->written.v[j];
			vma = maps_find(&rec->maps[sample->maps], e->start * page);
			printf("%.9f,0x%" PRIx64 ",0x%" PRIx64 ",%" PRIu64 ",%s,",
			       sample->when / 1e9, e->start * page, e->end * page,
			       e->end - e->start, vma ? vma_perms(vma, perms) : "");
			csv_string(stdout, vma ? vma->name : "");
			putchar('\n');
		}
	}
}
