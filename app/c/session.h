/* One connection of the server in its own thread, from accept to close: read, decode, print, wait the read delay. */
#ifndef TESTBED_SESSION_H
#define TESTBED_SESSION_H

#include "conn.h"
#include "events.h"
#include "options.h"

#include <stdatomic.h>

/* Shared by all connections of a server. */
struct session_stop {
    atomic_bool requested;
    atomic_bool output_failed;
    int fd; /* readable once a stop is requested */
};

struct session {
    const struct options *options;
    struct session_stop *stop;
    uint64_t hash_seed;
    int fd;
    uint64_t total_bytes;
    struct event_log log;
    char peer[CONN_NAME_BYTES];
};

/* Serve until the stream ends, the peer violates the format or resets the connection, or a stop is requested. The
caller that requests the stop also shuts the socket down. An error is one line on standard error. */
void session_serve(struct session *session);

/* Close the socket and write the event log. */
void session_close(struct session *session);

/* Write the event log of a session whose thread is stuck, just before the program exits. It frees nothing, because
 * the thread may still use it. */
void session_abandon(struct session *session);

#endif
