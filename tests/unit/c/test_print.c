#include "print.h"

#include "source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LINE(id, rating, price)                                                                                   \
    "Node: " #id ", rating: " #rating ", price: " #price ", title: \"Book by " #id "\", content length: 0\n"
#define TEN_LINES                                                                                                 \
    LINE(0, 0, 0) LINE(1, 2, 3) LINE(2, 4, 6) LINE(3, 6, 9) LINE(4, 8, 12) LINE(5, 10, 15) LINE(6, 12, 18)        \
    LINE(7, 14, 21) LINE(8, 16, 24) LINE(9, 18, 27)

/* The output for the clients' list of `nodes` nodes; free() it. */
static char *printed(uint32_t nodes, enum print print)
{
    const struct wire_rules rules = {
        .lists = 1,
        .max_nodes = 100,
        .max_total_bytes = 100000,
        .title_count = print_title_count(print),
    };
    struct wire_decoder decoder;
    struct source source;
    char *text;
    size_t size;
    size_t used;
    FILE *out = open_memstream(&text, &size);

    source_init(&source, nodes, 0);
    uint8_t *bytes = malloc((size_t)source.list_bytes);
    source_read(&source, bytes, (size_t)source.list_bytes);
    wire_init(&decoder, &rules);
    assert_int_equal(wire_feed(&decoder, bytes, (size_t)source.list_bytes, &used), WIRE_LIST);
    assert_int_equal(print_list(&decoder, print, false, out), 0);
    wire_free(&decoder);
    free(bytes);
    fclose(out);
    return text;
}

static void check(uint32_t nodes, enum print print, const char *expected)
{
    char *text = printed(nodes, print);

    assert_string_equal(text, expected);
    free(text);
}

static void some_are_ten(void **state)
{
    (void)state;
    check(1, PRINT_SOME, LINE(0, 0, 0));
    check(10, PRINT_SOME, TEN_LINES);
    check(11, PRINT_SOME, TEN_LINES "... and 1 more\n");
    check(100, PRINT_SOME, TEN_LINES "... and 90 more\n");
}

static void all_and_none(void **state)
{
    (void)state;
    check(11, PRINT_ALL, TEN_LINES LINE(10, 20, 30));
    check(11, PRINT_NONE, "");
}

static void failure_is_reported(void **state)
{
    FILE *full = fopen("/dev/full", "w");

    (void)state;
    assert_non_null(full);
    assert_int_equal(print_end(full), -1);
    fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(some_are_ten),
        cmocka_unit_test(all_and_none),
        cmocka_unit_test(failure_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
