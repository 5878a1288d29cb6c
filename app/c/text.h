/* Text that came from a peer: is it UTF-8, and how is it shown on a terminal. No I/O. */
#ifndef TESTBED_TEXT_H
#define TESTBED_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* The longest that a text of `size` bytes can become by text_escape(), with the NUL: one byte becomes four. */
#define TEXT_ESCAPED_BYTES(size) (4 * (size) + 1)

/* Is it UTF-8 as RFC 3629 has it: nothing overlong, no surrogates, nothing above U+10FFFF? */
bool text_is_utf8(const char *text, size_t size);

/* Write `text`, which is UTF-8, with everything replaced that would act on a terminal instead of standing on it; the
 * table is in docs/programs.md. `out` has room for TEXT_ESCAPED_BYTES. */
void text_escape(const char *text, char *out);

#endif
