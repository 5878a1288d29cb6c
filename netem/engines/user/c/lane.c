#include "lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_FREE_LARGE = 256, /* 17 MB of free large buffers; the allocator gets the others back */
    INITIAL_CAPACITY = 1024,
};
enum { ARP = 0x0806, IPV4 = 0x0800, IPV6 = 0x86DD, VLAN = 0x8100, SERVICE_VLAN = 0x88A8 };
enum { ICMPV6 = 58, ND_FIRST = 133, ND_LAST = 137, GSO_UDP_L4 = 5, GSO_ECN = 0x80 };

struct buffer *pool_get(struct pool *pool, bool small)
{
    struct buffer **stack = small ? &pool->small : &pool->large;
    struct buffer *buffer = *stack;
    if (buffer != NULL) {
        *stack = buffer->next;
        pool->free_large -= small ? 0 : 1;
        return buffer;
    }
    buffer = malloc(sizeof *buffer + (small ? SMALL_BYTES : MAX_FRAME_BYTES));
    if (buffer != NULL)
        buffer->small = small;
    return buffer;
}

void pool_put(struct pool *pool, struct buffer *buffer)
{
    if (!buffer->small && pool->free_large >= MAX_FREE_LARGE) {
        free(buffer);
        return;
    }
    struct buffer **stack = buffer->small ? &pool->small : &pool->large;
    pool->free_large += buffer->small ? 0 : 1;
    buffer->next = *stack;
    *stack = buffer;
}

struct buffer *pool_copy(struct pool *pool, const unsigned char *frame, size_t length)
{
    struct buffer *buffer = length <= MAX_FRAME_BYTES ? pool_get(pool, length <= SMALL_BYTES) : NULL;
    if (buffer != NULL) {
        memcpy(buffer->data, frame, length);
        buffer->length = length;
    }
    return buffer;
}

void fifo_append(struct fifo *fifo, struct buffer *buffer)
{
    buffer->next = NULL;
    *fifo->end = buffer;
    fifo->end = &buffer->next;
}

struct buffer *fifo_pop(struct fifo *fifo)
{
    struct buffer *buffer = fifo->first;
    if (buffer != NULL) {
        fifo->first = buffer->next;
        if (fifo->first == NULL)
            fifo->end = &fifo->first;
    }
    return buffer;
}

/* Frames. The reference is netem/pipeline/frame.py. */

static unsigned get16(const struct buffer *buffer, size_t at)
{
    return at + 2 <= buffer->length ? (unsigned)buffer->data[at] << 8 | buffer->data[at + 1] : 0;
}

static bool is_neighbour_discovery(const struct buffer *buffer)
{
    size_t at = VNET_HEADER_BYTES + 12;
    unsigned ethertype = get16(buffer, at);
    bool tagged = false, twice = false;
    while (ethertype == VLAN || ethertype == SERVICE_VLAN) {
        twice = tagged;
        tagged = true;
        at += 4;
        ethertype = get16(buffer, at);
    }
    if (ethertype == ARP)
        return !twice;
    at += 2;
    return ethertype == IPV6 && buffer->length > at + 40 && buffer->data[at + 6] == ICMPV6 &&
           buffer->data[at + 40] >= ND_FIRST && buffer->data[at + 40] <= ND_LAST;
}

static int64_t wire_bytes_of(const struct buffer *buffer)
{
    int64_t size = (int64_t)buffer->length - VNET_HEADER_BYTES;
    if (size <= 0 || buffer->data[1] == 0)
        return size;
    uint16_t segment_bytes, transport;
    memcpy(&segment_bytes, buffer->data + 4, sizeof segment_bytes);
    memcpy(&transport, buffer->data + 6, sizeof transport);
    if (segment_bytes == 0 || size <= transport + 13)
        return size;
    bool udp = (buffer->data[1] & ~GSO_ECN) == GSO_UDP_L4;
    int64_t headers = transport + (udp ? 8 : 4 * (buffer->data[VNET_HEADER_BYTES + transport + 12] >> 4));
    int64_t segments = size > headers ? (size - headers + segment_bytes - 1) / segment_bytes : 1;
    return size + (segments - 1) * headers;
}

/* The queue: a heap ordered by due time, then by number. A frame that is due last, the usual case, moves no other. */

static bool before(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->number < b->number);
}

static int heap_push(struct lane *lane, struct buffer *buffer)
{
    if (lane->count == lane->capacity) {
        size_t capacity = lane->capacity == 0 ? INITIAL_CAPACITY : 2 * lane->capacity;
        struct heap_entry *heap = realloc(lane->heap, capacity * sizeof *heap);
        if (heap == NULL)
            return -ENOMEM;
        lane->heap = heap;
        lane->capacity = capacity;
    }
    struct heap_entry entry = {buffer->due_ns, lane->number++, buffer};
    size_t at = lane->count++;
    for (; at > 0 && before(&entry, &lane->heap[(at - 1) / 2]); at = (at - 1) / 2)
        lane->heap[at] = lane->heap[(at - 1) / 2];
    lane->heap[at] = entry;
    return 0;
}

static struct buffer *heap_pop(struct lane *lane)
{
    struct buffer *buffer = lane->heap[0].buffer;
    struct heap_entry last = lane->heap[--lane->count];
    size_t at = 0;
    for (size_t child = 1; child < lane->count; child = 2 * at + 1) {
        if (child + 1 < lane->count && before(&lane->heap[child + 1], &lane->heap[child]))
            child++;
        if (!before(&lane->heap[child], &last))
            break;
        lane->heap[at] = lane->heap[child];
        at = child;
    }
    lane->heap[at] = last;
    return buffer;
}

static void release(struct lane *lane, int64_t now_ns)
{
    while (lane->count > 0 && lane->heap[0].due_ns <= now_ns)
        fifo_append(&lane->ready, heap_pop(lane));
}

static void update_queue_max(struct lane *lane)
{
    if ((int64_t)lane->count > lane->state.queue_packets_max)
        lane->state.queue_packets_max = (int64_t)lane->count;
}

/* The lane. The reference is netem/pipeline/pipeline.py and statistics.py. */

static void record_delay(struct lane_state *state, int64_t delay_ns)
{
    state->delays++;
    if (delay_ns < state->min_ns)
        state->min_ns = delay_ns;
    if (delay_ns > state->max_ns)
        state->max_ns = delay_ns;
    if (--state->until_next > 0)
        return;
    state->samples[state->sample_count++] = delay_ns;
    if (state->sample_count == MAX_SAMPLES) {
        for (state->sample_count = 0; state->sample_count < MAX_SAMPLES / 2; state->sample_count++)
            state->samples[state->sample_count] = state->samples[2 * state->sample_count];
        state->stride *= 2;
    }
    state->until_next = state->stride;
}

int lane_push(struct lane *lane, struct buffer *buffer, int64_t now_ns)
{
    struct lane_state *state = &lane->state;
    buffer->due_ns = buffer->arrived_ns = now_ns;
    buffer->wire_bytes = wire_bytes_of(buffer);
    state->packets_in++;
    state->bytes_in += buffer->wire_bytes;
    if (state->exempts_nd && is_neighbour_discovery(buffer)) {
        state->exempt++;
        buffer->arrived_ns = EXEMPT;
        return lane_import(lane, buffer, true);
    }
    bool full = (int64_t)lane->count >= state->limit_packets;
    if (full) {
        /* An overdue frame no longer counts as queued, however late the caller collects it. */
        release(lane, now_ns);
        if ((int64_t)lane->count >= state->limit_packets) {
            state->dropped_limit++;
            pool_put(lane->pool, buffer);
            return 0;
        }
    }
    state->delayed += state->delay_ns > 0;
    buffer->due_ns += state->delay_ns;
    int error = lane_import(lane, buffer, false);
    if (error == 0 && full)
        update_queue_max(lane);
    return error;
}

void lane_pop(struct lane *lane, int64_t now_ns, struct fifo *outgoing)
{
    struct buffer *buffer;
    update_queue_max(lane);
    release(lane, now_ns);
    while ((buffer = fifo_pop(&lane->ready)) != NULL) {
        lane->state.packets_out++;
        if (buffer->arrived_ns != EXEMPT) {
            record_delay(&lane->state, now_ns - buffer->arrived_ns);
            if (buffer->due_ns > buffer->arrived_ns)
                lateness_record(&lane->state.lateness, now_ns - buffer->due_ns);
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
    int error = heap_push(lane, buffer);
    if (error != 0)
        pool_put(lane->pool, buffer);
    return error;
}

struct buffer *lane_export(struct lane *lane, bool ready)
{
    if (ready)
        return fifo_pop(&lane->ready);
    return lane->count > 0 ? heap_pop(lane) : NULL;
}

int64_t lane_next_due(const struct lane *lane)
{
    if (lane->ready.first != NULL)
        return lane->ready.first->due_ns;
    return lane->count > 0 ? lane->heap[0].due_ns : INT64_MAX;
}

int64_t lane_queued(const struct lane *lane)
{
    int64_t queued = (int64_t)lane->count;
    for (const struct buffer *buffer = lane->ready.first; buffer != NULL; buffer = buffer->next)
        queued++;
    return queued;
}

static void free_all(struct buffer *buffer)
{
    while (buffer != NULL) {
        struct buffer *next = buffer->next;
        free(buffer);
        buffer = next;
    }
}

void pool_close(struct pool *pool)
{
    free_all(pool->small);
    free_all(pool->large);
}

void fifo_close(struct fifo *fifo)
{
    free_all(fifo->first);
}

void lane_close(struct lane *lane)
{
    release(lane, INT64_MAX);
    fifo_close(&lane->ready);
    free(lane->heap);
}
