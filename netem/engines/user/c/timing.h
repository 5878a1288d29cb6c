/* When packets are due. The reference is netem/pipeline/reorder.py, delay.py, rate.py and keep_order.py.
 *
 * Python's integers are unbounded. Here a time beyond MAX_DUE_NS, 292 years, is MAX_DUE_NS. */
#ifndef NETEM_TIMING_H
#define NETEM_TIMING_H

#include "draws.h"
#include "queue.h"

#define MAX_DUE_NS (NO_TIME - 1)

/* lane_state.py mirrors them. */
struct reorder {
    int64_t on, gap, delayed;
    uint64_t threshold;
    struct draws draws;
};

struct delay {
    int64_t on, delay_ns, jitter_ns;
    const int64_t *offsets; /* what the entries of the table add; NULL: a uniform draw. The memory is Python's. */
    int64_t offset_count;
    struct draws draws;
};

struct rate {
    int64_t on, rate_bps, overhead_bytes, cell_bytes, cell_overhead_bytes;
};

struct keep_order {
    int64_t on, last_due_ns;
};

struct timing {
    struct reorder reorder;
    struct delay delay;
    struct rate rate;
    struct keep_order keep_order;
};

/* Return whether a packet overtakes the queue. */
bool reorder_drawn(struct reorder *reorder);
/* Return the delay of a packet, which may be negative. */
int64_t delay_drawn(struct delay *delay);
/* Return when a packet is due that does not overtake. `last_due_ns` is the latest due time in the queue, or NO_TIME. */
int64_t due_time(struct timing *timing, int64_t arrived_ns, int64_t delay_ns, int64_t wire_bytes, int64_t last_due_ns);

#endif
