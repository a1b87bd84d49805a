/* SPDX-License-Identifier: GPL-2.0 */
/* Text within other languages. */
#ifndef PAGESCAN_OUTPUT_H
#define PAGESCAN_OUTPUT_H

#include <stdio.h>

/* Quoted and escaped; text is clean (see clean_text()) but for what these need. */
void json_string(FILE *out, const char *text);
void csv_string(FILE *out, const char *text);
void xml_text(FILE *out, const char *text);

#endif
