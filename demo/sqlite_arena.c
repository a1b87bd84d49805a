// SPDX-License-Identifier: GPL-2.0
/*
 * The two sets of functions through which SQLite asks for memory and for files.
 * They have SQLite's names for things; nothing else in the demo does.
 */
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>

#include "disk.h"
#include "sqlite_arena.h"

/* SQLite gives these functions no argument in which to pass it. */
static struct arena *the_arena;

/* Memory */

static void *mem_malloc(int size)
{
	return arena_alloc(the_arena, size);
}

static void mem_free(void *p)
{
	arena_free(the_arena, p);
}

static void *mem_realloc(void *p, int size)
{
	void *q;

	if ((size_t)size <= arena_usable(p))
		return p;
	q = arena_alloc(the_arena, size);
	if (!q)
		return NULL;
	memcpy(q, p, arena_usable(p));
	arena_free(the_arena, p);
	return q;
}

static int mem_size(void *p)
{
	return p ? arena_usable(p) : 0;
}

static int mem_roundup(int size)
{
	return (size + 15) & ~15;
}

static int mem_init(void *data)
{
	return SQLITE_OK;
}

static void mem_shutdown(void *data)
{
}

/* Files. There is one process and one connection, so locks have nothing to do. */

struct open_file {
	sqlite3_file base;
	int number;		/* on the arena's disk */
	int temporary;
};

static int number_of(sqlite3_file *f)
{
	return ((struct open_file *)f)->number;
}

static int file_close(sqlite3_file *f)
{
	struct open_file *o = (struct open_file *)f;

	if (o->temporary)
		disk_unlink(the_arena, o->number);
	return SQLITE_OK;
}

static int file_read(sqlite3_file *f, void *buf, int n, sqlite3_int64 at)
{
	size_t got = disk_read(the_arena, number_of(f), buf, n, at);

	if (got == (size_t)n)
		return SQLITE_OK;
	memset((char *)buf + got, 0, n - got);
	return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *f, const void *buf, int n, sqlite3_int64 at)
{
	return disk_write(the_arena, number_of(f), buf, n, at) ? SQLITE_OK : SQLITE_FULL;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return disk_truncate(the_arena, number_of(f), size) ? SQLITE_OK : SQLITE_FULL;
}

static int file_sync(sqlite3_file *f, int flags)
{
	return SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
	*size = disk_size(the_arena, number_of(f));
	return SQLITE_OK;
}

static int file_lock(sqlite3_file *f, int level)
{
	return SQLITE_OK;
}

static int file_reserved(sqlite3_file *f, int *reserved)
{
	*reserved = 0;
	return SQLITE_OK;
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *f)
{
	return ARENA_PAGE;
}

static int file_device(sqlite3_file *f)
{
	return SQLITE_IOCAP_SAFE_APPEND | SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods file_methods = {
	.iVersion = 1,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_lock,
	.xCheckReservedLock = file_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_device,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
		    int *out_flags)
{
	struct open_file *o = (struct open_file *)f;

	o->base.pMethods = NULL;
	o->temporary = !name || flags & SQLITE_OPEN_DELETEONCLOSE;
	o->number = name ? disk_lookup(the_arena, name) : -1;
	if (o->number < 0 && flags & SQLITE_OPEN_CREATE)
		o->number = disk_create(the_arena, name);
	if (o->number < 0)
		return SQLITE_CANTOPEN;
	o->base.pMethods = &file_methods;
	if (out_flags)
		*out_flags = flags;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	int number = disk_lookup(the_arena, name);

	if (number < 0)
		return SQLITE_IOERR_DELETE_NOENT;
	disk_unlink(the_arena, number);
	return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *can)
{
	*can = disk_lookup(the_arena, name) >= 0;
	return SQLITE_OK;
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int room, char *out)
{
	if (strlen(name) >= (size_t)room)
		return SQLITE_CANTOPEN;
	strcpy(out, name);
	return SQLITE_OK;
}

/* No chance and no clock: each run writes the same pages. */
static int vfs_random(sqlite3_vfs *vfs, int n, char *out)
{
	memset(out, 0x5a, n);
	return n;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
	return microseconds;
}

static int vfs_time(sqlite3_vfs *vfs, double *julian_day)
{
	*julian_day = 2459928.5;
	return SQLITE_OK;
}

static int vfs_error(sqlite3_vfs *vfs, int n, char *out)
{
	return 0;
}

int sqlite_use_arena(struct arena *a)
{
	static const sqlite3_mem_methods mem_methods = {
		.xMalloc = mem_malloc,
		.xFree = mem_free,
		.xRealloc = mem_realloc,
		.xSize = mem_size,
		.xRoundup = mem_roundup,
		.xInit = mem_init,
		.xShutdown = mem_shutdown,
	};
	static sqlite3_vfs vfs = {
		.iVersion = 1,
		.szOsFile = sizeof(struct open_file),
		.mxPathname = DISK_NAME,
		.zName = "arena",
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full_name,
		.xRandomness = vfs_random,
		.xSleep = vfs_sleep,
		.xCurrentTime = vfs_time,
		.xGetLastError = vfs_error,
	};
	int ret;

	the_arena = a;
	ret = sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	if (ret == SQLITE_OK)
		ret = sqlite3_config(SQLITE_CONFIG_MALLOC, &mem_methods);
	if (ret == SQLITE_OK)
		ret = sqlite3_initialize();
	if (ret == SQLITE_OK)
		ret = sqlite3_vfs_register(&vfs, 1);
	return ret;
}

/*
 * Takes the place of dlopen() (ld --wrap) for SQLite's loader of extensions: a
 * static program has nothing to load them with.
 */
void *__wrap_dlopen(const char *name, int flags);
void *__wrap_dlopen(const char *name, int flags)
{
	return NULL;
}
