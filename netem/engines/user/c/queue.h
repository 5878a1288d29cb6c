/* The time-ordered queue: a heap ordered by due time, then by number. A frame that is due last, the usual case, moves no
 * other. The reference is netem/pipeline/queue.py. */
#ifndef NETEM_QUEUE_H
#define NETEM_QUEUE_H

#include "buffer.h"

#define NO_TIME INT64_MAX

struct heap_entry {
    int64_t due_ns;
    uint64_t number; /* equal times leave in order of arrival */
    struct buffer *buffer;
};

struct queue {
    struct heap_entry *heap;
    size_t count, capacity;
    uint64_t number;
    int64_t latest_ns; /* the latest due time added since it was empty: that frame leaves last */
};

/* Add a frame by its due time. Returns 0 or -ENOMEM; the frame is then still the caller's. */
int queue_add(struct queue *queue, struct buffer *buffer);
/* Remove and return the frame due first, NULL when the queue is empty. */
struct buffer *queue_pop(struct queue *queue);
int64_t queue_next_due(const struct queue *queue); /* NO_TIME when it is empty */
int64_t queue_last_due(const struct queue *queue); /* NO_TIME when it is empty */
void queue_close(struct queue *queue);

#endif
