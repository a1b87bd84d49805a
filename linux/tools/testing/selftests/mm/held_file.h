/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A file whose reads wait until they are told to go on, for tests of what
 * happens to memory that a read is about to fill.
 *
 * It is a FUSE file with direct I/O: a read takes the pages that it goes to,
 * and only then asks the server, which is a process of its own.  While that does
 * not answer, the read is in flight.
 */
#ifndef _SELFTESTS_MM_HELD_FILE_H
#define _SELFTESTS_MM_HELD_FILE_H

#include <sys/types.h>

/* What the file consists of. */
#define HELD_BYTE	'd'

struct held_file {
	int fd;
	int from_server;
	int to_server;
	pid_t server;
};

/*
 * Returns NULL, or why there cannot be one.  Call it before there is any memory
 * under test: the server is a child, and would share it.
 */
const char *held_file_open(struct held_file *file);
/* Waits until a read is in flight, and lets it go on; 0 or -errno. */
int held_file_wait(struct held_file *file);
int held_file_let_go(struct held_file *file);
/* What is still in flight fails. */
void held_file_close(struct held_file *file);

#endif
