#include "list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add(struct list *list, int32_t id, int32_t next_id)
{
    const struct wire_node node = {.id = id, .next_id = next_id, .title = "t"};

    assert_int_equal(list_add(list, &node, 1, true), 0);
}

/* Ids 0 to size - 1 in a shuffled order of arrival, each linked to the next. */
static void add_shuffled(struct list *list, uint32_t size)
{
    int32_t *ids = malloc(size * sizeof(*ids));
    uint32_t state = 12345;

    for (uint32_t i = 0; i < size; i++)
        ids[i] = (int32_t)i;
    for (uint32_t i = size - 1; i > 0; i--) {
        state = state * 1664525 + 1013904223;
        const uint32_t other = state % (i + 1);
        const int32_t id = ids[i];
        ids[i] = ids[other];
        ids[other] = id;
    }
    for (uint32_t i = 0; i < size; i++)
        add(list, ids[i], ids[i] + 1 == (int32_t)size ? WIRE_LAST_ID : ids[i] + 1);
    free(ids);
}

static void any_order_is_relinked(void **state)
{
    const uint32_t size = 100000;
    struct list list;
    uint32_t at;
    int32_t expected = 0;

    (void)state;
    list_init(&list);
    add_shuffled(&list, size);
    assert_int_equal(list_link(&list, 42, &at), LIST_VALID);
    for (uint32_t i = list.head; i != LIST_END; i = list.nodes[i].next) {
        assert_int_equal(list.nodes[i].id, expected);
        assert_string_equal(list_title(&list, &list.nodes[i]), "t");
        expected++;
    }
    assert_int_equal(expected, size);
    list_free(&list);
}

/* Every way in which a few nodes can be linked, against the definitions, followed step by step. */
struct model {
    int32_t next[4]; /* index, or -1 */
    uint32_t size;
};

static bool ends(const struct model *model, uint32_t from)
{
    int32_t at = (int32_t)from;

    for (uint32_t steps = 0; steps <= model->size && at >= 0; steps++)
        at = model->next[at];
    return at < 0;
}

static enum list_fault fault_of(const struct model *model, uint32_t *at)
{
    uint32_t heads = 0;

    for (*at = 0; *at < model->size; ++*at)
        if (!ends(model, *at))
            return LIST_CYCLE;
    for (*at = 0; *at < model->size; ++*at) {
        bool is_target = false;
        for (uint32_t i = 0; i < model->size; i++)
            is_target = is_target || model->next[i] == (int32_t)*at;
        heads += !is_target;
        if (heads == 2)
            return LIST_UNREACHABLE;
    }
    return LIST_VALID;
}

static void every_small_graph(void **state)
{
    (void)state;
    for (uint32_t size = 1; size <= 4; size++) {
        uint32_t graphs = 1;
        for (uint32_t i = 0; i < size; i++)
            graphs *= size + 1;
        for (uint32_t graph = 0; graph < graphs; graph++) {
            struct model model = {.size = size};
            struct list list;
            uint32_t rest = graph;
            uint32_t expected_at;
            uint32_t at;
            list_init(&list);
            for (uint32_t i = 0; i < size; i++, rest /= size + 1) {
                model.next[i] = (int32_t)(rest % (size + 1)) - 1;
                add(&list, 100 * (int32_t)i, model.next[i] < 0 ? -1 : 100 * model.next[i]);
            }
            const enum list_fault expected = fault_of(&model, &expected_at);
            assert_int_equal(list_link(&list, graph, &at), expected);
            if (expected != LIST_VALID)
                assert_int_equal(at, expected_at);
            list_free(&list);
        }
    }
}

static void duplicate_and_dangling(void **state)
{
    struct list list;
    uint32_t at;

    (void)state;
    list_init(&list);
    add(&list, 5, 99);
    add(&list, 6, -1);
    add(&list, 5, -1);
    assert_int_equal(list_link(&list, 1, &at), LIST_DUPLICATE_ID);
    assert_int_equal(at, 2);
    list_free(&list);
    add(&list, 5, 6);
    add(&list, 6, 7);
    assert_int_equal(list_link(&list, 1, &at), LIST_DANGLING_NEXT_ID);
    assert_int_equal(at, 1);
    list_free(&list);
}

static void empty(void **state)
{
    struct list list;
    uint32_t at;

    (void)state;
    list_init(&list);
    assert_int_equal(list_link(&list, 1, &at), LIST_VALID);
    assert_int_equal(list.head, LIST_END);
    list_free(&list);
}

static void titles_and_contents_are_kept_on_request(void **state)
{
    const struct wire_node node = {.id = 1, .next_id = -1, .title = "kept"};
    struct list list;

    (void)state;
    list_init(&list);
    assert_int_equal(list_add(&list, &node, 4, true), 0);
    assert_int_equal(list_add(&list, &node, 4, false), 0);
    assert_int_equal(list.titles_size, 5);
    assert_string_equal(list_title(&list, &list.nodes[0]), "kept");
    for (int i = 0; i < 1000; i++)
        assert_int_equal(list_add_content(&list, (const uint8_t *)"abc", 3), 0);
    assert_int_equal(list.contents_size, 3000);
    assert_memory_equal(list.contents + 2997, "abc", 3);
    list_free(&list);
    assert_null(list.nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_is_relinked),  cmocka_unit_test(every_small_graph),
        cmocka_unit_test(duplicate_and_dangling), cmocka_unit_test(empty),
        cmocka_unit_test(titles_and_contents_are_kept_on_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
