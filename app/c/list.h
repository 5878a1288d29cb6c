/* The nodes of one list as they arrive, and the order that their links give them. No I/O.
 *
 * Memory: 32 bytes a node and the titles that are kept, taken as nodes arrive, at most twice that because arrays are
 * doubled; while the links are checked, up to 16 bytes a node more. Time: O(n), by hashing. */
#ifndef TESTBED_LIST_H
#define TESTBED_LIST_H

#include "wire_layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIST_NONE UINT32_MAX

struct list_node {
    size_t title; /* where it starts in `titles` */
    int32_t id;
    union {
        int32_t next_id; /* as it arrived */
        uint32_t next; /* once linked: index of the next node, or LIST_NONE */
    };
    uint32_t price;
    uint32_t content_length;
    uint32_t walk; /* the walk that came by first, from 1; 0 = none yet */
    int16_t rating;
    bool is_target; /* a link leads here */
};

struct list {
    uint32_t size; /* nodes, in order of arrival */
    uint32_t head; /* once linked: index of the first, LIST_NONE when there is no node */
    size_t node_room;
    struct list_node *nodes;
    size_t titles_size;
    size_t titles_room;
    char *titles;
    size_t contents_size;
    size_t contents_room;
    uint8_t *contents; /* one after the other, when they are kept */
};

enum list_fault {
    LIST_FINE,
    LIST_DUPLICATE_ID,
    LIST_DANGLING_NEXT_ID,
    LIST_CYCLE,
    LIST_UNREACHABLE,
    LIST_NO_MEMORY,
};

/* An empty list, without memory of its own. */
void list_init(struct list *list);

/* Free all that the list holds, and make it empty. */
void list_free(struct list *list);

/* Add a node whose title is `title_length` bytes; the title is kept only if `keep_title`. Returns 0, or -1 when there
 * is no memory. */
int list_add(struct list *list, const struct wire_node *node, size_t title_length, bool keep_title);

/* Keep a piece of content. Returns 0, or -1 when there is no memory. */
int list_add_content(struct list *list, const uint8_t *data, size_t size);

/* Check that ids are unique and that the links form one chain through all nodes, and link the nodes by index.
 * `hash_seed` is not to be known to the peer, who could otherwise choose ids that all collide. At a fault `*at` is the
 * index of the node that docs/wire-format.md names, and the list is only good for list_free(). */
enum list_fault list_link(struct list *list, uint64_t hash_seed, uint32_t *at);

/* The title of a node that was added with `keep_title`; the list owns it. */
const char *list_title(const struct list *list, const struct list_node *node);

#endif
