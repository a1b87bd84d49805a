// SPDX-License-Identifier: GPL-2.0
/*
 * What a scan asks of others: TLB flushes, and what MMU notifiers are told; as
 * the kernel's tracepoints show it. A virtual machine is who is to be told; it
 * need not run. Reported is the number for one scan of 128 MiB.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan.h"

#define AREA_PAGES	(128 * MIB / 4096)
#define TRACING		"/sys/kernel/tracing/"
#define FLUSHES		"events/tlb/tlb_flush/enable"
#define NOTIFICATIONS	"events/kvm/kvm_unmap_hva_range/enable"

struct count_case {
	const char *name;
	struct pattern pattern;
	struct query query;
};

struct counts {
	size_t flushes;
	size_t calls;
	size_t bytes;
};

static bool trace_write(const char *name, const char *text)
{
	char path[128];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), TRACING "%s", name);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = write(fd, text, strlen(text));
	close(fd);
	return len == (ssize_t)strlen(text);
}

static void count_line(const char *line, struct counts *counts)
{
	const char *range = strstr(line, "unmap range: ");
	unsigned long start, end;

	if (strstr(line, " tlb_flush: "))
		counts->flushes++;
	if (range && sscanf(range, "unmap range: %lx -- %lx", &start, &end) == 2) {
		counts->calls++;
		counts->bytes += end - start;
	}
}

static struct counts read_trace(void)
{
	struct counts counts = { 0 };
	char line[512];
	FILE *file;

	file = fopen(TRACING "trace", "r");
	must(file, "reading the trace");
	while (fgets(line, sizeof(line), file))
		count_line(line, &counts);
	fclose(file);
	return counts;
}

/* Only this thread; the events of others are of no interest. */
static bool trace_setup(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	return trace_write("set_event_pid", pid) && trace_write(FLUSHES, "1");
}

static void trace_end(void)
{
	trace_write(FLUSHES, "0");
	trace_write(NOTIFICATIONS, "0");
	trace_write("set_event_pid", "");
	trace_write("trace", "");
}

static void report_one(const char *what, const char *name, double value)
{
	char workload[64];

	snprintf(workload, sizeof(workload), "%s-%s", what, name);
	report(workload, WAY_SCAN, "scan", value, 1, 0);
}

static void count(struct area *area, const struct count_case *scan,
		  bool notified)
{
	const struct pm_scan_arg arg = query_arg(&scan->query,
						 &area->mem.range);
	struct counts counts;

	area_pattern(area, scan->pattern);
	area_arm(area);
	area_write(area);
	must(trace_write("trace", ""), "emptying the trace");
	trace_write("tracing_on", "1");
	must(scan_range(area->mem.range.pagemap, &arg, false) >= 0, "scan");
	trace_write("tracing_on", "0");
	counts = read_trace();
	trace_write("tracing_on", "1");
	report_one("tlb-flushes", scan->name, counts.flushes);
	if (!notified)
		return;
	report_one("notifier-calls", scan->name, counts.calls);
	report_one("notifier-pages", scan->name, counts.bytes / 4096);
}

/* Whoever has a virtual machine is told of what changes in his memory. */
static int make_vm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm;

	if (kvm < 0)
		return -1;
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	close(kvm);
	return vm;
}

void bench_counts(void)
{
	static const struct count_case cases[] = {
		{ "get-all", PATTERN_ALL, QUERY_WRITTEN },
		{ "take-all", PATTERN_ALL, QUERY_TAKE },
		{ "take-none", PATTERN_NONE, QUERY_TAKE },
		{ "take-alternate", PATTERN_ALTERNATE, QUERY_TAKE },
		{ "take-1%-sequential", { ORDER_SEQUENTIAL, 1 }, QUERY_TAKE },
		{ "take-1%-random", { ORDER_RANDOM, 1 }, QUERY_TAKE },
		{ "clear-all", PATTERN_ALL, QUERY_CLEAR },
		{ "clear-none", PATTERN_NONE, QUERY_CLEAR },
	};
	const char *reason;
	struct area area;
	bool notified;
	size_t i;
	int vm;

	if (!wanted("counts"))
		return;
	if (!trace_setup()) {
		unmeasured("tlb-flushes-*", WAY_SCAN, "no tracepoint tlb:tlb_flush");
		return;
	}
	vm = make_vm();
	notified = vm >= 0 && trace_write(NOTIFICATIONS, "1");
	if (!notified)
		unmeasured("notifier-*", WAY_SCAN, "no virtual machine to be told");
	reason = area_make(&area, &memory_anon, AREA_PAGES, MEMORY_WRITTEN);
	must(!reason, reason);
	area_track(&area);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		count(&area, &cases[i], notified);
	area_free(&area);
	trace_end();
	if (vm >= 0)
		close(vm);
}
