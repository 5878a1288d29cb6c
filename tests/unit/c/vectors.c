/* See vectors.h. */
#include "vectors.h"

#include "print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct wire_rules default_rules = {
    .lists = 1,
    .max_nodes = 100000,
    .max_content_bytes = 16777216,
    .max_total_bytes = 17179869184,
    .title_count = UINT32_MAX,
};

static void exit_malformed(const struct vector *vector, const char *line)
{
    fprintf(stderr, "%s: not understood: %s\n", vector->name, line);
    exit(1);
}

static void append(void *array_pointer, size_t *size, const void *data, size_t more)
{
    char **array = array_pointer;

    *array = realloc(*array, *size + more + 1);
    if (*array == NULL)
        exit(1);
    memcpy(*array + *size, data, more);
    *size += more;
    (*array)[*size] = '\0';
}

static void read_hex(struct vector *vector, char *digits)
{
    for (char *pair = strtok(digits, " "); pair != NULL; pair = strtok(NULL, " ")) {
        if (strlen(pair) % 2 != 0)
            exit_malformed(vector, pair);
        for (; *pair != '\0'; pair += 2) {
            const char text[3] = {pair[0], pair[1], '\0'};
            char *end;
            const uint8_t byte = (uint8_t)strtoul(text, &end, 16);
            if (*end != '\0')
                exit_malformed(vector, pair);
            append(&vector->bytes, &vector->size, &byte, 1);
        }
    }
}

static void read_fill(struct vector *vector, const char *value)
{
    unsigned byte;
    size_t count;

    if (sscanf(value, "%x %zu", &byte, &count) != 2 || byte > 0xff)
        exit_malformed(vector, value);
    uint8_t *filled = malloc(count + 1);
    memset(filled, (int)byte, count);
    append(&vector->bytes, &vector->size, filled, count);
    free(filled);
}

static void read_expectation(struct vector *vector, const char *value)
{
    vector->is_valid = strcmp(value, "ok") == 0;
    if (!vector->is_valid && sscanf(value, "%31s %" SCNu64 " %" SCNu64 " %" SCNd64 " %31s", vector->kind,
                                    &vector->offset, &vector->list, &vector->node, vector->field) != 5)
        exit_malformed(vector, value);
}

static void read_line(struct vector *vector, char *line, size_t *out_size)
{
    char *value = strstr(line, ": ");
    const bool is_bytes = strncmp(line, "hex: ", 5) == 0 || strncmp(line, "fill: ", 6) == 0;

    if (*line == '\0' || *line == '#')
        return;
    if (value == NULL)
        exit_malformed(vector, line);
    *value = '\0';
    value += 2;
    if (is_bytes)
        value[strcspn(value, "#")] = '\0';
    if (strcmp(line, "hex") == 0)
        read_hex(vector, value);
    else if (strcmp(line, "fill") == 0)
        read_fill(vector, value);
    else if (strcmp(line, "expect") == 0)
        read_expectation(vector, value);
    else if (strcmp(line, "lists") == 0)
        vector->rules.lists = strtoull(value, NULL, 10);
    else if (strcmp(line, "max-nodes") == 0)
        vector->rules.max_nodes = strtoull(value, NULL, 10);
    else if (strcmp(line, "max-content-bytes") == 0)
        vector->rules.max_content_bytes = strtoull(value, NULL, 10);
    else if (strcmp(line, "max-total-bytes") == 0)
        vector->rules.max_total_bytes = strtoull(value, NULL, 10);
    else if (strcmp(line, "out") == 0) {
        append(&vector->out, out_size, value, strlen(value));
        append(&vector->out, out_size, "\n", 1);
    } else
        exit_malformed(vector, line);
}

void vector_read(struct vector *vector, const char *path)
{
    FILE *file = fopen(path, "r");
    char line[1024];
    size_t out_size = 0;

    memset(vector, 0, sizeof(*vector));
    snprintf(vector->name, sizeof(vector->name), "%s", path);
    vector->rules = default_rules;
    if (file == NULL)
        exit_malformed(vector, "the file");
    append(&vector->out, &out_size, "", 0);
    append(&vector->bytes, &vector->size, "", 0);
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        read_line(vector, line, &out_size);
    }
    fclose(file);
}

void vector_free(struct vector *vector)
{
    free(vector->bytes);
    free(vector->out);
}

static enum wire_outcome feed_all(struct wire_decoder *decoder, const uint8_t *bytes, size_t size, FILE *out)
{
    enum wire_outcome outcome = WIRE_MORE;

    while (size > 0 && outcome != WIRE_BAD) {
        size_t used;
        outcome = wire_feed(decoder, bytes, size, &used);
        bytes += used;
        size -= used;
        if (outcome == WIRE_LIST)
            print_list(decoder, PRINT_ALL, true, out);
    }
    return outcome;
}

struct result decode(const struct wire_rules *rules, const uint8_t *bytes, size_t size, size_t piece)
{
    struct result result = {.is_valid = false};
    struct wire_decoder decoder;
    enum wire_outcome outcome = WIRE_MORE;
    size_t out_size;
    FILE *out = open_memstream(&result.out, &out_size);

    wire_init(&decoder, rules);
    for (size_t at = 0; at < size && outcome != WIRE_BAD; at += piece) {
        const size_t length = size - at < piece ? size - at : piece;
        uint8_t *copy = malloc(length);
        memcpy(copy, bytes + at, length);
        outcome = feed_all(&decoder, copy, length, out);
        free(copy);
    }
    if (outcome != WIRE_BAD)
        outcome = wire_end(&decoder);
    result.is_valid = outcome != WIRE_BAD;
    if (result.is_valid)
        print_end(out);
    else
        result.violation = decoder.violation;
    wire_free(&decoder);
    fclose(out);
    return result;
}
