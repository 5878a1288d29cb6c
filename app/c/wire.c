/* See wire.h. A stage collects its part (header, record) or passes it on (content). A complete part is checked, and the
 * next stage begins. After the last byte of a list the decoder is between lists and keeps that list for the caller; the
 * next byte clears it. */
#include "wire.h"

#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void wire_init(struct wire_decoder *decoder, const struct wire_rules *rules)
{
    memset(decoder, 0, sizeof(*decoder));
    decoder->rules = *rules;
    list_init(&decoder->list);
    sha256_init(&decoder->sha);
}

void wire_free(struct wire_decoder *decoder)
{
    list_free(&decoder->list);
}

static enum wire_outcome violate(struct wire_decoder *decoder, const char *kind, struct wire_position where,
                                 const char *format, ...)
{
    va_list arguments;

    decoder->violation.kind = kind;
    decoder->violation.where = where;
    va_start(arguments, format);
    vsnprintf(decoder->violation.sentence, sizeof(decoder->violation.sentence), format, arguments);
    va_end(arguments);
    return WIRE_BAD;
}

/* The position of a field of node `i`, which has arrived; the contents before it are skipped. */
static struct wire_position field_position(const struct wire_decoder *decoder, uint32_t i, const char *field, size_t at)
{
    struct wire_position where = {decoder->list_start + WIRE_HEADER_BYTES + at, decoder->lists, i, field};

    for (uint32_t before = 0; before < i; before++)
        where.offset += WIRE_NODE_BYTES + (uint64_t)decoder->list.nodes[before].content_length;
    return where;
}

/* The position of a field of the record just completed, which is not in the list yet. */
static struct wire_position record_field_position(const struct wire_decoder *decoder, const char *field, size_t at)
{
    return (struct wire_position){decoder->offset - WIRE_NODE_BYTES + at, decoder->lists, decoder->list.size, field};
}

static enum wire_outcome no_memory(struct wire_decoder *decoder)
{
    return violate(decoder, "no-memory", wire_position_next(decoder), "out of memory for this list");
}

static enum wire_outcome finish_list(struct wire_decoder *decoder)
{
    uint32_t at = 0;
    enum list_fault fault = list_link(&decoder->list, decoder->rules.hash_seed, &at);
    struct wire_position id = field_position(decoder, at, "id", offsetof(struct wire_node, id));
    struct wire_position next = field_position(decoder, at, "next_id", offsetof(struct wire_node, next_id));

    switch (fault) {
    case LIST_DUPLICATE_ID:
        return violate(decoder, "duplicate-id", id, "an earlier node also has the id %" PRId32,
                       decoder->list.nodes[at].id);
    case LIST_DANGLING_NEXT_ID:
        return violate(decoder, "dangling-next-id", next, "no node has the id %" PRId32,
                       decoder->list.nodes[at].next_id);
    case LIST_CYCLE:
        return violate(decoder, "cycle", next, "the links from node %" PRId32 " lead into a cycle",
                       decoder->list.nodes[at].id);
    case LIST_UNREACHABLE:
        return violate(decoder, "unreachable", id, "no link leads to node %" PRId32 ", nor to an earlier node",
                       decoder->list.nodes[at].id);
    case LIST_NO_MEMORY:
        return no_memory(decoder);
    case LIST_VALID:
        break;
    }
    decoder->lists++;
    decoder->stage = WIRE_HEADER;
    decoder->part_bytes = 0;
    return WIRE_LIST;
}

/* Begin the next node, or finish the list. */
static enum wire_outcome finish_node(struct wire_decoder *decoder)
{
    decoder->part_bytes = 0;
    decoder->stage = WIRE_RECORD;
    return decoder->list.size == decoder->count ? finish_list(decoder) : WIRE_MORE;
}

static enum wire_outcome check_header(struct wire_decoder *decoder)
{
    const struct wire_position count = {decoder->list_start, decoder->lists, -1, "count"};
    const int32_t value = decoder->part.header.count;

    if (value < 0)
        return violate(decoder, "count-negative", count, "%" PRId32, value);
    if ((uint64_t)value > decoder->rules.max_nodes)
        return violate(decoder, "count-cap", count, "%" PRId32 " is over the cap of %" PRIu64, value,
                       decoder->rules.max_nodes);
    decoder->count = (uint32_t)value;
    decoder->list_bytes = WIRE_HEADER_BYTES;
    return finish_node(decoder);
}

static enum wire_outcome check_record(struct wire_decoder *decoder)
{
    const struct wire_node *node = &decoder->part.node;
    const struct wire_position title = record_field_position(decoder, "title", offsetof(struct wire_node, title));
    const struct wire_position length =
        record_field_position(decoder, "content_length", offsetof(struct wire_node, content_length));
    const char *end = memchr(node->title, '\0', sizeof(node->title));

    if (end == NULL)
        return violate(decoder, "title-unterminated", title, "no NUL within its %zu bytes", sizeof(node->title));
    if (!text_is_utf8(node->title, (size_t)(end - node->title)))
        return violate(decoder, "title-utf8", title, "not UTF-8");
    if (node->content_length > decoder->rules.max_content_bytes)
        return violate(decoder, "content-cap", length, "%" PRIu32 " is over the cap of %" PRIu64, node->content_length,
                       decoder->rules.max_content_bytes);
    decoder->list_bytes += WIRE_NODE_BYTES + (uint64_t)node->content_length;
    if (decoder->list_bytes > decoder->rules.max_total_bytes)
        return violate(decoder, "total-cap", length, "the list would have %" PRIu64 " bytes, the cap is %" PRIu64,
                       decoder->list_bytes, decoder->rules.max_total_bytes);
    if (list_add(&decoder->list, node, (size_t)(end - node->title),
                 decoder->list.size < decoder->rules.title_count) != 0)
        return no_memory(decoder);
    decoder->content_left = node->content_length;
    decoder->stage = WIRE_CONTENT;
    return decoder->content_left == 0 ? finish_node(decoder) : WIRE_MORE;
}

/* Collect a part of `whole` bytes. Returns the number of bytes used. */
static size_t collect(struct wire_decoder *decoder, const uint8_t *data, size_t size, size_t whole)
{
    const size_t used = size < whole - decoder->part_bytes ? size : whole - decoder->part_bytes;

    memcpy(decoder->part.bytes + decoder->part_bytes, data, used);
    decoder->part_bytes += used;
    decoder->offset += used;
    return used;
}

/* Use one piece, at least one byte, that lies within one part. */
static enum wire_outcome feed_piece(struct wire_decoder *decoder, const uint8_t *data, size_t size, size_t *used)
{
    if (decoder->stage == WIRE_CONTENT) {
        *used = size < decoder->content_left ? size : decoder->content_left;
        if (decoder->rules.keep_content && list_add_content(&decoder->list, data, *used) != 0)
            return no_memory(decoder);
        decoder->offset += *used;
        decoder->content_left -= (uint32_t)*used;
        return decoder->content_left == 0 ? finish_node(decoder) : WIRE_MORE;
    }
    const size_t whole = decoder->stage == WIRE_HEADER ? WIRE_HEADER_BYTES : WIRE_NODE_BYTES;
    *used = collect(decoder, data, size, whole);
    if (decoder->part_bytes < whole)
        return WIRE_MORE;
    return decoder->stage == WIRE_HEADER ? check_header(decoder) : check_record(decoder);
}

static bool between_lists(const struct wire_decoder *decoder)
{
    return decoder->stage == WIRE_HEADER && decoder->part_bytes == 0;
}

static bool all_lists_done(const struct wire_decoder *decoder)
{
    return between_lists(decoder) && decoder->rules.lists != 0 && decoder->lists == decoder->rules.lists;
}

enum wire_outcome wire_feed(struct wire_decoder *decoder, const uint8_t *data, size_t size, size_t *used)
{
    enum wire_outcome outcome = WIRE_MORE;

    *used = 0;
    if (size == 0)
        return WIRE_MORE;
    if (all_lists_done(decoder))
        return violate(decoder, "trailing-bytes", wire_position_next(decoder), "nothing may follow the last list");
    if (between_lists(decoder)) {
        list_free(&decoder->list);
        sha256_init(&decoder->sha);
        decoder->list_start = decoder->offset;
    }
    while (outcome == WIRE_MORE && *used < size) {
        size_t piece = 0;
        outcome = feed_piece(decoder, data + *used, size - *used, &piece);
        *used += piece;
    }
    if (outcome != WIRE_BAD)
        sha256_update(&decoder->sha, data, *used);
    return outcome;
}

enum wire_outcome wire_end(struct wire_decoder *decoder)
{
    if (all_lists_done(decoder) || (between_lists(decoder) && decoder->rules.lists == 0))
        return WIRE_MORE;
    return violate(decoder, "early-end", wire_position_next(decoder), "the stream ended here");
}

/* The name of the field that contains byte `at` of a record. */
static const char *field_at(size_t at)
{
    static const struct {
        size_t end;
        const char *name;
    } fields[] = {
#define FIELD(name) {offsetof(struct wire_node, name) + sizeof(((struct wire_node *)0)->name), #name}
        FIELD(id),    FIELD(next_id), FIELD(rating),        FIELD(padding_rating),
        FIELD(price), FIELD(title),   FIELD(padding_title), FIELD(content_length),
#undef FIELD
    };
    size_t i = 0;

    while (at >= fields[i].end)
        i++;
    return fields[i].name;
}

struct wire_position wire_position_next(const struct wire_decoder *decoder)
{
    struct wire_position where = {decoder->offset, decoder->lists, -1, "count"};

    if (all_lists_done(decoder))
        where.field = "end";
    if (decoder->stage == WIRE_RECORD) {
        where.node = decoder->list.size;
        where.field = field_at(decoder->part_bytes);
    }
    if (decoder->stage == WIRE_CONTENT) {
        where.node = (int64_t)decoder->list.size - 1;
        where.field = "content";
    }
    return where;
}

void wire_describe(const char *kind, const struct wire_position *where, char text[WIRE_WHERE_BYTES])
{
    int length = snprintf(text, WIRE_WHERE_BYTES, "%s at byte %" PRIu64 ", list %" PRIu64, kind, where->offset,
                          where->list);

    if (where->node >= 0)
        length += snprintf(text + length, WIRE_WHERE_BYTES - (size_t)length, ", node %" PRId64, where->node);
    snprintf(text + length, WIRE_WHERE_BYTES - (size_t)length, ", field %s", where->field);
}
