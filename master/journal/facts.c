/* facts: what a shell told its journal, by job, kind and key. */
#include "master/journal/facts.h"

#include "lib/base/error.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int compare(const struct mr_fact *a, uint32_t job, uint32_t kind, uint64_t key) {
    if (a->job != job) {
        return a->job < job ? -1 : 1;
    }
    if (a->kind != kind) {
        return a->kind < kind ? -1 : 1;
    }
    return (a->key > key) - (a->key < key);
}

static size_t gap_len(const struct mr_facts *facts) {
    return facts->capacity - facts->count;
}

/* Where the i-th fact lies. */
static struct mr_fact *item(const struct mr_facts *facts, size_t i) {
    return &facts->items[i < facts->gap ? i : i + gap_len(facts)];
}

static void move_gap(struct mr_facts *facts, size_t to) {
    size_t len = gap_len(facts);
    struct mr_fact *items = facts->items;
    if (to < facts->gap) {
        memmove(items + to + len, items + to, (facts->gap - to) * sizeof *items);
    } else if (to > facts->gap) {
        memmove(items + facts->gap, items + facts->gap + len, (to - facts->gap) * sizeof *items);
    }
    facts->gap = to;
}

/* The place of the fact, or where it would be. */
static size_t search(const struct mr_facts *facts, uint32_t job, uint32_t kind, uint64_t key,
                     bool *is_there) {
    size_t begin = 0;
    size_t end = facts->count;
    *is_there = false;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        int order = compare(item(facts, middle), job, kind, key);
        if (order == 0) {
            *is_there = true;
            return middle;
        }
        if (order < 0) {
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    return begin;
}

static int make_room(struct mr_facts *facts, struct mr_error *err) {
    if (facts->count < facts->capacity) {
        return MR_OK;
    }
    move_gap(facts, facts->count);
    size_t capacity = facts->capacity ? 2 * facts->capacity : 16;
    struct mr_fact *items = realloc(facts->items, capacity * sizeof *items);
    if (!items) {
        return mr_error_nomem(err, "keeping what the journal holds");
    }
    facts->items = items;
    facts->capacity = capacity;
    return MR_OK;
}

int mr_facts_put(struct mr_facts *facts, const struct mr_fact *fact, struct mr_error *err) {
    bool is_there;
    size_t at = search(facts, fact->job, fact->kind, fact->key, &is_there);
    if (!is_there && make_room(facts, err)) {
        return err->code;
    }
    char *bytes = malloc(fact->len + 1);
    if (!bytes) {
        return mr_error_nomem(err, "keeping what the journal holds");
    }
    if (fact->len > 0) {
        memcpy(bytes, fact->bytes, fact->len);
    }
    bytes[fact->len] = '\0'; /* for facts that are text */
    if (is_there) {
        free(item(facts, at)->bytes);
    } else {
        move_gap(facts, at);
        facts->count++;
        facts->gap++;
    }
    struct mr_fact *kept = item(facts, at);
    *kept = *fact;
    kept->bytes = bytes;
    return MR_OK;
}

void mr_facts_remove(struct mr_facts *facts, uint32_t job, uint32_t kind, uint64_t key) {
    bool is_there;
    size_t at = search(facts, job, kind, key, &is_there);
    if (is_there) {
        move_gap(facts, at + 1);
        free(item(facts, at)->bytes);
        facts->count--;
        facts->gap--;
    }
}

/* Those of a job that are of this kind, or any: from *begin on, before *end. */
static void find_range(const struct mr_facts *facts, uint32_t job, uint32_t kind, size_t *begin,
                       size_t *end) {
    bool is_there;
    *begin = search(facts, job, kind == UINT32_MAX ? 0 : kind, 0, &is_there);
    *end = search(facts, job, kind, UINT64_MAX, &is_there);
    *end += is_there;
}

void mr_facts_forget(struct mr_facts *facts, uint32_t job, uint32_t kind) {
    size_t begin;
    size_t end;
    find_range(facts, job, kind, &begin, &end);
    if (begin == end) {
        return;
    }
    move_gap(facts, begin); /* which then takes in what goes */
    for (size_t i = begin; i < end; i++) {
        free(item(facts, i)->bytes);
    }
    facts->count -= end - begin;
}

const struct mr_fact *mr_facts_some(struct mr_facts *facts, uint32_t job, uint32_t kind,
                                    size_t *count) {
    size_t begin;
    size_t end;
    find_range(facts, job, kind, &begin, &end);
    *count = end - begin;
    if (begin == end) {
        return NULL;
    }
    if (facts->gap > begin && facts->gap < end) {
        move_gap(facts, end);
    }
    return item(facts, begin);
}

const struct mr_fact *mr_facts_find(const struct mr_facts *facts, uint32_t job, uint32_t kind,
                                    uint64_t key) {
    bool is_there;
    size_t at = search(facts, job, kind, key, &is_there);
    return is_there ? item(facts, at) : NULL;
}

const struct mr_fact *mr_facts_all(struct mr_facts *facts, size_t *count) {
    if (facts->count > 0) {
        move_gap(facts, facts->count);
    }
    *count = facts->count;
    return facts->items;
}

void mr_facts_fini(struct mr_facts *facts) {
    move_gap(facts, facts->count);
    for (size_t i = 0; i < facts->count; i++) {
        free(facts->items[i].bytes);
    }
    free(facts->items);
    *facts = (struct mr_facts){0};
}
