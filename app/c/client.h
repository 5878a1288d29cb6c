/* The client: connects, sends the list in chunks, says how long each took, and waits until everything was read. */
#ifndef TESTBED_CLIENT_H
#define TESTBED_CLIENT_H

#include "options.h"

/* Send it all, or until SIGTERM or SIGINT. Returns the exit status of the program. */
int client_run(const struct options *options);

#endif
