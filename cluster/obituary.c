/* obituary: tells the master that a worker which this process started is dead. */
#include "cluster/obituary.h"

#include "lib/base/error.h"
#include "lib/client/client.h"

#define ANSWER_MS 1000

struct telling {
    const struct mr_obituary *obituary;
    bool is_heard;
};

static int begin(struct mr_client *client, void *arg, struct mr_error *err) {
    const struct mr_obituary *obituary = ((struct telling *)arg)->obituary;
    struct mr_wire_dead dead = {.name = obituary->name, .address = obituary->address};
    return mr_client_send(client, MR_WIRE_DEAD, &dead, err);
}

static int take(struct mr_client *client, const struct mr_client_message *message, void *arg,
                struct mr_error *err) {
    struct telling *telling = arg;
    (void)client;
    (void)err;
    telling->is_heard = message->kind == MR_WIRE_RESULT;
    return telling->is_heard;
}

static int expired(struct mr_client *client, void *arg, struct mr_error *err) {
    (void)client;
    (void)arg;
    (void)err;
    return 1;
}

bool mr_obituary_send(const struct mr_obituary *obituary) {
    const struct mr_client_options options = {.master = obituary->master,
                                              .secret = obituary->secret};
    struct telling telling = {.obituary = obituary};
    const struct mr_client_call call = {
        .begin = begin, .take = take, .expired = expired, .arg = &telling};
    struct mr_client *client = NULL;
    struct mr_error ignored = {0};
    if (!mr_client_open(&options, &client, &ignored)) {
        mr_client_set_clock(client, ANSWER_MS);
        (void)!mr_client_run(client, &call, &ignored);
    }
    mr_client_close(client);
    return telling.is_heard;
}
