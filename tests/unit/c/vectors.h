/* Reads the shared vectors (tests/vectors/README.md) and runs the decoder as a server does. */
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
    char *out; /* what a server prints, with its line feeds */
};

/* What became of a stream. */
struct result {
    bool is_valid;
    struct wire_violation violation; /* when it is not */
    char *out; /* free() it */
};

/* The caps of a server that is not told otherwise, for one list. */
extern const struct wire_rules default_rules;

/* Read one file; ends the program, with a line that says why, when it is not as the README has it. */
void vector_read(struct vector *vector, const char *path);
void vector_free(struct vector *vector);

/* Decode `size` bytes in pieces of `piece` bytes (each piece a copy of just that size, so that reading beyond it is
 * noticed), then the end of the stream. */
struct result decode(const struct wire_rules *rules, const uint8_t *bytes, size_t size, size_t piece);

#endif
