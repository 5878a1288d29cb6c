/* The client: it connects, sends the list in chunks, prints how long each took, and waits for the server to close. */
#ifndef TESTBED_CLIENT_H
#define TESTBED_CLIENT_H

#include "options.h"

/* Send everything, or until SIGTERM or SIGINT. Returns the exit code of the program. */
int client_run(const struct options *options);

#endif
