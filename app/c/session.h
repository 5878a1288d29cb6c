/* One connection of a server, from accept to close: read, decode, print, pause. Runs in a thread of its own. */
#ifndef TESTBED_SESSION_H
#define TESTBED_SESSION_H

#include "conn.h"
#include "events.h"
#include "options.h"

#include <stdatomic.h>

/* Shared by all connections of a server. */
struct session_stop {
    atomic_bool asked;
    atomic_bool output_failed;
    int fd; /* readable once a stop is asked for */
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

/* Serve until the stream ends, the peer breaks the format or the connection, or a stop is asked for (and the socket
 * shut down, by whoever asks). What went wrong is one line on standard error. */
void session_serve(struct session *session);

/* Close the socket and write the event log. */
void session_close(struct session *session);

/* Write the event log of a session whose thread is stuck, just before the program ends. Nothing is freed: should that
 * thread come free after all, it finds what it needs. */
void session_abandon(struct session *session);

#endif
