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

/* The place of the fact, or where it would be. */
static size_t search(const struct mr_facts *facts, uint32_t job, uint32_t kind, uint64_t key,
                     bool *is_there) {
    size_t begin = 0;
    size_t end = facts->count;
    *is_there = false;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        int order = compare(&facts->items[middle], job, kind, key);
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
        free(facts->items[at].bytes);
    } else {
        memmove(&facts->items[at + 1], &facts->items[at],
                (facts->count - at) * sizeof *facts->items);
        facts->count++;
    }
    facts->items[at] = *fact;
    facts->items[at].bytes = bytes;
    return MR_OK;
}

void mr_facts_remove(struct mr_facts *facts, uint32_t job, uint32_t kind, uint64_t key) {
    bool is_there;
    size_t at = search(facts, job, kind, key, &is_there);
    if (is_there) {
        free(facts->items[at].bytes);
        facts->count--;
        memmove(&facts->items[at], &facts->items[at + 1],
                (facts->count - at) * sizeof *facts->items);
    }
}

void mr_facts_forget(struct mr_facts *facts, uint32_t job, uint32_t kind) {
    size_t kept = 0;
    for (size_t i = 0; i < facts->count; i++) {
        bool is_of = kind == UINT32_MAX || facts->items[i].kind == kind;
        if (facts->items[i].job == job && is_of) {
            free(facts->items[i].bytes);
        } else {
            facts->items[kept++] = facts->items[i];
        }
    }
    facts->count = kept;
}

const struct mr_fact *mr_facts_find(const struct mr_facts *facts, uint32_t job, uint32_t kind,
                                    uint64_t key) {
    bool is_there;
    size_t at = search(facts, job, kind, key, &is_there);
    return is_there ? &facts->items[at] : NULL;
}

void mr_facts_fini(struct mr_facts *facts) {
    for (size_t i = 0; i < facts->count; i++) {
        free(facts->items[i].bytes);
    }
    free(facts->items);
    *facts = (struct mr_facts){0};
}
