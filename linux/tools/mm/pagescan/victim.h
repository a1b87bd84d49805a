/* SPDX-License-Identifier: GPL-2.0 */
/* What the modes of victim share; see victim.c */
#ifndef PAGESCAN_VICTIM_H
#define PAGESCAN_VICTIM_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE		4096

/* It was told to end; system calls fail for that. */
extern volatile sig_atomic_t told;

void wrong(const char *what) __attribute__((noreturn));
/* Wrong if not ok, unless it was told to end. */
void need(bool ok, const char *what);
uint64_t now_ns(void);
/* It is not told to end, and its time is not over. */
bool more(void);
double seconds_left(void);
void ready(const void *address);
char *map(size_t pages);
/* All registers keep what they have; true if they did. */
bool registers_keep(uint64_t rounds);

/* victim_odd.c */
void mode_seccomp(void);
void mode_dispatch(void);
void mode_taken(void);
void mode_all_taken(void);
void mode_sparse(void);
void mode_sigsys(void);
void mode_wow(void);
void mode_vfork(void);
void mode_thread_exec(void);
void mode_then_exec(void);
void mode_trace(void);
void mode_fork_thread(void);
void mode_name(void);

#endif
