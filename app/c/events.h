/* The event log: each call on the connection with its bytes and times, as CSV.
 *
 * Events are collected in memory and written in batches. Logging a call costs one store while it is timed, and the
 * memory of a log does not grow with the length of a run. Times are CLOCK_MONOTONIC, in nanoseconds. */
#ifndef TESTBED_EVENTS_H
#define TESTBED_EVENTS_H

#include <stddef.h>
#include <stdint.h>

/* Events per batch: 40 bytes each, and the space for their text. A batch stays in the processor's cache and is written
 * within some tens of microseconds. */
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
    int fd; /* -1: no log was requested, or writing it failed */
    int error; /* errno of the first failure, 0 if none */
    size_t count;
    struct event *batch;
    char *text;
};

/* The current CLOCK_MONOTONIC time, in nanoseconds. */
uint64_t monotonic_ns(void);

/* Open a log at `path`, truncate it and write its first lines; NULL disables the log. Returns 0, or -1 with errno set;
 * the log is then disabled: it discards events. */
int event_log_open(struct event_log *log, const char *path);

/* Add one event: `bytes` of this call, `total_bytes` of this connection so far. */
void event_log_add(struct event_log *log, enum event_op op, uint64_t start_ns, uint64_t end_ns, uint64_t bytes,
                   uint64_t total_bytes);

/* Write the collected events, and keep the log open. event_log_close() reports a failure. */
void event_log_flush(struct event_log *log);

/* Write the remaining events and free everything. Returns 0, or -1 with errno set if any event was lost. */
int event_log_close(struct event_log *log);

#endif
