/* A fuzzing entry for the decoder: without arguments one input from standard input, as AFL gives it; with
 * `SECONDS SEED VECTOR...` as many mutations of the vectors as fit into that time.
 *
 * The first byte of an input chooses the rules, the second the size of the pieces, the rest is the stream. For every
 * input the decoder gives the same result whole and in pieces, and an offset within the stream. */
#include "events.h"
#include "vectors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES 65536u

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "wire_fuzz: %s\n", what);
    abort();
}

static void fuzz_one(const uint8_t *input, size_t size)
{
    struct wire_rules rules = default_rules;

    if (size < 2)
        return;
    rules.lists = input[0] & 3;
    rules.keep_content = (input[0] & 4) != 0;
    if (input[0] & 8) {
        rules.max_nodes = 3;
        rules.max_content_bytes = 8;
        rules.max_total_bytes = 600;
    }
    if (input[0] & 16)
        rules.title_count = UINT32_MAX;
    struct result whole = decode(&rules, input + 2, size - 2, SIZE_MAX);
    struct result pieces = decode(&rules, input + 2, size - 2, 1u + input[1]);
    check(whole.is_valid == pieces.is_valid, "pieces give another result");
    check(strcmp(whole.out, pieces.out) == 0, "pieces give another output");
    if (!whole.is_valid) {
        const struct wire_position *a = &whole.violation.where;
        const struct wire_position *b = &pieces.violation.where;
        check(strcmp(whole.violation.kind, pieces.violation.kind) == 0, "pieces give another kind");
        check(strcmp(whole.violation.sentence, pieces.violation.sentence) == 0, "pieces give another sentence");
        check(a->offset == b->offset && a->list == b->list && a->node == b->node, "pieces give another position");
        check(strcmp(a->field, b->field) == 0, "pieces break another field");
        check(a->offset <= size - 2, "the place is beyond the end");
        check(strcmp(whole.violation.kind, "no-memory") != 0, "no memory for so little input");
    }
    free(whole.out);
    free(pieces.out);
}

static uint64_t random_state;

/* Xorshift64 (Marsaglia, Xorshift RNGs, 2003): good enough to mutate bytes. */
static uint32_t draw(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % below;
}

/* One small change. Returns the new size. */
static size_t mutate(uint8_t *input, size_t size)
{
    static const uint32_t words[] = {0, 1, 2, 0xffffffff, 0x7fffffff, 0x80000000, 4294967294u, 16777217};
    const size_t at = draw((uint32_t)size);
    const size_t length = draw(300) % (size - at) + 1;

    switch (draw(6)) {
    case 0:
        input[at] = (uint8_t)draw(256);
        break;
    case 1:
        input[at] ^= (uint8_t)(1u << draw(8));
        break;
    case 2:
        if (size - at >= 4)
            memcpy(input + at, &words[draw(8)], 4);
        break;
    case 3: /* remove bytes */
        memmove(input + at, input + at + length, size - at - length);
        size -= length;
        break;
    case 4: /* repeat bytes */
        if (size + length <= INPUT_BYTES) {
            memmove(input + at + length, input + at, size - at);
            size += length;
        }
        break;
    default:
        size = at + 1;
    }
    return size < 3 ? 3 : size;
}

static void fuzz_vector(const struct vector *vector, unsigned mutations)
{
    static uint8_t input[INPUT_BYTES];
    size_t size = vector->size + 3 < INPUT_BYTES ? vector->size + 2 : INPUT_BYTES;

    input[0] = (uint8_t)(draw(32) & ~3u) | (uint8_t)(vector->rules.lists & 3);
    input[1] = (uint8_t)draw(256);
    input[2] = 0;
    memcpy(input + 2, vector->bytes, size - 2);
    for (unsigned i = 0; i < mutations; i++)
        size = mutate(input, size < 3 ? 3 : size);
    fuzz_one(input, size);
}

static int fuzz_for(uint64_t seconds, uint64_t seed, int count, char *const paths[])
{
    const uint64_t until_ns = monotonic_ns() + seconds * 1000000000;
    struct vector *vectors = calloc((size_t)count, sizeof(*vectors));
    uint64_t inputs = 0;

    if (vectors == NULL)
        return 1;
    random_state = seed | 1;
    for (int i = 0; i < count; i++)
        vector_read(&vectors[i], paths[i]);
    while (monotonic_ns() < until_ns)
        for (int i = 0; i < count; i++, inputs++)
            fuzz_vector(&vectors[i], draw(5));
    for (int i = 0; i < count; i++)
        vector_free(&vectors[i]);
    free(vectors);
    printf("wire_fuzz: %" PRIu64 " inputs from %d vectors, seed %" PRIu64 "\n", inputs, count, seed);
    return inputs > 0 ? 0 : 1;
}

int main(int argc, char *argv[])
{
    static uint8_t input[INPUT_BYTES];

    if (argc > 3)
        return fuzz_for(strtoull(argv[1], NULL, 10), strtoull(argv[2], NULL, 10), argc - 3, argv + 3);
    fuzz_one(input, fread(input, 1, sizeof(input), stdin));
    return 0;
}
