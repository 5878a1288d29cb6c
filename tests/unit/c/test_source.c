#include "source.h"

#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The struct of the exercise, laid out by the compiler: its bytes are the wire format. */
struct exercise_node {
    int id;
    int next_id;
    short rating;
    unsigned price;
    char title[255];
    unsigned content_length;
};

static void compiler_lays_out_the_same(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct exercise_node), WIRE_NODE_BYTES);
    assert_int_equal(offsetof(struct exercise_node, rating), offsetof(struct wire_node, rating));
    assert_int_equal(offsetof(struct exercise_node, price), offsetof(struct wire_node, price));
    assert_int_equal(offsetof(struct exercise_node, title), offsetof(struct wire_node, title));
    assert_int_equal(offsetof(struct exercise_node, content_length), offsetof(struct wire_node, content_length));
    assert_int_equal(sizeof(int) + 10 * (sizeof(struct exercise_node) + 1000), 12764);
}

static void ten_nodes_are_12764_bytes(void **state)
{
    enum { NODES = 10, CONTENT = 1000 };
    uint8_t expected[12764];
    uint8_t made[12764];
    uint8_t *p = expected;
    const int count = NODES;
    struct source source;

    (void)state;
    memcpy(p, &count, sizeof(count));
    p += sizeof(count);
    for (int i = 0; i < NODES; i++) {
        struct exercise_node node;
        memset(&node, 0, sizeof(node));
        node.id = i;
        node.next_id = i == NODES - 1 ? -1 : i + 1;
        node.rating = (short)(2 * i);
        node.price = 3u * (unsigned)i;
        strcpy(node.title, "Book by ");
        node.title[8] = (char)('0' + i);
        node.content_length = CONTENT;
        memcpy(p, &node, sizeof(node));
        p += sizeof(node);
        memset(p, 'a', CONTENT);
        p += CONTENT;
    }
    source_init(&source, NODES, CONTENT);
    assert_int_equal(source.list_bytes, sizeof(made));
    source_read(&source, made, sizeof(made));
    assert_memory_equal(made, expected, sizeof(made));
}

/* The stream is the same however it is split, also across the end of the list. */
static void any_split(void **state)
{
    enum { LISTS = 3 };
    struct source source;

    (void)state;
    source_init(&source, 3, 5);
    const size_t size = (size_t)source.list_bytes * LISTS;
    uint8_t *whole = malloc(size);
    uint8_t *pieces = malloc(size);
    source_read(&source, whole, size);
    for (size_t piece = 1; piece < 600; piece++) {
        source_init(&source, 3, 5);
        for (size_t at = 0; at < size; at += piece)
            source_read(&source, pieces + at, size - at < piece ? size - at : piece);
        assert_memory_equal(whole, pieces, size);
    }
    free(whole);
    free(pieces);
}

static void numbers_are_reduced_to_their_width(void **state)
{
    struct wire_node node = source_node(40000, INT32_MAX, 0);

    (void)state;
    assert_int_equal(node.rating, 80000 - 65536);
    assert_int_equal(node.price, 120000);
    node = source_node(16384, INT32_MAX, 0);
    assert_int_equal(node.rating, INT16_MIN);
    node = source_node(INT32_MAX - 1u, INT32_MAX, 0);
    assert_int_equal(node.id, INT32_MAX - 1);
    assert_int_equal(node.next_id, -1);
    assert_int_equal(node.price, (uint32_t)(3ull * (INT32_MAX - 1ull)));
    assert_string_equal(node.title, "Book by 2147483646");
}

static void size_of_the_largest_list_fits(void **state)
{
    struct source source;

    (void)state;
    source_init(&source, INT32_MAX, UINT32_MAX);
    assert_true(source.list_bytes == 4 + 2147483647ull * (276ull + 4294967295ull));
}

static void receiver_accepts_it(void **state)
{
    static const struct {
        uint32_t nodes;
        uint32_t content;
    } sizes[] = {{0, 0}, {0, 7}, {1, 0}, {1, 1}, {200, 0}, {40000, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct source source;
        source_init(&source, sizes[i].nodes, sizes[i].content);
        uint8_t *bytes = malloc((size_t)source.list_bytes);
        source_read(&source, bytes, (size_t)source.list_bytes);
        struct result result = decode(&default_rules, bytes, (size_t)source.list_bytes, 10000);
        assert_true(result.is_valid);
        free(result.out);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compiler_lays_out_the_same),
        cmocka_unit_test(ten_nodes_are_12764_bytes),
        cmocka_unit_test(any_split),
        cmocka_unit_test(numbers_are_reduced_to_their_width),
        cmocka_unit_test(size_of_the_largest_list_fits),
        cmocka_unit_test(receiver_accepts_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
