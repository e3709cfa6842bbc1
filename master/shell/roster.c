/* roster: the workers that were ever here, by number and by name. */
#include "master/shell/roster.h"

#include "lib/base/error.h"
#include "lib/base/number.h"
#include "master/shell/notes.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void destroy(struct mr_roster_node *node) {
    if (node) {
        free(node->name);
        free(node->host);
        free(node->address);
        free(node->scratch);
        free(node);
    }
}

void mr_roster_fini(struct mr_roster *roster) {
    for (uint32_t i = 0; i < roster->count; i++) {
        destroy(roster->nodes[i]);
    }
    free(roster->nodes);
    *roster = (struct mr_roster){0};
}

/* Adds the node of the next number. */
static int append(struct mr_roster *roster, const char *name, struct mr_roster_node **node,
                  struct mr_error *err) {
    if (roster->count == MR_CORE_NODES_MAX) {
        return mr_error_set(err, MR_ERR_CLUSTER,
                            "this cluster has seen %u workers, and can't take in one more",
                            MR_CORE_NODES_MAX);
    }
    if ((roster->count & (roster->count + 1)) == 0) { /* it is full: capacities are 1, 3, 7 ... */
        size_t capacity = 2 * (size_t)roster->count + 1;
        struct mr_roster_node **nodes = realloc(roster->nodes, capacity * sizeof *nodes);
        if (!nodes) {
            return mr_error_nomem(err, "listing the nodes");
        }
        roster->nodes = nodes;
    }
    struct mr_roster_node *made = calloc(1, sizeof *made);
    char *copy = strdup(name);
    if (!made || !copy) {
        free(made);
        free(copy);
        return mr_error_nomem(err, "listing the nodes");
    }
    made->number = roster->count;
    made->name = copy;
    roster->nodes[roster->count++] = made;
    *node = made;
    return MR_OK;
}

static int load_one(struct mr_roster *roster, const struct mr_fact *fact, struct mr_error *err) {
    struct mr_roster_node *node;
    uint64_t incarnation;
    uint64_t before;
    int at = 0;
    if (sscanf(fact->bytes, "%" SCNx64 " %" SCNx64 " %n", &incarnation, &before, &at) != 2 ||
        at == 0 || fact->key != roster->count) {
        return mr_error_set(err, MR_ERR_INPUT,
                            "the journal is damaged: node %" PRIu64 " is not "
                            "the next, or has no name",
                            fact->key);
    }
    if (!append(roster, fact->bytes + at, &node, err)) {
        node->incarnation = incarnation;
        node->before = before;
    }
    return err->code;
}

int mr_roster_load(struct mr_roster *roster, struct mr_journal *journal, struct mr_error *err) {
    size_t count;
    const struct mr_fact *facts = mr_journal_facts(journal, &count);
    for (size_t i = 0; i < count && facts[i].job == 0 && !err->code; i++) {
        if (facts[i].kind == MR_NOTES_NODE) {
            (void)!load_one(roster, &facts[i], err);
        }
    }
    return err->code;
}

struct mr_roster_node *mr_roster_at(const struct mr_roster *roster, uint32_t number) {
    return number < roster->count ? roster->nodes[number] : NULL;
}

struct mr_roster_node *mr_roster_find(const struct mr_roster *roster, const char *name) {
    for (uint32_t i = 0; i < roster->count; i++) {
        if (strcmp(roster->nodes[i]->name, name) == 0) {
            return roster->nodes[i];
        }
    }
    return NULL;
}

struct mr_roster_node *mr_roster_resolve(const struct mr_roster *roster, const char *text) {
    uint64_t number;
    struct mr_roster_node *found = text ? mr_roster_find(roster, text) : NULL;
    if (!found && text && mr_number_read_u64(text, &number) && number < roster->count) {
        found = roster->nodes[number];
    }
    return found;
}

static int put(struct mr_journal *journal, const struct mr_roster_node *node, uint64_t incarnation,
               uint64_t before, struct mr_error *err) {
    struct mr_buffer text = {0};
    if (!mr_buffer_printf(&text, err, "%" PRIx64 " %" PRIx64 " %s", incarnation, before,
                          node->name)) {
        (void)!mr_journal_put(journal, 0, MR_NOTES_NODE, node->number, text.data, text.len, err);
    }
    mr_buffer_fini(&text);
    return err->code;
}

int mr_roster_add(struct mr_roster *roster, const char *name, struct mr_journal *journal,
                  struct mr_roster_node **node, struct mr_error *err) {
    *node = mr_roster_find(roster, name);
    return *node || append(roster, name, node, err) ? err->code : put(journal, *node, 0, 0, err);
}

/* Replaces a text; true: it is another. */
static int replace(char **text, const char *by, bool *is_new, struct mr_error *err) {
    if (*text && strcmp(*text, by) == 0) {
        return MR_OK;
    }
    char *copy = strdup(by);
    if (!copy) {
        return mr_error_nomem(err, "listing the nodes");
    }
    free(*text);
    *text = copy;
    *is_new = true;
    return MR_OK;
}

int mr_roster_place(struct mr_roster_node *node, const char *host, const char *address,
                    const char *scratch, bool *is_new, struct mr_error *err) {
    *is_new = false;
    if (replace(&node->host, host, is_new, err) || replace(&node->address, address, is_new, err) ||
        replace(&node->scratch, scratch, is_new, err)) {
        return err->code;
    }
    node->version += *is_new;
    return MR_OK;
}

int mr_roster_take_in(struct mr_roster_node *node, uint64_t incarnation, struct mr_journal *journal,
                      struct mr_error *err) {
    if (!put(journal, node, incarnation, node->incarnation, err)) {
        node->before = node->incarnation;
        node->incarnation = incarnation;
        node->version++; /* what was told of the life before is void */
    }
    return err->code;
}

void mr_roster_set_leaving(struct mr_roster *roster, struct mr_roster_node *node, bool is_leaving) {
    roster->leaving += (uint32_t)is_leaving - (uint32_t)node->is_leaving;
    node->is_leaving = is_leaving;
    node->is_told = node->is_told && is_leaving;
}
