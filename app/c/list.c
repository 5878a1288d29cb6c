/* See list.h. Four passes over the nodes check the links, in the order of the violations in docs/wire-format.md. Each
 * pass visits the nodes in order of arrival, so that it finds the first violation. */
#include "list.h"

#include <stdlib.h>
#include <string.h>

/* A hash table of node indices by id: open addressing, linear probing, a power of two of slots, at most half of them
 * used. */
struct index {
    uint32_t *slots;
    size_t mask;
    uint64_t seed;
};

void list_init(struct list *list)
{
    *list = (struct list){.head = LIST_END};
}

void list_free(struct list *list)
{
    free(list->nodes);
    free(list->titles);
    free(list->contents);
    list_init(list);
}

/* Make room for `more` units after the `used` ones, by doubling. Returns the array, which may have moved, or NULL if
 * memory is exhausted; the old array is then unchanged. */
static void *grow(void *array, size_t *capacity, size_t used, size_t more, size_t unit_bytes)
{
    const size_t max_units = SIZE_MAX / 2 / unit_bytes;
    size_t units = *capacity == 0 ? 16 : *capacity;
    void *grown;

    if (array != NULL && *capacity - used >= more)
        return array;
    if (used > max_units || more > max_units - used)
        return NULL;
    while (units < used + more)
        units *= 2;
    grown = realloc(array, units * unit_bytes);
    if (grown != NULL)
        *capacity = units;
    return grown;
}

int list_add(struct list *list, const struct wire_node *node, size_t title_length, bool keep_title)
{
    struct list_node *nodes = grow(list->nodes, &list->node_capacity, list->size, 1, sizeof(*nodes));

    if (nodes == NULL)
        return -1;
    list->nodes = nodes;
    if (keep_title) {
        char *titles = grow(list->titles, &list->titles_capacity, list->titles_size, title_length + 1, 1);
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
    uint8_t *contents = grow(list->contents, &list->contents_capacity, list->contents_size, size, 1);

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

/* The slot of the node with this id, or the free slot for it. */
static uint32_t *find(const struct index *index, const struct list_node *nodes, int32_t id)
{
    size_t at = (size_t)mix(index->seed ^ mix(index->seed + (uint32_t)id)) & index->mask;

    while (index->slots[at] != LIST_END && nodes[index->slots[at]].id != id)
        at = (at + 1) & index->mask;
    return &index->slots[at];
}

static enum list_fault index_ids(struct list *list, struct index *index, uint32_t *at)
{
    for (uint32_t i = 0; i < list->size; i++) {
        uint32_t *slot = find(index, list->nodes, list->nodes[i].id);
        if (*slot != LIST_END) {
            *at = i;
            return LIST_DUPLICATE_ID;
        }
        *slot = i;
    }
    return LIST_VALID;
}

static enum list_fault resolve_links(struct list *list, const struct index *index, uint32_t *at)
{
    for (uint32_t i = 0; i < list->size; i++) {
        struct list_node *node = &list->nodes[i];
        uint32_t next = LIST_END;
        if (node->next_id != WIRE_LAST_ID) {
            next = *find(index, list->nodes, node->next_id);
            if (next == LIST_END) {
                *at = i;
                return LIST_DANGLING_NEXT_ID;
            }
            list->nodes[next].is_target = true;
        }
        node->next = next;
    }
    return LIST_VALID;
}

/* Follow the links from each node until the end, or until a node of an earlier walk, which is known to end. A walk that
 * reaches a node of its own is in a cycle. */
static enum list_fault find_cycle(struct list *list, uint32_t *at)
{
    for (uint32_t i = 0; i < list->size; i++) {
        uint32_t to = i;
        for (; to != LIST_END && list->nodes[to].walk == 0; to = list->nodes[to].next)
            list->nodes[to].walk = i + 1;
        if (to != LIST_END && list->nodes[to].walk == i + 1) {
            *at = i;
            return LIST_CYCLE;
        }
    }
    return LIST_VALID;
}

static enum list_fault find_head(struct list *list, uint32_t *at)
{
    for (uint32_t i = 0; i < list->size; i++) {
        if (list->nodes[i].is_target)
            continue;
        if (list->head != LIST_END) {
            *at = i;
            return LIST_UNREACHABLE;
        }
        list->head = i;
    }
    return LIST_VALID;
}

enum list_fault list_link(struct list *list, uint64_t hash_seed, uint32_t *at)
{
    struct index index = {.mask = 1, .seed = hash_seed};
    enum list_fault fault;

    if (list->size == 0)
        return LIST_VALID;
    while (index.mask < (size_t)list->size * 2)
        index.mask *= 2;
    index.slots = malloc(index.mask * sizeof(*index.slots));
    if (index.slots == NULL)
        return LIST_NO_MEMORY;
    memset(index.slots, 0xff, index.mask * sizeof(*index.slots)); /* all LIST_END */
    index.mask--;
    fault = index_ids(list, &index, at);
    if (fault == LIST_VALID)
        fault = resolve_links(list, &index, at);
    free(index.slots);
    if (fault == LIST_VALID)
        fault = find_cycle(list, at);
    if (fault == LIST_VALID)
        fault = find_head(list, at);
    return fault;
}

const char *list_title(const struct list *list, const struct list_node *node)
{
    return list->titles + node->title;
}
