/* One lane of the data path: it impairs, queues and counts frames. It has no descriptor and no clock.
 *
 * netem/pipeline is the reference: from the same arrivals, draws and tables both compute the same drops, copies, times and
 * counters, and a test compares them. What is not in `struct stages` only the pipeline supports. */
#ifndef NETEM_LANE_H
#define NETEM_LANE_H

#include "admission.h"
#include "buffer.h"
#include "lateness.h"
#include "queue.h"
#include "timing.h"

enum {
    MAX_SAMPLES = 4096,
    EXEMPT = -1, /* as arrived_ns: this frame is exempt, and its delay is not recorded */
};

struct counters {
    int64_t packets_in, bytes_in, packets_out, exempt, delayed, dropped_loss, dropped_limit, duplicated, reordered;
    int64_t queue_packets_max;
};

struct delays {
    int64_t packets, min_ns, max_ns, stride, until_next, sample_count;
    int64_t samples[MAX_SAMPLES];
};

struct limit {
    int64_t on, limit_packets; /* always on */
};

/* Configuration and state, draws included. Those of the stages that are not `on` have no meaning. */
struct stages {
    int64_t exempts_nd;
    struct limit limit;
    struct duplicate duplicate;
    struct loss loss;
    struct timing timing;
};

/* The part of a lane that Python reads, and sets between two runs. lane_state.py mirrors it. */
struct lane_state {
    struct stages stages;
    struct counters counters;
    struct delays delays;
    struct lateness lateness;
};

struct lane {
    struct lane_state state;
    struct pool *pool;
    struct fifo ready; /* frames that left the queue in ideal time and wait for lane_pop */
    struct queue queue;
};

/* Add a frame that arrives now. The lane owns the buffer from then on, even when it returns -ENOMEM. */
int lane_push(struct lane *lane, struct buffer *buffer, int64_t now_ns);
/* Move the frames that are due to `outgoing`, in the order in which they leave. */
void lane_pop(struct lane *lane, int64_t now_ns, struct fifo *outgoing);
/* Add a frame that another lane exported, in the order of the exports. The lane owns the buffer from then on, even when
 * it returns -ENOMEM. `ready` is that of the export. */
int lane_import(struct lane *lane, struct buffer *buffer, bool ready);
/* Remove and return the next frame that is ready, or of the queue; NULL when there is none. */
struct buffer *lane_export(struct lane *lane, bool ready);
int64_t lane_next_due(const struct lane *lane); /* NO_TIME when the lane is empty */
int64_t lane_queued(const struct lane *lane);
void lane_close(struct lane *lane);

#endif
