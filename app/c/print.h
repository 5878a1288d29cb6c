/* What a server says about a list on standard output: the lines are part of the contract in docs/programs.md. */
#ifndef TESTBED_PRINT_H
#define TESTBED_PRINT_H

#include "options.h"
#include "wire.h"

#include <stdio.h>

/* How many titles of a list have to be kept for this. */
uint32_t print_titles_kept(enum print print);

/* Print the list that is just complete, all its lines in one piece, and flush; its digest too when `verbose`. Returns
 * 0, or -1 with errno set. */
int print_list(struct wire_decoder *decoder, enum print print, bool verbose, FILE *out);

/* Print that the stream has ended as it should, and flush. Returns 0, or -1 with errno set. */
int print_ending(FILE *out);

#endif
