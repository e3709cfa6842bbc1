/* net: what all connections of one process share: loop, keys, who we are, limits, counters. */
#include "lib/net/net.h"

#include "lib/base/error.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    enum mr_role_key key;
} roles[MR_NET_ROLES] = {
#define MR_NET_ROLE_ROW(name, text, key) [MR_NET_##name] = {text, MR_ROLE_KEY_##key},
    MR_NET_ROLE_TABLE(MR_NET_ROLE_ROW)
#undef MR_NET_ROLE_ROW
};

const char *mr_net_role_name(enum mr_net_role role) {
    return role < MR_NET_ROLES ? roles[role].text : "?";
}

enum mr_role_key mr_net_role_key(enum mr_net_role role) {
    return roles[role].key;
}

static uint32_t or_default(uint32_t value, uint32_t fallback) {
    return value ? value : fallback;
}

static struct mr_net_limits fill_limits(const struct mr_net_limits *limits) {
    return (struct mr_net_limits){
        .connect_ms = or_default(limits->connect_ms, 10000),
        .greeting_ms = or_default(limits->greeting_ms, 5000),
        .stall_ms = or_default(limits->stall_ms, 30000),
        .pulse_ms = or_default(limits->pulse_ms, 1000),
        .silence_ms = or_default(limits->silence_ms, 10000),
        .farewell_ms = or_default(limits->farewell_ms, 5000),
        .accept_pause_ms = or_default(limits->accept_pause_ms, 100),
        .greeting_count_max = or_default(limits->greeting_count_max, 256),
    };
}

int mr_net_create(const struct mr_net_config *config, struct mr_net **net, struct mr_error *err) {
    struct mr_net *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "preparing connections");
    }
    *made = (struct mr_net){
        .loop = config->loop,
        .role = config->role,
        .protocol = or_default(config->protocol, MR_NET_PROTOCOL),
        .name = strdup(config->name),
        .version = strdup(config->version ? config->version : MR_VERSION),
        .rules = {.limit = config->limit, .bare_kind = MR_NET_KIND_PULSE},
        .limits = fill_limits(&config->limits),
        .received = malloc(MR_NET_RECEIVED_BYTES),
    };
    made->rules.version = (uint16_t)made->protocol;
    if (!made->name || !made->version || !made->received) {
        (void)mr_error_nomem(err, "preparing connections");
    } else if (!mr_tls_keys_create(config->secret, &made->keys, err)) {
        *net = made;
        return MR_OK;
    }
    mr_net_destroy(made);
    return err->code;
}

const struct mr_net_counters *mr_net_counters(const struct mr_net *net) {
    return &net->counters;
}

struct uv_loop_s *mr_net_loop(const struct mr_net *net) {
    return net->loop;
}

void mr_net_set_silence(struct mr_net *net, uint32_t silence_ms) {
    net->limits.silence_ms =
        silence_ms > MR_NET_SILENCE_MS_LEAST ? silence_ms : MR_NET_SILENCE_MS_LEAST;
}

void mr_net_destroy(struct mr_net *net) {
    if (net) {
        mr_tls_keys_destroy(net->keys);
        mr_buffer_fini(&net->frame);
        free(net->received);
        free(net->version);
        free(net->name);
        free(net);
    }
}
