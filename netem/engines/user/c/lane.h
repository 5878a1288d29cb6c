/* One lane of the data path: it delays, exempts, limits and counts frames. It has no descriptor and no clock.
 *
 * netem/pipeline is the reference: from the same arrivals both compute the same drops, times and counters, and a test
 * compares them. Only the pipeline supports draws, filters and rates.
 *
 * The pool is a stack of free buffers: the next frame is read into the memory sent last, which is still in the cache. */
#ifndef NETEM_LANE_H
#define NETEM_LANE_H

#include "lateness.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VNET_HEADER_BYTES = 10,
    MAX_FRAME_BYTES = 65536 + 512, /* the same as in devices.py */
    SMALL_BYTES = 2048,            /* a frame up to this length is copied to a small buffer before it is queued */
    MAX_SAMPLES = 4096,
    EXEMPT = -1, /* as arrived_ns: this frame is exempt, and its delay is not recorded */
};

/* The part of a lane that Python reads, and sets between two runs. _LaneState in datapath.py mirrors it. */
struct lane_state {
    int64_t delay_ns, limit_packets, exempts_nd;
    int64_t packets_in, bytes_in, packets_out, exempt, delayed, dropped_limit, queue_packets_max;
    int64_t delays, min_ns, max_ns, stride, until_next, sample_count;
    int64_t samples[MAX_SAMPLES];
    struct lateness lateness;
};

struct buffer {
    struct buffer *next;
    int64_t due_ns, arrived_ns, wire_bytes;
    size_t length;
    bool small;
    unsigned char data[];
};

struct pool {
    struct buffer *small, *large; /* free buffers, the one freed last first */
    size_t free_large;
};

struct fifo {
    struct buffer *first, **end;
};

struct heap_entry {
    int64_t due_ns;
    uint64_t number; /* equal times leave in order of arrival */
    struct buffer *buffer;
};

struct lane {
    struct lane_state state;
    struct pool *pool;
    struct fifo ready;
    struct heap_entry *heap;
    size_t count, capacity;
    uint64_t number;
};

struct buffer *pool_get(struct pool *pool, bool small);
struct buffer *pool_copy(struct pool *pool, const unsigned char *frame, size_t length);
void pool_put(struct pool *pool, struct buffer *buffer);
void pool_close(struct pool *pool);

void fifo_append(struct fifo *fifo, struct buffer *buffer);
struct buffer *fifo_pop(struct fifo *fifo);
void fifo_close(struct fifo *fifo);

/* Add a frame that arrives now. The lane owns the buffer from then on, even when it returns -ENOMEM. */
int lane_push(struct lane *lane, struct buffer *buffer, int64_t now_ns);
/* Move the frames that are due to `outgoing`, in the order in which they leave. */
void lane_pop(struct lane *lane, int64_t now_ns, struct fifo *outgoing);
/* Add a frame that another lane exported, in the order of the exports. The lane owns the buffer from then on, even when
 * it returns -ENOMEM. `ready` is that of the export: frames that left the queue in ideal time and wait for lane_pop. */
int lane_import(struct lane *lane, struct buffer *buffer, bool ready);
/* Remove and return the next frame that is ready, or of the queue; NULL when there is none. */
struct buffer *lane_export(struct lane *lane, bool ready);
int64_t lane_next_due(const struct lane *lane); /* INT64_MAX when the lane is empty */
int64_t lane_queued(const struct lane *lane);
void lane_close(struct lane *lane);

#endif
