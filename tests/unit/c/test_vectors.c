/* Every shared vector (the arguments): whole, in pieces, byte by byte, truncated at every length, and with a tail. */
#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_verdict(const struct vector *vector, const struct result *result)
{
    const struct wire_position *where = &result->violation.where;

    assert_int_equal(result->is_valid, vector->is_valid);
    if (vector->is_valid)
        return;
    assert_string_equal(result->violation.kind, vector->kind);
    assert_int_equal(where->offset, vector->offset);
    assert_int_equal(where->list, vector->list);
    assert_int_equal(where->node, vector->node);
    assert_string_equal(where->field, vector->field);
    assert_true(strlen(result->violation.sentence) > 0);
}

static void in_pieces(void **state)
{
    static const size_t pieces[] = {SIZE_MAX, 1, 2, 3, 7, 275, 276, 277, 1000, 4096};
    const struct vector *vector = *state;

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct result result = decode(&vector->rules, vector->bytes, vector->size, pieces[i]);
        check_verdict(vector, &result);
        assert_string_equal(result.out, vector->out);
        free(result.out);
    }
}

/* A stream that is cut before anything is wrong with it ends too early, at just that byte. It may end only after the
 * last list, or between two lists where any number of them is allowed. */
static void truncated_everywhere(void **state)
{
    const struct vector *vector = *state;

    for (size_t size = 0; size < vector->size; size++) {
        struct result result = decode(&vector->rules, vector->bytes, size, SIZE_MAX);
        const bool is_early = !result.is_valid && strcmp(result.violation.kind, "early-end") == 0;
        if (is_early)
            assert_int_equal(result.violation.where.offset, size);
        else if (result.is_valid)
            assert_true(vector->rules.lists == 0 ||
                        (strcmp(vector->kind, "trailing-bytes") == 0 && size == vector->offset));
        else
            check_verdict(vector, &result);
        if (!result.is_valid)
            assert_memory_equal(result.out, vector->out, strlen(result.out));
        free(result.out);
    }
}

static void with_tail(void **state)
{
    const struct vector *vector = *state;
    uint8_t *bytes = malloc(vector->size + 1);

    memcpy(bytes, vector->bytes, vector->size);
    bytes[vector->size] = 'x';
    struct result result = decode(&vector->rules, bytes, vector->size + 1, SIZE_MAX);
    if (vector->is_valid) {
        assert_false(result.is_valid);
        assert_string_equal(result.violation.kind, vector->rules.lists == 0 ? "early-end" : "trailing-bytes");
        assert_int_equal(result.violation.where.offset, vector->size + (vector->rules.lists == 0));
        assert_int_equal(result.violation.where.node, -1);
    } else if (strcmp(vector->kind, "early-end") != 0) {
        check_verdict(vector, &result);
    } else if (!result.is_valid && strcmp(result.violation.kind, "early-end") == 0) {
        assert_int_equal(result.violation.where.offset, vector->size + 1);
    }
    free(result.out);
    free(bytes);
}

int main(int argc, char *argv[])
{
    int failed = 0;

    if (argc < 2) {
        fputs("test_vectors: no vectors given\n", stderr);
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        struct vector vector;
        vector_read(&vector, argv[i]);
        const struct CMUnitTest tests[] = {
            cmocka_unit_test_prestate(in_pieces, &vector),
            cmocka_unit_test_prestate(truncated_everywhere, &vector),
            cmocka_unit_test_prestate(with_tail, &vector),
        };
        failed += cmocka_run_group_tests_name(vector.name, tests, NULL, NULL);
        vector_free(&vector);
    }
    return failed == 0 ? 0 : 1;
}
