// SPDX-License-Identifier: GPL-2.0
/* pagescan scan: one look at what the pages of a process are. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <tools/pagemap_scan.h>

#include "commands.h"
#include "maps.h"
#include "output.h"
#include "pages.h"
#include "target.h"
#include "util.h"

#define VEC_LEN		1024

static const char help[] =
"usage: pagescan scan [OPTIONS] PID\n"
"\n"
"Show, for each mapping of the process, how many pages are what.\n"
"\n"
"  -r, --required LIST   only pages that have all of these categories\n"
"  -a, --anyof LIST      only pages that have one of these at least\n"
"  -x, --excluded LIST   only pages that have none of these\n"
"  -R, --return LIST     tell these apart, no others\n"
"  -m, --range A-B       only these addresses (hexadecimal); may be repeated\n"
"      --regions         list the regions as the kernel returns them\n"
"      --all             show mappings without such pages, too\n"
"  -j, --json            the same as JSON\n"
"  -h, --help            this\n"
"\n"
"A LIST is categories with commas between:\n"
"  wpallowed   in memory where writes are tracked (by a userfaultfd)\n"
"  written     written since it was last looked at by whoever tracks it\n"
"  file        of a file or of shared memory\n"
"  present     in memory\n"
"  swapped     in swap\n"
"  pfnzero     the zero page\n"
"  huge        mapped as a huge page\n"
"  soft-dirty  soft-dirty, where the kernel has that\n";

static const struct category {
	const char *name;
	const char *head;
	uint64_t bit;
} categories[] = {
	{ "present", "present", PAGE_IS_PRESENT },
	{ "swapped", "swapped", PAGE_IS_SWAPPED },
	{ "file", "file", PAGE_IS_FILE },
	{ "pfnzero", "zero", PAGE_IS_PFNZERO },
	{ "huge", "huge", PAGE_IS_HUGE },
	{ "wpallowed", "tracked", PAGE_IS_WPALLOWED },
	{ "written", "written", PAGE_IS_WRITTEN },
	{ "soft-dirty", "softdirty", PAGE_IS_SOFT_DIRTY },
};

#define CATEGORIES	ARRAY_SIZE(categories)

struct options {
	struct pm_scan_arg masks;
	uint64_t required;
	uint64_t excluded;
	struct extents ranges;	/* addresses here, not pages */
	bool regions;
	bool all;
	bool json;
};

struct counts {
	uint64_t matched;
	uint64_t each[CATEGORIES];
};

static uint64_t parse_list(const char *option, const char *list)
{
	uint64_t mask = 0;
	size_t len, i;

	do {
		len = strcspn(list, ",");
		for (i = 0; i < CATEGORIES; i++)
			if (len == strlen(categories[i].name) &&
			    !strncmp(list, categories[i].name, len))
				break;
		if (i == CATEGORIES)
			die(EXIT_USAGE, "%s: there is no category '%.*s'; see pagescan scan --help",
			    option, (int)len, list);
		mask |= categories[i].bit;
		list += len;
	} while (*list++ == ',');
	return mask;
}

static void add_range(struct options *options, const char *text)
{
	const uint64_t page = page_size();
	struct extents one = { };
	uint64_t start, end;

	if (!parse_range(text, &start, &end) || end > UINT64_MAX - page)
		die(EXIT_USAGE, "--range %s: must be START-END, both hexadecimal", text);
	extents_add(&one, start / page * page, (end + page - 1) / page * page);
	extents_union(&options->ranges, &one);
	extents_free(&one);
}

static void parse_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "required", required_argument, NULL, 'r' },
		{ "anyof", required_argument, NULL, 'a' },
		{ "excluded", required_argument, NULL, 'x' },
		{ "return", required_argument, NULL, 'R' },
		{ "range", required_argument, NULL, 'm' },
		{ "regions", no_argument, NULL, 'g' },
		{ "all", no_argument, NULL, 'A' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int option;

	while ((option = getopt_long(argc, argv, "r:a:x:R:m:jh", longs, NULL)) != -1) {
		switch (option) {
		case 'r':
			options->required |= parse_list("--required", optarg);
			break;
		case 'a':
			options->masks.category_anyof_mask |= parse_list("--anyof", optarg);
			break;
		case 'x':
			options->excluded |= parse_list("--excluded", optarg);
			break;
		case 'R':
			options->masks.return_mask |= parse_list("--return", optarg);
			break;
		case 'm':
			add_range(options, optarg);
			break;
		case 'g':
			options->regions = true;
			break;
		case 'A':
			options->all = true;
			break;
		case 'j':
			options->json = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(EXIT_OK);
		default:
			wrong_usage("scan");
		}
	}
	if (options->required & options->excluded)
		die(EXIT_USAGE, "a page cannot have and not have a category");
	/* What is both inverted and in the mask is excluded. */
	options->masks.category_mask = options->required | options->excluded;
	options->masks.category_inverted = options->excluded;
	/* One of these, and it is in the other mask as well: it was flipped. */
	if (options->masks.category_anyof_mask & options->excluded)
		die(EXIT_USAGE, "--anyof and --excluded have a category in common");
	if (!options->masks.return_mask)
		for (size_t i = 0; i < CATEGORIES; i++)
			options->masks.return_mask |= categories[i].bit;
}

static void print_categories(FILE *out, uint64_t mask, bool json)
{
	const char *comma = "";
	size_t i;

	for (i = 0; i < CATEGORIES; i++) {
		if (!(mask & categories[i].bit))
			continue;
		fputs(comma, out);
		if (json)
			json_string(out, categories[i].name);
		else
			fputs(categories[i].name, out);
		comma = ",";
	}
}

static void print_region(const struct options *options, const struct page_region *region)
{
	static bool more;

	if (!options->json) {
		printf("%12llx-%-12llx %8llu  ", region->start, region->end,
		       (region->end - region->start) / page_size());
		print_categories(stdout, region->categories, false);
		putchar('\n');
		return;
	}
	printf("%s\n  {\"start\":\"%#llx\",\"end\":\"%#llx\",\"categories\":[", more ? "," : "",
	       region->start, region->end);
	print_categories(stdout, region->categories, true);
	printf("]}");
	more = true;
}

static void count(struct counts *counts, const struct page_region *region)
{
	const uint64_t pages = (region->end - region->start) / page_size();
	size_t i;

	counts->matched += pages;
	for (i = 0; i < CATEGORIES; i++)
		if (region->categories & categories[i].bit)
			counts->each[i] += pages;
}

/* The categories that a page is asked for; the first kernels know one less. */
static int try_soft_dirty(int pagemap, struct options *options)
{
	struct pms_scan scan;

	pms_begin(&scan, pagemap, 0, 0, NULL, 0);
	scan.arg.return_mask = PAGE_IS_SOFT_DIRTY;
	if (pms_get(&scan) != -EINVAL)
		return 0;
	if ((options->masks.category_mask | options->masks.category_anyof_mask) &
	    PAGE_IS_SOFT_DIRTY)
		return -EINVAL;
	options->masks.return_mask &= ~(uint64_t)PAGE_IS_SOFT_DIRTY;
	return 0;
}

static int scan_range(int pagemap, const struct options *options, uint64_t start,
		      uint64_t end, struct counts *counts)
{
	struct page_region vec[VEC_LEN], region;
	struct pms_scan scan;
	int ret;

	pms_begin(&scan, pagemap, start, end, vec, VEC_LEN);
	scan.arg.category_mask = options->masks.category_mask;
	scan.arg.category_inverted = options->masks.category_inverted;
	scan.arg.category_anyof_mask = options->masks.category_anyof_mask;
	scan.arg.return_mask = options->masks.return_mask;
	while ((ret = pms_next(&scan, &region)) > 0) {
		count(counts, &region);
		if (options->regions)
			print_region(options, &region);
	}
	return ret;
}

/* The part of the mapping that is within the ranges, if there are any. */
static int scan_vma(int pagemap, const struct options *options, const struct vma *vma,
		    struct counts *counts)
{
	const struct extents *ranges = &options->ranges;
	int ret = 0;
	size_t i;

	if (!ranges->nr)
		return scan_range(pagemap, options, vma->start, vma->end, counts);
	for (i = extents_after(ranges, vma->start);
	     !ret && i < ranges->nr && ranges->v[i].start < vma->end; i++) {
		const struct extent *range = &ranges->v[i];

		ret = scan_range(pagemap, options,
				 range->start > vma->start ? range->start : vma->start,
				 range->end < vma->end ? range->end : vma->end, counts);
	}
	return ret;
}

static bool not_tracked(const struct options *options, const struct counts *counts)
{
	size_t i;

	for (i = 0; i < CATEGORIES; i++)
		if (categories[i].bit == PAGE_IS_WPALLOWED && counts->each[i])
			return false;
	return options->masks.return_mask & PAGE_IS_WPALLOWED;
}

static void print_row(const struct options *options, const struct counts *counts,
		      const char *name)
{
	size_t i;

	printf(" %9" PRIu64, counts->matched);
	for (i = 0; i < CATEGORIES; i++) {
		if (!(options->masks.return_mask & categories[i].bit))
			continue;
		/* Where nobody tracks, the kernel calls written what is there. */
		if (categories[i].bit == PAGE_IS_WRITTEN && not_tracked(options, counts))
			printf(" %9s", "-");
		else
			printf(" %9" PRIu64, counts->each[i]);
	}
	printf("  %s\n", name);
}

static void print_vma(const struct options *options, const struct vma *vma,
		      const struct counts *counts)
{
	static bool more;
	char perms[5];
	size_t i;

	if (!options->json) {
		printf("%12" PRIx64 "-%-12" PRIx64 " %s %9" PRIu64, vma->start, vma->end,
		       vma_perms(vma, perms), (vma->end - vma->start) / page_size());
		print_row(options, counts, vma_label(vma));
		return;
	}
	printf("%s\n  {\"start\":\"%#" PRIx64 "\",\"end\":\"%#" PRIx64 "\",", more ? "," : "",
	       vma->start, vma->end);
	printf("\"perms\":\"%s\",\"name\":", vma_perms(vma, perms));
	json_string(stdout, vma->name);
	printf(",\"pages\":%" PRIu64 ",\"matching\":%" PRIu64,
	       (vma->end - vma->start) / page_size(), counts->matched);
	for (i = 0; i < CATEGORIES; i++)
		if (options->masks.return_mask & categories[i].bit)
			printf(",\"%s\":%" PRIu64, categories[i].name, counts->each[i]);
	putchar('}');
	more = true;
}

static void print_head(const struct options *options, pid_t pid)
{
	size_t i;

	if (options->json) {
		printf("{\"schema\":\"pagescan-scan-1\",\"pid\":%d,", (int)pid);
		printf("\"page_size\":%" PRIu64 ",\"%s\":[", page_size(),
		       options->regions ? "regions" : "mappings");
		return;
	}
	if (options->regions) {
		printf("%25s %8s  categories\n", "addresses", "pages");
		return;
	}
	printf("%25s %4s %9s %9s", "addresses", "", "pages", "matching");
	for (i = 0; i < CATEGORIES; i++)
		if (options->masks.return_mask & categories[i].bit)
			printf(" %9s", categories[i].head);
	printf("  name\n");
}

static void print_foot(const struct options *options, const struct counts *sum)
{
	if (options->json) {
		printf("\n]}\n");
		return;
	}
	if (options->regions)
		return;
	printf("%40s", "");
	print_row(options, sum, "all");
}

static int scan_all(int pagemap, const struct maps *maps, struct options *options, pid_t pid)
{
	struct counts sum = { };
	size_t i, j;
	int ret = try_soft_dirty(pagemap, options);

	if (ret)
		die(EXIT_KERNEL, "this kernel's PAGEMAP_SCAN does not know soft-dirty");
	print_head(options, pid);
	for (i = 0; i < maps->nr; i++) {
		struct counts counts = { };

		/* The kernel's own, above all processes. */
		if (!strcmp(maps->v[i].name, "[vsyscall]"))
			continue;
		ret = scan_vma(pagemap, options, &maps->v[i], &counts);
		if (ret)
			return ret;
		if (!options->regions && (options->all || counts.matched))
			print_vma(options, &maps->v[i], &counts);
		sum.matched += counts.matched;
		for (j = 0; j < CATEGORIES; j++)
			sum.each[j] += counts.each[j];
	}
	print_foot(options, &sum);
	return 0;
}

int command_scan(int argc, char **argv)
{
	struct options options = { };
	struct maps maps = { };
	int pagemap, maps_fd, ret;
	char path[40];
	pid_t pid;

	parse_options(argc, argv, &options);
	pid = pid_argument("scan", argc, argv);
	pagemap = pms_open(pid);
	if (pagemap < 0)
		die(status_of(pagemap), "process %d: %s", (int)pid,
		    pagemap == -ENOENT ? "there is no such process" : strerror(-pagemap));
	if (pms_probe(pagemap) == -ENOTTY)
		die(EXIT_KERNEL, "this kernel has no PAGEMAP_SCAN");
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (maps_fd < 0 || maps_read(&maps, maps_fd))
		die(EXIT_TARGET, "%s: %s", path, strerror(errno));
	if (!maps.nr)
		die(EXIT_TARGET, "process %d has no memory: it is a zombie or a kernel thread",
		    (int)pid);
	close(maps_fd);
	ret = scan_all(pagemap, &maps, &options, pid);
	if (ret)
		die(status_of(ret), "PAGEMAP_SCAN: %s", strerror(-ret));
	maps_free(&maps);
	extents_free(&options.ranges);
	close(pagemap);
	return EXIT_OK;
}
