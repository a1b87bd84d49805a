// SPDX-License-Identifier: GPL-2.0
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "database.h"
#include "demo.h"
#include "digest.h"
#include "sqlite_arena.h"

/* Start SQLite in @a, for good, and open the database there, new or not. */
sqlite3 *database_open(struct arena *a)
{
	sqlite3 *db;
	int ret;

	ret = sqlite_use_arena(a);
	if (ret != SQLITE_OK)
		errx(EXIT_TROUBLE, "SQLite does not start: %s", sqlite3_errstr(ret));
	ret = sqlite3_open(DATABASE_NAME, &db);
	if (ret != SQLITE_OK)
		errx(EXIT_TROUBLE, "%s: %s", DATABASE_NAME, sqlite3_errstr(ret));

	/* Else sorting and VACUUM would put temporary files on the disk. */
	database_exec(db, "PRAGMA temp_store = memory");
	return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		errx(EXIT_FAILED, "%s: %s", sql, sqlite3_errmsg(db));
	return stmt;
}

static bool step(sqlite3 *db, sqlite3_stmt *stmt)
{
	switch (sqlite3_step(stmt)) {
	case SQLITE_ROW:
		return true;
	case SQLITE_DONE:
		return false;
	default:
		errx(EXIT_FAILED, "%s: %s", sqlite3_sql(stmt), sqlite3_errmsg(db));
	}
}

void database_exec(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		errx(EXIT_FAILED, "%s: %s", sql, sqlite3_errmsg(db));
}

/* Does SQLite find the whole file in order? Prints what it finds otherwise. */
bool database_sound(sqlite3 *db, FILE *out)
{
	sqlite3_stmt *stmt = prepare(db, "PRAGMA integrity_check");
	bool sound = false;
	const char *text;

	while (step(db, stmt)) {
		text = (const char *)sqlite3_column_text(stmt, 0);
		sound = text && !strcmp(text, "ok");
		if (!sound)
			fprintf(out, "  integrity_check: %s\n", text ? text : "NULL");
	}
	sqlite3_finalize(stmt);
	return sound;
}

/* Print the answer to a query: a row a line, with | before and between. */
void database_ask(sqlite3 *db, const char *sql, FILE *out)
{
	sqlite3_stmt *stmt = prepare(db, sql);
	const unsigned char *text;
	int i;

	while (step(db, stmt)) {
		fprintf(out, "  |");
		for (i = 0; i < sqlite3_column_count(stmt); i++) {
			text = sqlite3_column_text(stmt, i);
			fprintf(out, "%s %s", i ? " |" : "", text ? (const char *)text : "NULL");
		}
		fputc('\n', out);
	}
	sqlite3_finalize(stmt);
}

static void report_table(sqlite3 *db, const char *name, FILE *out)
{
	__u64 digest = DIGEST_START;
	unsigned long rows = 0;
	sqlite3_stmt *stmt;
	const void *value;
	char *sql;
	int i;

	sql = sqlite3_mprintf("SELECT * FROM \"%w\"", name);
	if (!sql)
		errx(EXIT_TROUBLE, "out of memory");
	stmt = prepare(db, sql);
	while (step(db, stmt)) {
		for (i = 0; i < sqlite3_column_count(stmt); i++) {
			/* In this order: reading it as a blob may change the type. */
			digest = digest_word(digest, sqlite3_column_type(stmt, i));
			value = sqlite3_column_blob(stmt, i);
			digest = digest_bytes(digest, value ? value : "",
					      sqlite3_column_bytes(stmt, i));
		}
		rows++;
	}
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
	fprintf(out, "  | %-28s %7lu rows, digest %016llx\n", name, rows, digest);
}

/*
 * Print what is in the database: rows and digest of each table and, if it has a
 * view of that name, its "report". Two databases that print the same are the
 * same to anybody who asks.
 */
void database_report(sqlite3 *db, FILE *out)
{
	sqlite3_stmt *stmt;

	stmt = prepare(db,
		       "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name");
	while (step(db, stmt))
		report_table(db, (const char *)sqlite3_column_text(stmt, 0), out);
	sqlite3_finalize(stmt);

	stmt = prepare(db, "SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = 'report'");
	if (step(db, stmt))
		database_ask(db, "SELECT * FROM report", out);
	sqlite3_finalize(stmt);
}
