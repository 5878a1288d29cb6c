/* What one lane of the data path does to its frames: no descriptor, no clock.
 *
 * netem/pipeline is the reference: the same arrivals have the same fate, the same times and the same counters here, and
 * a test compares them. What needs a draw, a filter or a rate stays there.
 *
 * Free buffers are kept on a stack: the next frame is read into the memory sent last, which is still in the cache. */
#ifndef NETEM_LANE_H
#define NETEM_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VNET_HEADER_BYTES = 10,
    MAX_FRAME_BYTES = 65536 + 512, /* as in devices.py */
    SMALL_BYTES = 2048,            /* a frame up to this length does not hold a large buffer while it waits */
    MAX_SAMPLES = 4096,
    NEVER = -1, /* instead of the time of arrival: exempt, so its delay is not recorded */
};

/* What Python sees of a lane, and sets between two runs; LaneState in datapath.py is its mirror. */
struct state {
    int64_t delay_ns, limit_packets, exempts_nd;
    int64_t packets_in, bytes_in, packets_out, exempt, delayed, dropped_limit, queue_packets_max;
    int64_t delays, min_ns, max_ns, stride, until_next, kept;
    int64_t samples[MAX_SAMPLES];
};

struct buffer {
    struct buffer *next;
    int64_t arrived_ns, wire_bytes;
    size_t length;
    bool small;
    unsigned char data[];
};

struct pool {
    struct buffer *small, *large; /* free ones, the last freed first */
    size_t large_kept;
};

struct fifo {
    struct buffer *first, **end;
};

struct place {
    int64_t due_ns;
    uint64_t number; /* equal times leave in order of arrival */
    struct buffer *buffer;
};

struct lane {
    struct state state;
    struct pool *pool;
    struct fifo ready;
    struct place *heap;
    size_t count, places;
    uint64_t number;
};

struct buffer *pool_get(struct pool *pool, bool small);
struct buffer *pool_copy(struct pool *pool, const unsigned char *frame, size_t length);
void pool_put(struct pool *pool, struct buffer *buffer);
void pool_close(struct pool *pool);

void fifo_append(struct fifo *fifo, struct buffer *buffer);
struct buffer *fifo_take(struct fifo *fifo);
void fifo_close(struct fifo *fifo);

/* Take a frame that arrives now; the buffer is the lane's from then on, also when -ENOMEM is returned. */
int lane_push(struct lane *lane, struct buffer *buffer, int64_t now_ns);
/* Move what is due to `outgoing`, in the order in which it leaves. */
void lane_pop(struct lane *lane, int64_t now_ns, struct fifo *outgoing);
/* Take a frame as another lane held it; the buffer is the lane's from then on, also when -ENOMEM is returned. */
int lane_put(struct lane *lane, struct buffer *buffer, int64_t due_ns);
/* Give up the frame that leaves next, NULL when none is left. */
struct buffer *lane_take(struct lane *lane, int64_t *due_ns);
int64_t lane_next_due(const struct lane *lane); /* INT64_MAX when nothing waits */
int64_t lane_queued(const struct lane *lane);
void lane_close(struct lane *lane);

#endif
