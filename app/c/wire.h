/* The decoder of the wire format (docs/wire-format.md): bytes in, whole lists out. No I/O.
 *
 * Bytes may be fed in pieces of any size. The decoder allocates memory only for nodes that have arrived, never because
 * a peer announced them; list.h has the cost of a node. */
#ifndef TESTBED_WIRE_H
#define TESTBED_WIRE_H

#include "list.h"
#include "sha256.h"
#include "wire_layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the receiver accepts and keeps. */
struct wire_rules {
    uint64_t lists; /* on the connection; 0 = any number */
    uint64_t max_nodes; /* on `count` */
    uint64_t max_content_bytes; /* on one `content_length` */
    uint64_t max_total_bytes; /* on one list, from its header; at most INT64_MAX */
    uint64_t hash_seed; /* see list_link() */
    uint32_t title_count; /* how many titles are kept: those of the first nodes to arrive */
    bool keep_content;
};

/* A position in the stream: of the next byte expected, or of a violation. */
struct wire_position {
    uint64_t offset; /* bytes from the start of the connection */
    uint64_t list; /* from 0 */
    int64_t node; /* in order of arrival, from 0; -1 = none */
    const char *field;
};

struct wire_violation {
    const char *kind; /* a kind from docs/wire-format.md, or "no-memory" */
    struct wire_position where;
    char sentence[112];
};

enum wire_stage {
    WIRE_HEADER,
    WIRE_RECORD,
    WIRE_CONTENT,
};

struct wire_decoder {
    struct wire_rules rules;
    enum wire_stage stage;
    size_t part_bytes; /* bytes received of the current header or record */
    union {
        struct wire_header header;
        struct wire_node node;
        uint8_t bytes[WIRE_NODE_BYTES];
    } part;
    uint32_t content_left;
    uint32_t count; /* of the current list */
    uint64_t lists; /* complete */
    uint64_t offset; /* of the next byte */
    uint64_t list_start; /* offset of the list's header */
    uint64_t list_bytes; /* of the current list, up to the end of the last content announced */
    struct list list;
    struct sha256 sha;
    struct wire_violation violation;
};

enum wire_outcome {
    WIRE_MORE, /* all bytes are used; more are expected, or the end */
    WIRE_LIST, /* a list is complete and valid: `list`, `list_bytes` and `sha` describe it until the next call */
    WIRE_BAD, /* `violation` has the reason; only wire_free() may follow */
};

void wire_init(struct wire_decoder *decoder, const struct wire_rules *rules);
void wire_free(struct wire_decoder *decoder);

/* Decode bytes up to the end of a list. `*used` is their number; the caller feeds the others again. */
enum wire_outcome wire_feed(struct wire_decoder *decoder, const uint8_t *data, size_t size, size_t *used);

/* End the stream. Returns WIRE_MORE if it may end here, else WIRE_BAD. */
enum wire_outcome wire_end(struct wire_decoder *decoder);

/* The position of the next byte expected. */
struct wire_position wire_position_next(const struct wire_decoder *decoder);

/* Write "KIND at byte 0, list 0, node 0, field NAME". */
#define WIRE_WHERE_BYTES 160
void wire_describe(const char *kind, const struct wire_position *where, char text[WIRE_WHERE_BYTES]);

#endif
