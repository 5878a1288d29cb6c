/* What both programs begin with. */
#ifndef TESTBED_PROGRAM_H
#define TESTBED_PROGRAM_H

#include "options.h"

/* Read the options of this role and run. Returns the exit status: 0 done, 1 failed or usage error, 127 unsupported. */
int program_main(enum role role, int (*run)(const struct options *options), int count, char *const arguments[]);

#endif
