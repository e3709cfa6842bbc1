/* holders: the workers that hold parts of an output: by number, where each serves. */
#include "lib/client/holders.h"

#include "lib/base/error.h"
#include "lib/client/ask.h"

#include <stdio.h>
#include <stdlib.h>

static void restart(void *arg) {
    ((struct mr_holders *)arg)->count = 0;
}

static int take(const union mr_wire_any *answer, void *arg, struct mr_error *err) {
    struct mr_holders *holders = arg;
    const struct mr_wire_nodes *message = &answer->nodes_;
    size_t count = holders->count + message->nodes_count;
    struct mr_holders_row *rows = realloc(holders->rows, (count + 1) * sizeof *rows);
    if (!rows) {
        return mr_error_nomem(err, "listing the workers");
    }
    holders->rows = rows;
    for (size_t i = 0; i < message->nodes_count; i++) {
        const struct mr_wire_row_node_line *line = &message->nodes[i];
        struct mr_holders_row *row = &rows[holders->count++];
        row->number = (uint32_t)line->node;
        snprintf(row->name, sizeof row->name, "%s", line->name ? line->name : "?");
        snprintf(row->address, sizeof row->address, "%s", line->address ? line->address : "");
    }
    return !message->follows;
}

int mr_holders_ask(struct mr_holders *holders, struct mr_client *client,
                   int (*interrupted)(struct mr_client *client, int signal_number, void *arg,
                                      struct mr_error *err),
                   void *arg, struct mr_error *err) {
    struct mr_wire_ask_nodes question = {.all = 1};
    struct mr_ask ask = {.question = MR_WIRE_ASK_NODES,
                         .message = &question,
                         .answer = MR_WIRE_NODES,
                         .take = take,
                         .restart = restart,
                         .arg = holders,
                         .interrupted = interrupted,
                         .interrupted_arg = arg};
    return mr_ask(client, &ask, err);
}

const struct mr_holders_row *mr_holders_find(const struct mr_holders *holders, uint64_t number) {
    for (size_t i = 0; i < holders->count; i++) {
        if (holders->rows[i].number == number && holders->rows[i].address[0]) {
            return &holders->rows[i];
        }
    }
    return NULL;
}

void mr_holders_fini(struct mr_holders *holders) {
    free(holders->rows);
    *holders = (struct mr_holders){0};
}
