/* The event log: what each call on the connection did and how long it took, as CSV.
 *
 * Events are kept in memory and written a batch at a time, so that a call costs one store while it is being timed,
 * and the memory of a log does not grow with the length of a run. Times are CLOCK_MONOTONIC, in nanoseconds. */
#ifndef TESTBED_EVENTS_H
#define TESTBED_EVENTS_H

#include <stddef.h>
#include <stdint.h>

/* A batch: 40 bytes an event, and as much text as they can become. Few enough to stay in the processor's cache, and to be
 * written within some tens of microseconds. */
#define EVENT_BATCH 1024u

enum event_op {
    EVENT_CONNECT,
    EVENT_ACCEPT,
    EVENT_WRITE,
    EVENT_READ,
    EVENT_SLEEP,
    EVENT_EOF,
    EVENT_CLOSE,
};

struct event {
    uint64_t start_ns;
    uint64_t end_ns;
    uint64_t bytes;
    uint64_t total_bytes;
    enum event_op op;
};

struct event_log {
    int fd; /* -1: no log is wanted, or writing it has failed */
    int error; /* errno of the first failure, 0 so far */
    size_t count;
    struct event *batch;
    char *text;
};

/* Now, in nanoseconds of CLOCK_MONOTONIC. */
uint64_t monotonic_ns(void);

/* Open a log at `path` (which is emptied) and write its first lines; NULL means that none is wanted. Returns 0, or -1
 * with errno set, and then the log is as if none were wanted: it takes events and drops them. */
int event_log_open(struct event_log *log, const char *path);

/* Add one event: `bytes` by this call, `total_bytes` on this connection so far. */
void event_log_add(struct event_log *log, enum event_op op, uint64_t start_ns, uint64_t end_ns, uint64_t bytes,
                   uint64_t total_bytes);

/* Write what there is, and keep the log open. A failure is told when it is closed. */
void event_log_flush(struct event_log *log);

/* Write what is left and free everything. Returns 0, or -1 with errno set when any event was lost. */
int event_log_close(struct event_log *log);

#endif
