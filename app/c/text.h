/* Text from a peer: check that it is UTF-8, and escape it for a terminal. No I/O. */
#ifndef TESTBED_TEXT_H
#define TESTBED_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* The maximum size of an escaped text of `size` bytes, with the NUL: one byte becomes four. */
#define TEXT_ESCAPED_BYTES(size) (4 * (size) + 1)

/* Return whether the text is UTF-8 as in RFC 3629: nothing overlong, no surrogates, nothing above U+10FFFF. */
bool text_is_utf8(const char *text, size_t size);

/* Write `text`, which is UTF-8, and replace everything that a terminal would interpret; docs/programs.md has the table.
 * `out` has room for TEXT_ESCAPED_BYTES. */
void text_escape(const char *text, char *out);

#endif
