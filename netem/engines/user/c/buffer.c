#include "buffer.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FREE_LARGE = 256, MAX_FREE_SMALL = 4096 }; /* 17 and 9 MB; the allocator gets the others back */

struct buffer *pool_get(struct pool *pool, bool small)
{
    struct buffer **stack = small ? &pool->small : &pool->large;
    struct buffer *buffer = *stack;
    if (buffer != NULL) {
        *stack = buffer->next;
        *(small ? &pool->free_small : &pool->free_large) -= 1;
        return buffer;
    }
    buffer = malloc(sizeof *buffer + (small ? SMALL_BYTES : MAX_FRAME_BYTES));
    if (buffer != NULL)
        buffer->small = small;
    return buffer;
}

void pool_put(struct pool *pool, struct buffer *buffer)
{
    size_t *count = buffer->small ? &pool->free_small : &pool->free_large;
    if (*count >= (buffer->small ? MAX_FREE_SMALL : MAX_FREE_LARGE)) {
        free(buffer);
        return;
    }
    struct buffer **stack = buffer->small ? &pool->small : &pool->large;
    *count += 1;
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
