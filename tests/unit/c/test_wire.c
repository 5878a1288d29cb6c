/* Cases that the shared vectors do not cover: kept contents, positions without a violation, memory. */
#include "wire.h"

#include "source.h"
#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The field of every byte of a list of one node with a content of 3 bytes. */
static const char *field_of(uint64_t offset)
{
    static const struct {
        uint64_t end;
        const char *name;
    } fields[] = {{4, "count"},  {8, "id"},      {12, "next_id"},       {14, "rating"},         {16, "padding_rating"},
                  {20, "price"}, {275, "title"}, {276, "padding_title"}, {280, "content_length"}, {283, "content"}};
    size_t i = 0;

    while (offset >= fields[i].end)
        i++;
    return fields[i].name;
}

static void next_byte_is_named(void **state)
{
    struct wire_decoder decoder;
    struct source source;
    uint8_t byte;
    size_t used;

    (void)state;
    source_init(&source, 1, 3);
    wire_init(&decoder, &default_rules);
    for (uint64_t offset = 0; offset < source.list_bytes; offset++) {
        const struct wire_position where = wire_position_next(&decoder);
        assert_int_equal(where.offset, offset);
        assert_int_equal(where.list, 0);
        assert_int_equal(where.node, offset < 4 ? -1 : 0);
        assert_string_equal(where.field, field_of(offset));
        source_read(&source, &byte, 1);
        assert_int_equal(wire_feed(&decoder, &byte, 1, &used), offset + 1 == source.list_bytes ? WIRE_LIST : WIRE_MORE);
        assert_int_equal(used, 1);
    }
    const struct wire_position end = wire_position_next(&decoder);
    assert_int_equal(end.offset, 283);
    assert_int_equal(end.list, 1);
    assert_int_equal(end.node, -1);
    assert_string_equal(end.field, "end");
    wire_free(&decoder);
}

static void description(void **state)
{
    const struct wire_position count = {0, 0, -1, "count"};
    const struct wire_position length = {832, 1, 3, "content_length"};
    char text[WIRE_WHERE_BYTES];

    (void)state;
    wire_describe("count-negative", &count, text);
    assert_string_equal(text, "count-negative at byte 0, list 0, field count");
    wire_describe("content-cap", &length, text);
    assert_string_equal(text, "content-cap at byte 832, list 1, node 3, field content_length");
}

static void feed_stops_at_the_end_of_a_list(void **state)
{
    struct wire_rules rules = default_rules;
    struct wire_decoder decoder;
    struct source source;
    uint8_t bytes[2 * 842];
    size_t used;

    (void)state;
    rules.lists = 2;
    rules.keep_content = true;
    source_init(&source, 3, 3);
    source_read(&source, bytes, sizeof(bytes));
    wire_init(&decoder, &rules);
    assert_int_equal(wire_feed(&decoder, bytes, sizeof(bytes), &used), WIRE_LIST);
    assert_int_equal(used, 841);
    assert_int_equal(decoder.list_bytes, 841);
    assert_int_equal(decoder.list.size, 3);
    assert_int_equal(decoder.list.contents_size, 9);
    assert_memory_equal(decoder.list.contents, "aaaaaaaaa", 9);
    assert_int_equal(wire_end(&decoder), WIRE_BAD);
    wire_free(&decoder);
}

/* A peer that announces the maximum, and sends only the announcement. */
static void announcements_allocate_no_memory(void **state)
{
    struct wire_rules rules = default_rules;
    const struct wire_header header = {.count = INT32_MAX};
    const struct wire_node node = {.next_id = -1, .content_length = UINT32_MAX};
    struct wire_decoder decoder;
    size_t used;

    (void)state;
    rules.max_nodes = INT32_MAX;
    rules.max_content_bytes = UINT32_MAX;
    rules.max_total_bytes = INT64_MAX;
    rules.keep_content = true;
    wire_init(&decoder, &rules);
    assert_int_equal(wire_feed(&decoder, (const uint8_t *)&header, sizeof(header), &used), WIRE_MORE);
    assert_null(decoder.list.nodes);
    assert_int_equal(wire_feed(&decoder, (const uint8_t *)&node, sizeof(node), &used), WIRE_MORE);
    assert_in_range(decoder.list.node_capacity, 1, 16);
    assert_int_equal(decoder.list.contents_capacity, 0);
    wire_free(&decoder);
}

static void contents_need_no_memory_in_digest_mode(void **state)
{
    static uint8_t piece[65536];
    struct wire_rules rules = default_rules;
    struct wire_decoder decoder;
    struct source source;
    size_t used;

    (void)state;
    rules.max_content_bytes = UINT32_MAX;
    source_init(&source, 1, 16 * sizeof(piece));
    wire_init(&decoder, &rules);
    for (int i = 0; i < 16; i++) {
        source_read(&source, piece, sizeof(piece));
        assert_int_equal(wire_feed(&decoder, piece, sizeof(piece), &used), WIRE_MORE);
    }
    assert_int_equal(decoder.list.contents_capacity, 0);
    wire_free(&decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_byte_is_named),
        cmocka_unit_test(description),
        cmocka_unit_test(feed_stops_at_the_end_of_a_list),
        cmocka_unit_test(announcements_allocate_no_memory),
        cmocka_unit_test(contents_need_no_memory_in_digest_mode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
