#include "timing.h"

#include <stddef.h>

#define NS_BITS INT64_C(8000000000)

__extension__ typedef __int128 wide; /* the largest product, bytes in cells times NS_BITS, has 98 bits */

static int64_t saturated(wide time_ns)
{
    return time_ns < MAX_DUE_NS ? (int64_t)time_ns : MAX_DUE_NS;
}

static int64_t later(int64_t a_ns, int64_t b_ns)
{
    return a_ns > b_ns ? a_ns : b_ns;
}

bool reorder_drawn(struct reorder *reorder)
{
    if (!reorder->on)
        return false;
    bool inside_gap = reorder->delayed < reorder->gap - 1;
    if (reorder->threshold == 0 || inside_gap || reorder->threshold < draws_next(&reorder->draws)) {
        reorder->delayed++;
        return false;
    }
    reorder->delayed = 0;
    return true;
}

int64_t delay_drawn(struct delay *delay)
{
    if (!delay->on)
        return 0;
    if (delay->jitter_ns == 0)
        return delay->delay_ns;
    int64_t drawn = draws_next(&delay->draws);
    wide sum = delay->delay_ns;
    if (delay->offsets == NULL)
        sum += drawn % (2 * delay->jitter_ns) - delay->jitter_ns;
    else
        sum += delay->offsets[drawn % delay->offset_count];
    return saturated(sum);
}

static wide transmission_ns(const struct rate *rate, int64_t wire_bytes)
{
    wide bytes = wire_bytes + rate->overhead_bytes;
    if (bytes < 0)
        bytes = 0;
    if (rate->cell_bytes > 0) {
        wide cells = (bytes + rate->cell_bytes - 1) / rate->cell_bytes;
        bytes = cells * (rate->cell_bytes + rate->cell_overhead_bytes);
    }
    return bytes * NS_BITS / rate->rate_bps;
}

int64_t due_time(struct timing *timing, int64_t arrived_ns, int64_t delay_ns, int64_t wire_bytes, int64_t last_due_ns)
{
    const struct rate *rate = &timing->rate;
    struct keep_order *keep_order = &timing->keep_order;
    bool queued = last_due_ns != NO_TIME;
    int64_t due_ns = saturated((wide)arrived_ns + delay_ns);
    if (rate->on) {
        if (queued && last_due_ns > arrived_ns)
            due_ns = later(due_ns, last_due_ns);
        due_ns = saturated(due_ns + transmission_ns(rate, wire_bytes));
    }
    if (keep_order->on) {
        due_ns = later(due_ns, queued ? later(keep_order->last_due_ns, last_due_ns) : keep_order->last_due_ns);
        keep_order->last_due_ns = due_ns;
    }
    return later(due_ns, arrived_ns); /* a time in the past means now, however late the caller collects the frames */
}
