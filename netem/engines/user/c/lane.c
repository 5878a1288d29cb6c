#include "lane.h"

#include "frame.h"

#include <errno.h>

/* Move the frames that are due from the queue to those that are ready. */
static void release(struct lane *lane, int64_t now_ns)
{
    struct counters *counters = &lane->state.counters;
    if ((int64_t)lane->queue.count > counters->queue_packets_max)
        counters->queue_packets_max = (int64_t)lane->queue.count; /* the queue only grows between two releases */
    while (queue_next_due(&lane->queue) <= now_ns && lane->queue.count > 0)
        fifo_append(&lane->ready, queue_pop(&lane->queue));
}

static void record_delay(struct delays *delays, int64_t delay_ns)
{
    delays->packets++;
    if (delay_ns < delays->min_ns)
        delays->min_ns = delay_ns;
    if (delay_ns > delays->max_ns)
        delays->max_ns = delay_ns;
    if (--delays->until_next > 0)
        return;
    delays->samples[delays->sample_count++] = delay_ns;
    if (delays->sample_count == MAX_SAMPLES) {
        for (delays->sample_count = 0; delays->sample_count < MAX_SAMPLES / 2; delays->sample_count++)
            delays->samples[delays->sample_count] = delays->samples[2 * delays->sample_count];
        delays->stride *= 2;
    }
    delays->until_next = delays->stride;
}

/* An overdue frame no longer counts as queued, however late the caller collects it. */
static bool is_full(struct lane *lane, int64_t now_ns)
{
    int64_t limit_packets = lane->state.stages.limit.limit_packets;
    if ((int64_t)lane->queue.count < limit_packets)
        return false;
    release(lane, now_ns);
    return (int64_t)lane->queue.count >= limit_packets;
}

/* Decide when an admitted frame leaves: at once, ahead of the queue, or at its due time. */
static int schedule(struct lane *lane, struct buffer *buffer)
{
    struct timing *timing = &lane->state.stages.timing;
    struct counters *counters = &lane->state.counters;
    if (reorder_drawn(&timing->reorder)) {
        counters->reordered++;
        release(lane, buffer->arrived_ns);
        fifo_append(&lane->ready, buffer);
        return 0;
    }
    int64_t delay_ns = delay_drawn(&timing->delay);
    counters->delayed += delay_ns > 0;
    buffer->due_ns =
        due_time(timing, buffer->arrived_ns, delay_ns, buffer->wire_bytes, queue_last_due(&lane->queue));
    return lane_import(lane, buffer, false);
}

/* Add the second copy of a frame: it has its own loss and delay, and the room that the original has just found. */
static int push_copy(struct lane *lane, const struct buffer *original)
{
    lane->state.counters.duplicated++;
    if (loss_drawn(&lane->state.stages.loss)) {
        lane->state.counters.dropped_loss++;
        return 0;
    }
    struct buffer *copy = pool_copy(lane->pool, original->data, original->length);
    if (copy == NULL)
        return -ENOMEM;
    copy->due_ns = copy->arrived_ns = original->arrived_ns;
    copy->wire_bytes = original->wire_bytes;
    return schedule(lane, copy);
}

/* The order of netem/pipeline/registry.py. A frame both lost and duplicated is sent once; its copy enters first. */
static int impair(struct lane *lane, struct buffer *buffer)
{
    struct stages *stages = &lane->state.stages;
    int copies = duplicate_drawn(&stages->duplicate) ? 2 : 1;
    copies -= loss_drawn(&stages->loss) ? 1 : 0;
    bool lost = copies == 0;
    if (lost || is_full(lane, buffer->arrived_ns)) {
        *(lost ? &lane->state.counters.dropped_loss : &lane->state.counters.dropped_limit) += 1;
        pool_put(lane->pool, buffer);
        return 0;
    }
    int error = copies > 1 ? push_copy(lane, buffer) : 0;
    if (error != 0) {
        pool_put(lane->pool, buffer);
        return error;
    }
    return schedule(lane, buffer);
}

int lane_push(struct lane *lane, struct buffer *buffer, int64_t now_ns)
{
    struct counters *counters = &lane->state.counters;
    buffer->due_ns = buffer->arrived_ns = now_ns;
    buffer->wire_bytes = frame_wire_bytes(buffer);
    counters->packets_in++;
    counters->bytes_in += buffer->wire_bytes;
    if (!lane->state.stages.exempts_nd || !frame_is_neighbour_discovery(buffer))
        return impair(lane, buffer);
    counters->exempt++;
    buffer->arrived_ns = EXEMPT;
    fifo_append(&lane->ready, buffer);
    return 0;
}

void lane_pop(struct lane *lane, int64_t now_ns, struct fifo *outgoing)
{
    struct lane_state *state = &lane->state;
    struct buffer *buffer;
    release(lane, now_ns);
    while ((buffer = fifo_pop(&lane->ready)) != NULL) {
        state->counters.packets_out++;
        if (buffer->arrived_ns != EXEMPT) {
            record_delay(&state->delays, now_ns - buffer->arrived_ns);
            if (buffer->due_ns > buffer->arrived_ns)
                lateness_record(&state->lateness, now_ns - buffer->due_ns);
        }
        fifo_append(outgoing, buffer);
    }
}

int lane_import(struct lane *lane, struct buffer *buffer, bool ready)
{
    if (ready) {
        fifo_append(&lane->ready, buffer);
        return 0;
    }
    int error = queue_add(&lane->queue, buffer);
    if (error != 0)
        pool_put(lane->pool, buffer);
    return error;
}

struct buffer *lane_export(struct lane *lane, bool ready)
{
    return ready ? fifo_pop(&lane->ready) : queue_pop(&lane->queue);
}

int64_t lane_next_due(const struct lane *lane)
{
    return lane->ready.first != NULL ? lane->ready.first->due_ns : queue_next_due(&lane->queue);
}

int64_t lane_queued(const struct lane *lane)
{
    int64_t queued = (int64_t)lane->queue.count;
    for (const struct buffer *buffer = lane->ready.first; buffer != NULL; buffer = buffer->next)
        queued++;
    return queued;
}

void lane_close(struct lane *lane)
{
    fifo_close(&lane->ready);
    queue_close(&lane->queue);
}
