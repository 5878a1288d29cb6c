/* See source.h. */
#include "source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct wire_node source_node(uint32_t i, uint32_t nodes, uint32_t content_bytes)
{
    struct wire_node node = {
        .id = (int32_t)i,
        .next_id = i + 1 == nodes ? WIRE_LAST_ID : (int32_t)(i + 1),
        .rating = (int16_t)(uint16_t)(2 * i),
        .price = 3 * i,
        .content_length = content_bytes,
    };

    snprintf(node.title, sizeof(node.title), "Book by %" PRIu32, i);
    return node;
}

void source_init(struct source *source, uint32_t nodes, uint32_t content_bytes)
{
    *source = (struct source){
        .nodes = nodes,
        .content_bytes = content_bytes,
        .list_bytes = WIRE_HEADER_BYTES + (uint64_t)nodes * ((uint64_t)WIRE_NODE_BYTES + content_bytes),
        .record = source_node(0, nodes, content_bytes),
    };
}

static size_t smaller(size_t a, uint64_t b)
{
    return a < b ? a : (size_t)b;
}

/* Write at most `room` bytes of the header, record or content at the current position. Returns the number written. */
static size_t read_piece(struct source *source, uint8_t *out, size_t room)
{
    const struct wire_header header = {.count = (int32_t)source->nodes};
    const uint64_t stride = (uint64_t)WIRE_NODE_BYTES + source->content_bytes;
    size_t size;

    if (source->position < WIRE_HEADER_BYTES) {
        size = smaller(room, WIRE_HEADER_BYTES - source->position);
        memcpy(out, (const uint8_t *)&header + source->position, size);
        return size;
    }
    uint32_t node = (uint32_t)((source->position - WIRE_HEADER_BYTES) / stride);
    uint64_t inside = (source->position - WIRE_HEADER_BYTES) % stride;
    if (node != source->node) {
        source->node = node;
        source->record = source_node(node, source->nodes, source->content_bytes);
    }
    if (inside < WIRE_NODE_BYTES) {
        size = smaller(room, WIRE_NODE_BYTES - inside);
        memcpy(out, (const uint8_t *)&source->record + inside, size);
        return size;
    }
    size = smaller(room, stride - inside);
    memset(out, 'a', size);
    return size;
}

void source_read(struct source *source, uint8_t *out, size_t size)
{
    while (size > 0) {
        size_t written = read_piece(source, out, size);
        out += written;
        size -= written;
        source->position += written;
        if (source->position == source->list_bytes)
            source->position = 0;
    }
}
