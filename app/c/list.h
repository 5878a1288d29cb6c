/* The nodes of one list as they arrive, and their order by the links. No I/O.
 *
 * Memory: 32 bytes per node and the titles kept, allocated as nodes arrive, at most twice that because arrays are
 * doubled; while the links are checked, up to 16 more bytes per node. Time: O(n), by hashing. */
#ifndef TESTBED_LIST_H
#define TESTBED_LIST_H

#include "wire_layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIST_END UINT32_MAX

struct list_node {
    size_t title; /* its offset in `titles` */
    int32_t id;
    union {
        int32_t next_id; /* as it arrived */
        uint32_t next; /* once linked: index of the next node, or LIST_END */
    };
    uint32_t price;
    uint32_t content_length;
    uint32_t walk; /* the first walk that reached it, from 1; 0 = none */
    int16_t rating;
    bool is_target; /* a link leads here */
};

struct list {
    uint32_t size; /* nodes, in order of arrival */
    uint32_t head; /* once linked: index of the first node, LIST_END if there is none */
    size_t node_capacity;
    struct list_node *nodes;
    size_t titles_size;
    size_t titles_capacity;
    char *titles;
    size_t contents_size;
    size_t contents_capacity;
    uint8_t *contents; /* one after the other, if contents are kept */
};

enum list_fault {
    LIST_VALID,
    LIST_DUPLICATE_ID,
    LIST_DANGLING_NEXT_ID,
    LIST_CYCLE,
    LIST_UNREACHABLE,
    LIST_NO_MEMORY,
};

/* Make an empty list, which owns no memory. */
void list_init(struct list *list);

/* Free the memory of the list and make it empty. */
void list_free(struct list *list);

/* Add a node whose title has `title_length` bytes; keep the title only if `keep_title`. Returns 0, or -1 if memory is
 * exhausted. */
int list_add(struct list *list, const struct wire_node *node, size_t title_length, bool keep_title);

/* Append a piece of content. Returns 0, or -1 if memory is exhausted. */
int list_add_content(struct list *list, const uint8_t *data, size_t size);

/* Check that ids are unique and that the links form one chain through all nodes, and link the nodes by index. The peer
 * must not know `hash_seed`: it could choose ids that all collide. On a fault `*at` is the index of the node that
 * docs/wire-format.md names, and only list_free() may follow. */
enum list_fault list_link(struct list *list, uint64_t hash_seed, uint32_t *at);

/* The title of a node that was added with `keep_title`; the list owns it. */
const char *list_title(const struct list *list, const struct list_node *node);

#endif
