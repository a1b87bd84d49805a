// SPDX-License-Identifier: GPL-2.0
/* Is the process in a control group that is frozen? See target.h */
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>

#include "target.h"

/* Where it is in the hierarchy of version 2, and in that of the freezer. */
struct groups {
	char unified[PATH_MAX];
	char freezer[PATH_MAX];
};

static bool has_word(const char *list, const char *word)
{
	const size_t len = strlen(word);

	for (; *list; list += strcspn(list, ","), list += *list == ',')
		if (strcspn(list, ",") == len && !strncmp(list, word, len))
			return true;
	return false;
}

/* Lines are NUMBER:CONTROLLERS:PATH; version 2 has the number 0. */
static void read_groups(pid_t pid, struct groups *groups)
{
	char path[40], line[PATH_MAX + 256], *controllers, *where;
	FILE *file;

	groups->unified[0] = '\0';
	groups->freezer[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		controllers = strchr(line, ':');
		where = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!where)
			continue;
		*where++ = '\0';
		if (!strcmp(line, "0:"))
			snprintf(groups->unified, sizeof(groups->unified), "%s", where);
		else if (has_word(controllers + 1, "freezer"))
			snprintf(groups->freezer, sizeof(groups->freezer), "%s", where);
	}
	fclose(file);
}

/* The first byte of a file of a group; 0 if it cannot be read. */
static int first_byte(const char *mount, const char *group, const char *name)
{
	char path[2 * PATH_MAX];
	FILE *file;
	int byte;

	snprintf(path, sizeof(path), "%s%s/%s", mount, group, name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	byte = getc(file);
	fclose(file);
	return byte == EOF ? 0 : byte;
}

/* It, or a group above it. */
static bool unified_frozen(const char *mount, char *group)
{
	char *end = group + strlen(group);

	while (end > group) {
		*end = '\0';
		if (first_byte(mount, group, "cgroup.freeze") == '1')
			return true;
		end = strrchr(group, '/');
		if (!end)
			break;
	}
	return false;
}

bool target_frozen(pid_t pid)
{
	struct groups groups;
	struct mntent *entry;
	bool frozen = false;
	FILE *mounts;

	read_groups(pid, &groups);
	mounts = setmntent("/proc/self/mounts", "re");
	if (!mounts)
		return false;
	while (!frozen && (entry = getmntent(mounts))) {
		if (!strcmp(entry->mnt_type, "cgroup2"))
			frozen = unified_frozen(entry->mnt_dir, groups.unified);
		else if (!strcmp(entry->mnt_type, "cgroup") && hasmntopt(entry, "freezer"))
			/* FREEZING, FROZEN or THAWED, of those above it, too */
			frozen = first_byte(entry->mnt_dir, groups.freezer,
					    "freezer.state") == 'F';
	}
	endmntent(mounts);
	return frozen;
}
