/* See options.h. */
#include "options.h"

#include "conn.h"
#include "contract.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum kind {
    NUMBER,
    SWITCH,
    CHOICE,
    TEXT,
};

enum users {
    CLIENT = 1,
    SERVER = 2,
    BOTH = CLIENT | SERVER,
};

struct row {
    const char *name;
    enum kind kind;
    unsigned users;
    size_t offset; /* in struct options: a uint64_t, or a const char * */
    const char *default_value; /* as an argument; NULL = none */
    const char *server_default; /* if it differs */
    uint64_t min;
    uint64_t max;
    const char *choices[4];
    const char *help;
};

#define AT(member) offsetof(struct options, member)

static const struct row rows[] = {
#include "option_rows.h"
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

struct reading {
    struct options *options;
    enum role role;
    bool given[ROWS]; /* by an argument or a variable */
    char source[64]; /* of the current value, for errors: an option, a variable or an argument */
    char *error;
};

static enum options_outcome usage_error(struct reading *reading, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reading->error, OPTIONS_ERROR_BYTES, format, arguments);
    va_end(arguments);
    for (char *p = reading->error; *p != '\0'; p++)
        if (iscntrl((unsigned char)*p))
            *p = '?';
    return OPTIONS_USAGE_ERROR;
}

static enum options_outcome unsupported(struct reading *reading, const char *what, const char *value)
{
    usage_error(reading, "%s %s is not supported", what, value);
    return OPTIONS_UNSUPPORTED;
}

static const struct row *find_row(const char *name, size_t length)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strlen(rows[i].name) == length && memcmp(rows[i].name, name, length) == 0)
            return &rows[i];
    return NULL;
}

static bool is_number(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

/* Returns whether the text is a plain decimal number of at most 64 bits. */
static bool parse_number(const char *text, uint64_t *value)
{
    if (!is_number(text))
        return false;
    *value = 0;
    for (; *text != '\0'; text++) {
        const unsigned digit = (unsigned)(*text - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    return true;
}

static enum options_outcome set_number(struct reading *reading, const struct row *row, const char *text)
{
    uint64_t *value = (uint64_t *)((char *)reading->options + row->offset);
    uint64_t min = row->min;

    if (row->offset == AT(port) && reading->role == ROLE_CLIENT)
        min = 1;
    if (row->kind == SWITCH && strlen(text) > 1) /* 01 is invalid */
        return usage_error(reading, "%s %s: must be 0 or 1", reading->source, text);
    if (!parse_number(text, value) || *value < min || *value > row->max)
        return usage_error(reading, "%s %s: must be a number from %" PRIu64 " to %" PRIu64, reading->source, text, min,
                     row->max);
    return OPTIONS_RUN;
}

static enum options_outcome set_choice(struct reading *reading, const struct row *row, const char *text)
{
    uint64_t *value = (uint64_t *)((char *)reading->options + row->offset);
    uint64_t i = 0;

    while (row->choices[i] != NULL && strcmp(row->choices[i], text) != 0)
        i++;
    *value = i;
    if (row->choices[i] != NULL)
        return OPTIONS_RUN;
    if (row->offset == AT(role) || row->offset == AT(family))
        return unsupported(reading, reading->source, text);
    return usage_error(reading, "%s %s: must be one of %s, %s%s%s", reading->source, text, row->choices[0],
                       row->choices[1], row->choices[2] == NULL ? "" : ", ",
                       row->choices[2] == NULL ? "" : row->choices[2]);
}

static enum options_outcome set_row(struct reading *reading, const struct row *row, const char *text)
{
    if (row->kind == TEXT) {
        const bool none = *text == '\0' && row->default_value == NULL;
        *(const char **)((char *)reading->options + row->offset) = none ? NULL : text;
        return OPTIONS_RUN;
    }
    return row->kind == CHOICE ? set_choice(reading, row, text) : set_number(reading, row, text);
}

/* One positional argument. */
static enum options_outcome set_positional(struct reading *reading, const char *name, const char *text)
{
    const struct row *row = find_row(name, strlen(name));

    if (reading->given[row - rows])
        return usage_error(reading, "--%s is given both as an option and as the argument %s", name, text);
    reading->given[row - rows] = true;
    snprintf(reading->source, sizeof(reading->source), "%s", name);
    return set_row(reading, row, text);
}

static enum options_outcome read_positionals(struct reading *reading, int count, const char *const texts[])
{
    static const char *const names[] = {"family", "host", "port", "nodes", "content-bytes"};
    const char *values[5] = {NULL};
    enum options_outcome outcome = OPTIONS_RUN;

    if (count == 0)
        return OPTIONS_RUN;
    if (reading->role == ROLE_SERVER)
        return usage_error(reading, "unexpected argument %s: the server has options only", texts[0]);
    if (count == 2 && is_number(texts[0]) && is_number(texts[1])) {
        values[0] = "ipv4";
        values[1] = "localhost";
        values[2] = texts[0];
        values[3] = texts[1];
    } else {
        const bool v4 = strcmp(texts[0], "v4") == 0;
        if (count > 5)
            return usage_error(reading, "unexpected argument %s", texts[5]);
        if (!v4 && strcmp(texts[0], "v6") != 0)
            return unsupported(reading, "mode", texts[0]);
        for (int i = 1; i < count; i++)
            values[i] = texts[i];
        values[0] = v4 ? "ipv4" : "ipv6";
    }
    for (int i = 0; i < 5 && outcome == OPTIONS_RUN; i++)
        if (values[i] != NULL)
            outcome = set_positional(reading, names[i], values[i]);
    return outcome;
}

/* Read the option at `*at` and its value, which may be the next argument. `*at` moves to the last argument used. */
static enum options_outcome read_option(struct reading *reading, int count, char *const arguments[], int *at)
{
    const char *name = arguments[*at] + 2;
    const size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    const struct row *row = find_row(name, length);

    if (row == NULL)
        return usage_error(reading, "unknown option --%.*s", (int)length, name);
    if (value == NULL && row->kind == SWITCH)
        value = "1";
    if (value == NULL && *at + 1 < count)
        value = arguments[++*at];
    if (value == NULL || (*value == '\0' && name[length] != '='))
        return usage_error(reading, "--%s requires a value", row->name);
    reading->given[row - rows] = true;
    snprintf(reading->source, sizeof(reading->source), "--%s", row->name);
    return set_row(reading, row, value);
}

static bool help_requested(int count, char *const arguments[])
{
    for (int at = 1; at < count && strcmp(arguments[at], "--") != 0; at++)
        if (strcmp(arguments[at], "--help") == 0)
            return true;
    return false;
}

static enum options_outcome read_arguments(struct reading *reading, int count, char *const arguments[])
{
    const char *positionals[6]; /* one more than allowed */
    int found = 0;
    bool options_end = false;

    for (int at = 1; at < count; at++) {
        enum options_outcome outcome = OPTIONS_RUN;
        if (!options_end && strcmp(arguments[at], "--") == 0)
            options_end = true;
        else if (!options_end && strncmp(arguments[at], "--", 2) == 0)
            outcome = read_option(reading, count, arguments, &at);
        else if (found < 6)
            positionals[found++] = arguments[at];
        if (outcome != OPTIONS_RUN)
            return outcome;
    }
    return read_positionals(reading, found, positionals);
}

/* Set the source to the variable of this row. */
static void name_variable(struct reading *reading, const struct row *row)
{
    snprintf(reading->source, sizeof(reading->source), "TESTBED_%s", row->name);
    for (char *p = reading->source; *p != '\0'; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

static const char *default_value(const struct row *row, enum role role)
{
    return role == ROLE_SERVER && row->server_default != NULL ? row->server_default : row->default_value;
}

static bool uses(const struct row *row, enum role role)
{
    return (row->users & (role == ROLE_CLIENT ? CLIENT : SERVER)) != 0;
}

/* Read variables and defaults for all options without an argument. */
static enum options_outcome read_environment(struct reading *reading)
{
    enum options_outcome outcome = OPTIONS_RUN;

    for (size_t i = 0; i < ROWS && outcome == OPTIONS_RUN; i++) {
        if (reading->given[i] || !uses(&rows[i], reading->role))
            continue;
        name_variable(reading, &rows[i]);
        const char *value = getenv(reading->source);
        reading->given[i] = value != NULL && *value != '\0';
        if (!reading->given[i])
            value = default_value(&rows[i], reading->role);
        if (value != NULL)
            outcome = set_row(reading, &rows[i], value);
    }
    return outcome;
}

enum options_outcome options_read(struct options *options, enum role role, int count, char *const arguments[],
                                  char error[OPTIONS_ERROR_BYTES])
{
    struct reading reading = {.options = options, .role = role, .error = error};
    enum options_outcome outcome;

    *options = (struct options){.role = role};
    error[0] = '\0';
    if (help_requested(count, arguments))
        return OPTIONS_HELP;
    outcome = read_arguments(&reading, count, arguments);
    if (outcome == OPTIONS_RUN)
        outcome = read_environment(&reading);
    if (outcome == OPTIONS_RUN && options->role != role)
        outcome = unsupported(&reading, "role", find_row("role", 4)->choices[options->role]);
    if (options->content == CONTENT_KEEP && !reading.given[find_row("max-total-bytes", 15) - rows])
        options->max_total_bytes = MAX_TOTAL_BYTES_KEPT; /* kept contents occupy memory */
    return outcome;
}

void options_help(enum role role, FILE *out)
{
    fputs(role == ROLE_SERVER ? "usage: server [options]\n"
                              : "usage: client [v4|v6] [HOST] [PORT] [NODES] [CONTENT] [options]\n"
                                "       client PORT NODES [options]\n",
          out);
    fputs("\nEach option can also be set in the environment: --read-bytes is TESTBED_READ_BYTES.\n\n", out);
    for (size_t i = 0; i < ROWS; i++) {
        const char *shown = default_value(&rows[i], role);
        if (!uses(&rows[i], role))
            continue;
        fprintf(out, "  --%-18s %s", rows[i].name, rows[i].help);
        for (int c = 0; rows[i].choices[c] != NULL; c++)
            fprintf(out, "%s%s", c == 0 ? ": " : ", ", rows[i].choices[c]);
        if (shown != NULL)
            fprintf(out, " (%s)", shown);
        fputc('\n', out);
    }
    fputs("  --help               print this help\n", out);
}
