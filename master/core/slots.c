/* slots: the nodes that have a free slot. */
#include "master/core/slots.h"

static void append(struct mr_core *core, uint32_t number) {
    struct mr_state_node *node = &core->nodes[number];
    uint32_t last = core->node_last[node->roles];
    node->before = last;
    node->after = NONE;
    node->is_listed = true;
    *(last == NONE ? &core->node_first[node->roles] : &core->nodes[last].after) = number;
    core->node_last[node->roles] = number;
}

static void take_out(struct mr_core *core, uint32_t number) {
    struct mr_state_node *node = &core->nodes[number];
    *(node->before == NONE ? &core->node_first[node->roles] : &core->nodes[node->before].after) =
        node->after;
    *(node->after == NONE ? &core->node_last[node->roles] : &core->nodes[node->after].before) =
        node->before;
    node->is_listed = false;
}

void mr_slots_update(struct mr_core *core, uint32_t node) {
    const struct mr_state_node *about = &core->nodes[node];
    bool has_room = about->state == MR_CORE_NODE_READY && about->busy < about->slots;
    if (has_room && !about->is_listed) {
        append(core, node);
    } else if (!has_room && about->is_listed) {
        take_out(core, node);
    }
}

void mr_slots_rotate(struct mr_core *core, uint32_t node) {
    if (core->nodes[node].is_listed) {
        take_out(core, node);
        append(core, node);
    }
}
