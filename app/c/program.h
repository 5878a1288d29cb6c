/* The common start of both programs. */
#ifndef TESTBED_PROGRAM_H
#define TESTBED_PROGRAM_H

#include "options.h"

/* Read the options of this role and run. Returns the exit code: 0 success, 1 error or usage error, 127 unsupported. */
int program_main(enum role role, int (*run)(const struct options *options), int count, char *const arguments[]);

#endif
