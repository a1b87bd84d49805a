/* SPDX-License-Identifier: GPL-2.0 */
	.section .rodata
	.global	workload_sql
workload_sql:
	.incbin	"workload.sql"
	.byte	0
	.section .note.GNU-stack, "", @progbits
