/* The list that the clients make, as bytes: node i of N has id i, next_id i+1 (the last -1), rating 2i, price 3i (both
 * reduced to their width), title "Book by i" and a content of the letter a. It is made piece by piece, so that a
 * list of any size takes no memory. No I/O. */
#ifndef TESTBED_SOURCE_H
#define TESTBED_SOURCE_H

#include "wire_layout.h"

#include <stddef.h>
#include <stdint.h>

struct source {
    uint32_t nodes;
    uint32_t content_bytes;
    uint32_t node; /* that `record` describes */
    uint64_t list_bytes;
    uint64_t position; /* in the list, of the next byte to come */
    struct wire_node record;
};

/* The record of node `i` of `nodes`. */
struct wire_node source_node(uint32_t i, uint32_t nodes, uint32_t content_bytes);

/* `nodes` is at most INT32_MAX, as the header holds it; then no size of a list overflows 64 bits. */
void source_init(struct source *source, uint32_t nodes, uint32_t content_bytes);

/* Write the next `size` bytes; after the last byte of the list comes its first again. */
void source_take(struct source *source, uint8_t *out, size_t size);

#endif
