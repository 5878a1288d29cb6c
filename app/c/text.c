/* See text.h. */
#include "text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The length of the sequence that `lead` starts (RFC 3629, section 3), 0 if it is no lead byte. */
static size_t sequence_length(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead < 0xe0)
        return 2;
    if (lead >= 0xe0 && lead < 0xf0)
        return 3;
    return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/* Decode the sequence at `p`, with `size` bytes available. Returns its length, 0 if it is not UTF-8. */
static size_t decode(const uint8_t *p, size_t size, uint32_t *code)
{
    static const uint32_t min_code[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t length = size == 0 ? 0 : sequence_length(p[0]);

    if (length == 0 || length > size)
        return 0;
    *code = length == 1 ? p[0] : p[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (p[i] & 0x3f);
    }
    if (*code < min_code[length] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
        return 0;
    return length;
}

bool text_is_utf8(const char *text, size_t size)
{
    const uint8_t *p = (const uint8_t *)text;
    uint32_t code;

    while (size > 0) {
        size_t length = decode(p, size, &code);
        if (length == 0)
            return false;
        p += length;
        size -= length;
    }
    return true;
}

/* Line separators and changes of writing direction. */
static bool changes_layout(uint32_t code)
{
    return code == 0x061c || code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

void text_escape(const char *text, char *out)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t left = strlen(text);
    size_t length;
    uint32_t code;

    for (; left > 0 && (length = decode(p, left, &code)) > 0; p += length, left -= length) {
        if (code == '"' || code == '\\') {
            *out++ = '\\';
            *out++ = (char)code;
        } else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
            out += sprintf(out, "\\x%02x", (unsigned)code);
        } else if (changes_layout(code)) {
            out += sprintf(out, "\\u%04x", (unsigned)code);
        } else {
            memcpy(out, p, length);
            out += length;
        }
    }
    *out = '\0';
}
