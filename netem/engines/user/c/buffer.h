/* Frames in memory: buffers, free ones and those in a row.
 *
 * The pool is a stack of free buffers: the next frame is read into the memory sent last, which is still in the cache. */
#ifndef NETEM_BUFFER_H
#define NETEM_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MAX_FRAME_BYTES = 65536 + 512, /* the same as in devices.py */
    SMALL_BYTES = 2048,            /* a frame up to this length is copied to a small buffer before it is queued */
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
    size_t free_small, free_large;
};

struct fifo {
    struct buffer *first, **end;
};

/* Both return NULL when there is no memory, or the frame is too long. */
struct buffer *pool_get(struct pool *pool, bool small);
struct buffer *pool_copy(struct pool *pool, const unsigned char *frame, size_t length);
void pool_put(struct pool *pool, struct buffer *buffer);
void pool_close(struct pool *pool);

void fifo_append(struct fifo *fifo, struct buffer *buffer);
struct buffer *fifo_pop(struct fifo *fifo); /* NULL when it is empty */
void fifo_close(struct fifo *fifo);

#endif
