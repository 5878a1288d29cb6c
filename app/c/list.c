/* See list.h. The links are checked in four passes over the nodes, in the order in which docs/wire-format.md lists the
 * violations; each pass meets the nodes in order of arrival, so that the first at fault is the one to report. */
#include "list.h"

#include <stdlib.h>
#include <string.h>

/* Slots of indices by id, a power of two of them and at least half of them free: open addressing, linear probing. */
struct index {
    uint32_t *slots;
    size_t mask;
    uint64_t seed;
};

void list_init(struct list *list)
{
    *list = (struct list){.head = LIST_NONE};
}

void list_free(struct list *list)
{
    free(list->nodes);
    free(list->titles);
    free(list->contents);
    list_init(list);
}

/* Make room for `more` units behind the `used` ones, by doubling. Returns the array, which may have moved, or NULL when
 * there is no memory; then the old one is as it was. */
static void *grow(void *array, size_t *room, size_t used, size_t more, size_t unit_bytes)
{
    const size_t most = SIZE_MAX / 2 / unit_bytes;
    size_t wanted = *room == 0 ? 16 : *room;
    void *grown;

    if (array != NULL && *room - used >= more)
        return array;
    if (used > most || more > most - used)
        return NULL;
    while (wanted < used + more)
        wanted *= 2;
    grown = realloc(array, wanted * unit_bytes);
    if (grown != NULL)
        *room = wanted;
    return grown;
}

int list_add(struct list *list, const struct wire_node *node, size_t title_length, bool keep_title)
{
    struct list_node *nodes = grow(list->nodes, &list->node_room, list->size, 1, sizeof(*nodes));

    if (nodes == NULL)
        return -1;
    list->nodes = nodes;
    if (keep_title) {
        char *titles = grow(list->titles, &list->titles_room, list->titles_size, title_length + 1, 1);
        if (titles == NULL)
            return -1;
        list->titles = titles;
        memcpy(titles + list->titles_size, node->title, title_length);
        titles[list->titles_size + title_length] = '\0';
    }
    nodes[list->size++] = (struct list_node){
        .title = list->titles_size,
        .id = node->id,
        .next_id = node->next_id,
        .price = node->price,
        .content_length = node->content_length,
        .rating = node->rating,
    };
    if (keep_title)
        list->titles_size += title_length + 1;
    return 0;
}

int list_add_content(struct list *list, const uint8_t *data, size_t size)
{
    uint8_t *contents = grow(list->contents, &list->contents_room, list->contents_size, size, 1);

    if (contents == NULL)
        return -1;
    list->contents = contents;
    memcpy(contents + list->contents_size, data, size);
    list->contents_size += size;
    return 0;
}

/* Spread an id over 64 bits: the finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
 * Generators, 2014, figure 16). */
static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* The slot that holds the node with this id, or the free one where it belongs. */
static uint32_t *find(const struct index *index, const struct list_node *nodes, int32_t id)
{
    size_t at = (size_t)mix(index->seed ^ mix(index->seed + (uint32_t)id)) & index->mask;

    while (index->slots[at] != LIST_NONE && nodes[index->slots[at]].id != id)
        at = (at + 1) & index->mask;
    return &index->slots[at];
}

static enum list_fault enter_ids(struct list *list, struct index *index, uint32_t *at)
{
    for (uint32_t i = 0; i < list->size; i++) {
        uint32_t *slot = find(index, list->nodes, list->nodes[i].id);
        if (*slot != LIST_NONE) {
            *at = i;
            return LIST_DUPLICATE_ID;
        }
        *slot = i;
    }
    return LIST_FINE;
}

static enum list_fault resolve_links(struct list *list, const struct index *index, uint32_t *at)
{
    for (uint32_t i = 0; i < list->size; i++) {
        struct list_node *node = &list->nodes[i];
        uint32_t next = LIST_NONE;
        if (node->next_id != WIRE_LAST_ID) {
            next = *find(index, list->nodes, node->next_id);
            if (next == LIST_NONE) {
                *at = i;
                return LIST_DANGLING_NEXT_ID;
            }
            list->nodes[next].is_target = true;
        }
        node->next = next;
    }
    return LIST_FINE;
}

/* Walk on from each node until the end, or until a node where an earlier walk has been, which then ended. A walk that
 * meets itself never ends. */
static enum list_fault find_cycle(struct list *list, uint32_t *at)
{
    for (uint32_t i = 0; i < list->size; i++) {
        uint32_t to = i;
        for (; to != LIST_NONE && list->nodes[to].walk == 0; to = list->nodes[to].next)
            list->nodes[to].walk = i + 1;
        if (to != LIST_NONE && list->nodes[to].walk == i + 1) {
            *at = i;
            return LIST_CYCLE;
        }
    }
    return LIST_FINE;
}

static enum list_fault find_head(struct list *list, uint32_t *at)
{
    for (uint32_t i = 0; i < list->size; i++) {
        if (list->nodes[i].is_target)
            continue;
        if (list->head != LIST_NONE) {
            *at = i;
            return LIST_UNREACHABLE;
        }
        list->head = i;
    }
    return LIST_FINE;
}

enum list_fault list_link(struct list *list, uint64_t hash_seed, uint32_t *at)
{
    struct index index = {.mask = 1, .seed = hash_seed};
    enum list_fault fault;

    if (list->size == 0)
        return LIST_FINE;
    while (index.mask < (size_t)list->size * 2)
        index.mask *= 2;
    index.slots = malloc(index.mask * sizeof(*index.slots));
    if (index.slots == NULL)
        return LIST_NO_MEMORY;
    memset(index.slots, 0xff, index.mask * sizeof(*index.slots)); /* all LIST_NONE */
    index.mask--;
    fault = enter_ids(list, &index, at);
    if (fault == LIST_FINE)
        fault = resolve_links(list, &index, at);
    free(index.slots);
    if (fault == LIST_FINE)
        fault = find_cycle(list, at);
    if (fault == LIST_FINE)
        fault = find_head(list, at);
    return fault;
}

const char *list_title(const struct list *list, const struct list_node *node)
{
    return list->titles + node->title;
}
