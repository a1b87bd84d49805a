/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SQLite inside an arena: its heap is the arena's, its files are on the arena's
 * disk. What the process keeps outside is SQLite's own static data.
 */
#ifndef DEMO_DATABASE_H
#define DEMO_DATABASE_H

#include <stdbool.h>
#include <stdio.h>
#include <sqlite3.h>
#include "arena.h"

#define DATABASE_NAME	"demo.db"

sqlite3 *database_open(struct arena *a);
void database_exec(sqlite3 *db, const char *sql);
bool database_sound(sqlite3 *db, FILE *out);
void database_ask(sqlite3 *db, const char *sql, FILE *out);
void database_report(sqlite3 *db, FILE *out);

#endif
