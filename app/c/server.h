/* The server: listens, gives each connection a thread, and ends them all when it is told to stop. */
#ifndef TESTBED_SERVER_H
#define TESTBED_SERVER_H

#include "options.h"

/* Serve until SIGTERM or SIGINT comes, or standard output fails. Returns the exit status of the program. */
int server_run(const struct options *options);

#endif
