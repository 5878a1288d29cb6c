/* What the server prints on standard output. The lines are part of the contract in docs/programs.md. */
#ifndef TESTBED_PRINT_H
#define TESTBED_PRINT_H

#include "options.h"
#include "wire.h"

#include <stdio.h>

/* How many titles of a list must be kept for printing. */
uint32_t print_title_count(enum print print);

/* Print the list just completed, with its digest if `verbose`, without lines of other threads in between, and flush.
 * Returns 0, or -1 with errno set. */
int print_list(struct wire_decoder *decoder, enum print print, bool verbose, FILE *out);

/* Print that the stream ended correctly, and flush. Returns 0, or -1 with errno set. */
int print_end(FILE *out);

#endif
