#include "queue.h"

#include <errno.h>
#include <stdlib.h>

enum { INITIAL_CAPACITY = 1024 };

static bool before(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->number < b->number);
}

int queue_add(struct queue *queue, struct buffer *buffer)
{
    if (queue->count == queue->capacity) {
        size_t capacity = queue->capacity == 0 ? INITIAL_CAPACITY : 2 * queue->capacity;
        struct heap_entry *heap = realloc(queue->heap, capacity * sizeof *heap);
        if (heap == NULL)
            return -ENOMEM;
        queue->heap = heap;
        queue->capacity = capacity;
    }
    if (queue->count == 0 || buffer->due_ns > queue->latest_ns)
        queue->latest_ns = buffer->due_ns;
    struct heap_entry entry = {buffer->due_ns, queue->number++, buffer};
    size_t at = queue->count++;
    for (; at > 0 && before(&entry, &queue->heap[(at - 1) / 2]); at = (at - 1) / 2)
        queue->heap[at] = queue->heap[(at - 1) / 2];
    queue->heap[at] = entry;
    return 0;
}

struct buffer *queue_pop(struct queue *queue)
{
    if (queue->count == 0)
        return NULL;
    struct buffer *buffer = queue->heap[0].buffer;
    struct heap_entry last = queue->heap[--queue->count];
    size_t at = 0;
    for (size_t child = 1; child < queue->count; child = 2 * at + 1) {
        if (child + 1 < queue->count && before(&queue->heap[child + 1], &queue->heap[child]))
            child++;
        if (!before(&queue->heap[child], &last))
            break;
        queue->heap[at] = queue->heap[child];
        at = child;
    }
    queue->heap[at] = last;
    return buffer;
}

int64_t queue_next_due(const struct queue *queue)
{
    return queue->count > 0 ? queue->heap[0].due_ns : NO_TIME;
}

int64_t queue_last_due(const struct queue *queue)
{
    return queue->count > 0 ? queue->latest_ns : NO_TIME;
}

void queue_close(struct queue *queue)
{
    struct buffer *buffer;
    while ((buffer = queue_pop(queue)) != NULL)
        free(buffer);
    free(queue->heap);
}
