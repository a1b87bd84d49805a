/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A script of SQL, run one transaction at a time. A statement outside of BEGIN
 * and COMMIT is a transaction of its own; the comment right above a transaction
 * is its title.
 */
#ifndef DEMO_SCRIPT_H
#define DEMO_SCRIPT_H

#include <stdbool.h>
#include <sqlite3.h>

#define TITLE_SIZE	25

struct script {
	const char *name;
	const char *text;
	char *loaded;		/* the text, unless it is built in */
	const char *next;
	char title[TITLE_SIZE];
};

void script_load(struct script *s, const char *path);
void script_free(struct script *s);
bool script_transaction(struct script *s, sqlite3 *db);

#endif
