/* The options of a program: from its arguments, else its environment, else the defaults. The table in options.c has
 * every option; docs/programs.md explains them. */
#ifndef TESTBED_OPTIONS_H
#define TESTBED_OPTIONS_H

#include <stdint.h>
#include <stdio.h>

enum role {
    ROLE_CLIENT,
    ROLE_SERVER,
};

enum print {
    PRINT_ALL,
    PRINT_SOME,
    PRINT_NONE,
};

enum content {
    CONTENT_DIGEST,
    CONTENT_KEEP,
};

/* Numbers are 64 bits wide and within the ranges of the table; strings belong to the arguments or the environment. */
struct options {
    uint64_t role; /* enum role */
    uint64_t family; /* enum family */
    const char *host;
    uint64_t port;
    uint64_t nodes;
    uint64_t content_bytes;
    uint64_t chunk_bytes;
    uint64_t read_delay_us;
    uint64_t read_bytes;
    uint64_t sndbuf_bytes;
    uint64_t rcvbuf_bytes;
    uint64_t nodelay;
    uint64_t repeat;
    const char *events; /* NULL = no log */
    uint64_t seed;
    uint64_t verbose;
    const char *bind; /* NULL = every address */
    uint64_t print; /* enum print */
    uint64_t content; /* enum content */
    uint64_t max_nodes;
    uint64_t max_content_bytes;
    uint64_t max_total_bytes;
    uint64_t max_connections;
};

enum options_outcome {
    OPTIONS_RUN,
    OPTIONS_HELP, /* --help was given */
    OPTIONS_USAGE_ERROR,
    OPTIONS_UNSUPPORTED, /* a role, family or mode that this program does not know */
};

#define OPTIONS_ERROR_BYTES 512

/* Read all options. On OPTIONS_USAGE_ERROR and OPTIONS_UNSUPPORTED, `error` is one sentence without a line feed. */
enum options_outcome options_read(struct options *options, enum role role, int count, char *const arguments[],
                                  char error[OPTIONS_ERROR_BYTES]);

void options_help(enum role role, FILE *out);

#endif
