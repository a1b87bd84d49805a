// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo.h"
#include "script.h"

/* workload.sql, by workload.S */
extern const char workload_sql[];

static char *read_file(const char *path)
{
	size_t room = 1 << 16;
	size_t size = 0;
	char *text = NULL;
	FILE *f;

	f = fopen(path, "r");
	if (!f)
		err(EXIT_TROUBLE, "%s", path);
	do {
		room *= 2;
		text = realloc(text, room);
		if (!text)
			errx(EXIT_TROUBLE, "out of memory");
		size += fread(text + size, 1, room - 1 - size, f);
	} while (size == room - 1);
	if (ferror(f))
		err(EXIT_TROUBLE, "%s", path);
	fclose(f);
	text[size] = '\0';
	return text;
}

/* NULL for @path: the script that is built in. */
void script_load(struct script *s, const char *path)
{
	s->name = path ? path : "workload.sql";
	s->loaded = path ? read_file(path) : NULL;
	s->text = path ? s->loaded : workload_sql;
	s->next = s->text;
}

void script_free(struct script *s)
{
	free(s->loaded);
}

/* Go to the next statement; the last comment line on the way is the title. */
static void skip_comments(struct script *s)
{
	const char *p = s->next;
	size_t length;

	s->title[0] = '\0';
	for (;;) {
		p += strspn(p, " \t\r\n");
		if (strncmp(p, "--", 2))
			break;
		p += 2 + strspn(p + 2, " \t");
		length = strcspn(p, "\r\n");
		snprintf(s->title, sizeof(s->title), "%.*s", (int)length, p);
		p += length;
	}
	s->next = p;
	if (!s->title[0])
		snprintf(s->title, sizeof(s->title), "%.*s", (int)strcspn(p, ";\r\n"), p);
}

static void fail(const struct script *s, sqlite3 *db, const char *what)
{
	unsigned int line = 1;
	const char *p;

	for (p = s->text; p < s->next; p++)
		line += *p == '\n';
	errx(EXIT_TROUBLE, "%s:%u: %s", s->name, line, what ? what : sqlite3_errmsg(db));
}

/* Run the next statement. False: there is none. */
static bool run_statement(struct script *s, sqlite3 *db)
{
	sqlite3_stmt *stmt;
	const char *tail;
	int ret;

	if (sqlite3_prepare_v2(db, s->next, -1, &stmt, &tail) != SQLITE_OK)
		fail(s, db, NULL);
	if (!stmt)
		return false;

	do {
		ret = sqlite3_step(stmt);
	} while (ret == SQLITE_ROW);
	if (ret != SQLITE_DONE)
		fail(s, db, NULL);
	sqlite3_finalize(stmt);
	s->next = tail;
	return true;
}

/* Run one whole transaction. False: the script is at its end. */
bool script_transaction(struct script *s, sqlite3 *db)
{
	skip_comments(s);
	if (!*s->next)
		return false;
	do {
		if (!run_statement(s, db)) {
			if (sqlite3_get_autocommit(db))
				return false;
			fail(s, db, "the script ends inside a transaction");
		}
	} while (!sqlite3_get_autocommit(db));
	return true;
}
