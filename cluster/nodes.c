/* nodes: `millrace nodes`: shows the workers of a cluster. */
#include "cluster/nodes.h"

#include "cluster/connect.h"
#include "cluster/json.h"
#include "cluster/table.h"
#include "lib/client/ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static const char *const columns[] = {"NODE", "NAME", "STATE", "DOES",    "SLOTS",
                                      "BUSY", "HELD", "HEARD", "ADDRESS", NULL};

struct nodes {
    bool json;
    struct mr_page page;
    struct mr_table table;
};

static const char *roles(uint64_t bits) {
    static const char *const names[] = {"-", "maps", "reduces", "both"};
    return names[bits & 3];
}

static void restart(void *arg) {
    struct nodes *nodes = arg;
    nodes->page.text.len = 0;
    mr_table_clear(&nodes->table);
    if (nodes->json) {
        mr_json_open(&nodes->page, NULL, '[');
    }
}

static void add_json(struct mr_page *page, const struct mr_wire_row_node_line *line) {
    mr_json_open(page, NULL, '{');
    mr_json_number(page, "node", line->node);
    mr_json_text(page, "name", line->name);
    mr_json_text(page, "state", line->state);
    mr_json_text(page, "does", roles(line->roles));
    mr_json_number(page, "slots", line->slots);
    mr_json_number(page, "busy", line->busy);
    mr_json_number(page, "held", line->held);
    mr_json_seconds(page, "heard_seconds_ago", line->heard_ms * 1000);
    mr_json_text(page, "address", line->address);
    mr_json_close(page, '{');
}

static int add_row(struct nodes *nodes, const struct mr_wire_row_node_line *line,
                   struct mr_error *err) {
    char number[32];
    char slots[32];
    char busy[32];
    char held[32];
    char heard[32];
    snprintf(number, sizeof number, "%" PRIu64, line->node);
    snprintf(slots, sizeof slots, "%" PRIu64, line->slots);
    snprintf(busy, sizeof busy, "%" PRIu64, line->busy);
    snprintf(held, sizeof held, "%" PRIu64, line->held);
    snprintf(heard, sizeof heard, "%.1f s ago", (double)line->heard_ms / 1000);
    const char *const cells[] = {number, line->name, line->state, roles(line->roles), slots,
                                 busy,   held,       heard,       line->address};
    return mr_table_add(&nodes->table, cells, err);
}

static int take(const union mr_wire_any *answer, void *arg, struct mr_error *err) {
    struct nodes *nodes = arg;
    const struct mr_wire_nodes *message = &answer->nodes_;
    for (size_t i = 0; i < message->nodes_count && !err->code; i++) {
        if (nodes->json) {
            add_json(&nodes->page, &message->nodes[i]);
        } else {
            (void)!add_row(nodes, &message->nodes[i], err);
        }
    }
    return err->code ? err->code : !message->follows;
}

static int show(struct nodes *nodes, struct mr_error *err) {
    if (nodes->json) {
        mr_json_close(&nodes->page, '[');
        mr_page_put(&nodes->page, "\n");
    } else if (nodes->table.count == 0) {
        mr_page_put(&nodes->page, "no workers: millrace mapper and millrace reducer start some\n");
    } else {
        mr_table_print(&nodes->table, &nodes->page);
    }
    nodes->page.err = err;
    return mr_page_write(&nodes->page, STDOUT_FILENO, "standard output");
}

int mr_nodes_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value values[MR_CONNECT_OPTIONS_MAX] = {{0}};
    struct mr_client *client = NULL;
    if (mr_connect_begin(command, args, 0, NULL, values, &client, err) || !client) {
        return err->code;
    }
    struct nodes nodes = {.json = mr_commands_value(command, values, "json")->given,
                          .page = {.err = err},
                          .table = {.columns = columns}};
    struct mr_wire_ask_nodes question = {.all = mr_commands_value(command, values, "all")->given};
    struct mr_ask ask = {.question = MR_WIRE_ASK_NODES,
                         .message = &question,
                         .answer = MR_WIRE_NODES,
                         .take = take,
                         .restart = restart,
                         .arg = &nodes};
    if (!mr_ask(client, &ask, err)) {
        (void)!show(&nodes, err);
    }
    mr_table_fini(&nodes.table);
    mr_page_fini(&nodes.page);
    return mr_connect_close(client, err);
}
