/* The server: it listens, serves each connection in a thread, and shuts all of them down on a stop signal. */
#ifndef TESTBED_SERVER_H
#define TESTBED_SERVER_H

#include "options.h"

/* Serve until SIGTERM or SIGINT arrives or standard output fails. Returns the exit code of the program. */
int server_run(const struct options *options);

#endif
