/* GENERATED from app/testbed/wire/layout.py by tools/generate.py; do not edit. */
#ifndef TESTBED_WIRE_LAYOUT_H
#define TESTBED_WIRE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the records are read in place: the wire is little-endian, and so must be the machine"
#endif

#define WIRE_HEADER_BYTES 4u
#define WIRE_NODE_BYTES 276u
#define WIRE_TITLE_BYTES 255u
#define WIRE_LAST_ID (-1)

struct wire_header {
    int32_t count; /* number of nodes */
};
_Static_assert(offsetof(struct wire_header, count) == 0, "wire_header.count at 0");
_Static_assert(sizeof(((struct wire_header *)0)->count) == 4, "wire_header.count takes 4");
_Static_assert(sizeof(struct wire_header) == 4, "wire_header takes 4");

struct wire_node {
    int32_t id; /* unique in the list */
    int32_t next_id; /* id of the next node, -1 for the last */
    int16_t rating;
    uint8_t padding_rating[2]; /* zero when sent, ignored when received */
    uint32_t price;
    char title[255]; /* UTF-8, NUL-terminated within the field and NUL-filled */
    uint8_t padding_title[1]; /* zero when sent, ignored when received */
    uint32_t content_length; /* bytes of content that follow the record */
};
_Static_assert(offsetof(struct wire_node, id) == 0, "wire_node.id at 0");
_Static_assert(offsetof(struct wire_node, next_id) == 4, "wire_node.next_id at 4");
_Static_assert(offsetof(struct wire_node, rating) == 8, "wire_node.rating at 8");
_Static_assert(offsetof(struct wire_node, padding_rating) == 10, "wire_node.padding_rating at 10");
_Static_assert(offsetof(struct wire_node, price) == 12, "wire_node.price at 12");
_Static_assert(offsetof(struct wire_node, title) == 16, "wire_node.title at 16");
_Static_assert(offsetof(struct wire_node, padding_title) == 271, "wire_node.padding_title at 271");
_Static_assert(offsetof(struct wire_node, content_length) == 272, "wire_node.content_length at 272");
_Static_assert(sizeof(((struct wire_node *)0)->id) == 4, "wire_node.id takes 4");
_Static_assert(sizeof(((struct wire_node *)0)->next_id) == 4, "wire_node.next_id takes 4");
_Static_assert(sizeof(((struct wire_node *)0)->rating) == 2, "wire_node.rating takes 2");
_Static_assert(sizeof(((struct wire_node *)0)->padding_rating) == 2, "wire_node.padding_rating takes 2");
_Static_assert(sizeof(((struct wire_node *)0)->price) == 4, "wire_node.price takes 4");
_Static_assert(sizeof(((struct wire_node *)0)->title) == 255, "wire_node.title takes 255");
_Static_assert(sizeof(((struct wire_node *)0)->padding_title) == 1, "wire_node.padding_title takes 1");
_Static_assert(sizeof(((struct wire_node *)0)->content_length) == 4, "wire_node.content_length takes 4");
_Static_assert(sizeof(struct wire_node) == 276, "wire_node takes 276");

#endif
