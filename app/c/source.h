/* The list that the clients send, as bytes: node i of N has id i, next_id i+1 (the last -1), rating 2i, price 3i (both
 * reduced to their width), title "Book by i" and content of the letter a. It is generated piece by piece, so that a
 * list of any size needs no memory. No I/O. */
#ifndef TESTBED_SOURCE_H
#define TESTBED_SOURCE_H

#include "wire_layout.h"

#include <stddef.h>
#include <stdint.h>

struct source {
    uint32_t nodes;
    uint32_t content_bytes;
    uint32_t node; /* index of the node in `record` */
    uint64_t list_bytes;
    uint64_t position; /* of the next byte, in the list */
    struct wire_node record;
};

/* The record of node `i` of `nodes`. */
struct wire_node source_node(uint32_t i, uint32_t nodes, uint32_t content_bytes);

/* `nodes` must not exceed INT32_MAX, the limit of the header; the size of a list then fits in 64 bits. */
void source_init(struct source *source, uint32_t nodes, uint32_t content_bytes);

/* Write the next `size` bytes; the list starts again after its last byte. */
void source_read(struct source *source, uint8_t *out, size_t size);

#endif
