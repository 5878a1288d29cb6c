/* Read the shared vectors (tests/vectors/README.md), and run the decoder as the server does. */
#ifndef TESTBED_VECTORS_H
#define TESTBED_VECTORS_H

#include "wire.h"

struct vector {
    char name[256];
    struct wire_rules rules;
    bool is_valid;
    char kind[32];
    uint64_t offset;
    uint64_t list;
    int64_t node;
    char field[32];
    uint8_t *bytes;
    size_t size;
    char *out; /* the output of the server, with line feeds */
};

/* The result of decoding a stream. */
struct result {
    bool is_valid;
    struct wire_violation violation; /* if it is not valid */
    char *out; /* free() it */
};

/* The default caps of the server, for one list. */
extern const struct wire_rules default_rules;

/* Read one file; exit with an error message if it is malformed. */
void vector_read(struct vector *vector, const char *path);
void vector_free(struct vector *vector);

/* Decode `size` bytes in pieces of `piece` bytes, then the end of the stream. Each piece is a copy of exactly that size,
 * so that the sanitizer detects a read beyond it. */
struct result decode(const struct wire_rules *rules, const uint8_t *bytes, size_t size, size_t piece);

#endif
