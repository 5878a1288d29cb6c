/* See print.h. */
#include "print.h"

#include "text.h"

#include <inttypes.h>

/* Nodes printed with PRINT_SOME. */
#define SOME 10u

uint32_t print_title_count(enum print print)
{
    static const uint32_t kept[] = {UINT32_MAX, SOME, 0};

    return kept[print];
}

static void print_node(const struct list *list, const struct list_node *node, FILE *out)
{
    char title[TEXT_ESCAPED_BYTES(WIRE_TITLE_BYTES)];

    text_escape(list_title(list, node), title);
    fprintf(out, "Node: %" PRId32 ", rating: %d, price: %" PRIu32 ", title: \"%s\", content length: %" PRIu32 "\n",
            node->id, node->rating, node->price, title, node->content_length);
}

static int finish(FILE *out)
{
    const int result = fflush(out) != 0 || ferror(out) ? -1 : 0;

    funlockfile(out);
    return result;
}

int print_list(struct wire_decoder *decoder, enum print print, bool verbose, FILE *out)
{
    const struct list *list = &decoder->list;
    const uint32_t printed = print_title_count(print);

    flockfile(out);
    for (uint32_t i = printed == 0 ? LIST_END : list->head; i != LIST_END; i = list->nodes[i].next)
        if (i < printed)
            print_node(list, &list->nodes[i], out);
    if (print == PRINT_SOME && list->size > SOME)
        fprintf(out, "... and %" PRIu32 " more\n", list->size - SOME);
    if (verbose) {
        char digest[SHA256_HEX_BYTES];
        sha256_final_hex(&decoder->sha, digest);
        fprintf(out, "List of %" PRIu32 " nodes, %" PRIu64 " bytes, sha256 %s\n", list->size, decoder->list_bytes,
                digest);
    }
    return finish(out);
}

int print_end(FILE *out)
{
    flockfile(out);
    fputs("Ending connection\n", out);
    return finish(out);
}
