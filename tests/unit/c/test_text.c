#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Encode by the table of RFC 3629, section 3; also surrogates and code points that are too large. Returns the length. */
static size_t encode(uint32_t code, uint8_t out[4])
{
    static const uint8_t leads[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    const size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        out[i] = (uint8_t)(0x80 | (code & 0x3f));
    out[0] = (uint8_t)(leads[length] | code);
    return length;
}

static void every_code_point(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x140000; code++) {
        uint8_t bytes[4];
        const size_t length = encode(code, bytes);
        const bool is_text = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        assert_int_equal(text_is_utf8((char *)bytes, length), is_text);
        for (size_t cut = 1; cut < length; cut++)
            assert_false(text_is_utf8((char *)bytes, cut));
    }
}

/* A pair of bytes is UTF-8 if it is two ASCII characters or one code point from U+0080 to U+07FF. */
static void every_pair_of_bytes(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            const char pair[2] = {(char)a, (char)b};
            const bool is_text = (a < 0x80 && b < 0x80) || (a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf);
            assert_int_equal(text_is_utf8(pair, 2), is_text);
        }
}

static void overlong(void **state)
{
    (void)state;
    assert_false(text_is_utf8("\xc0\x80", 2));
    assert_false(text_is_utf8("\xe0\x9f\xbf", 3));
    assert_false(text_is_utf8("\xf0\x8f\xbf\xbf", 4));
    assert_false(text_is_utf8("\xf8\x88\x80\x80\x80", 5));
}

static void check_escape(const char *text, const char *expected)
{
    char out[TEXT_ESCAPED_BYTES(64)];

    text_escape(text, out);
    assert_string_equal(out, expected);
}

static void escapes(void **state)
{
    (void)state;
    check_escape("", "");
    check_escape("Book by 0", "Book by 0");
    check_escape("a\"b\\c", "a\\\"b\\\\c");
    check_escape("\x1b[31m\x01\x1f\n\x7f", "\\x1b[31m\\x01\\x1f\\x0a\\x7f");
    check_escape("\xc2\x80\xc2\x9f\u00a0\u00e9", "\\x80\\x9f\u00a0\u00e9");
    check_escape("\u061b\u061c\u061d", "\u061b\\u061c\u061d");
    check_escape("\u200d\u200e\u200f\u2010", "\u200d\\u200e\\u200f\u2010");
    check_escape("\u2027\u2028\u202e\u202f", "\u2027\\u2028\\u202e\u202f");
    check_escape("\u2065\u2066\u2069\u206a", "\u2065\\u2066\\u2069\u206a");
    check_escape("\U0001f4d6", "\U0001f4d6");
}

/* The result contains nothing that a terminal would interpret, and is UTF-8 of at most the documented size. */
static void every_code_point_escaped(void **state)
{
    (void)state;
    for (uint32_t code = 1; code <= 0x10ffff; code++) {
        char text[5] = {0};
        char out[TEXT_ESCAPED_BYTES(4)];
        if (code >= 0xd800 && code <= 0xdfff)
            continue;
        const size_t length = encode(code, (uint8_t *)text);
        text_escape(text, out);
        assert_true(strlen(out) < TEXT_ESCAPED_BYTES(length));
        assert_true(text_is_utf8(out, strlen(out)));
        for (const char *p = out; *p != '\0'; p++)
            assert_true((uint8_t)*p >= 0x20 && *p != 0x7f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point), cmocka_unit_test(every_pair_of_bytes),      cmocka_unit_test(overlong),
        cmocka_unit_test(escapes),          cmocka_unit_test(every_code_point_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
