/* ask: one question to the master, answered by one or more messages of one kind. */
#include "lib/client/ask.h"

static int begin(struct mr_client *client, void *arg, struct mr_error *err) {
    const struct mr_ask *ask = arg;
    if (ask->restart) {
        ask->restart(ask->arg);
    }
    return mr_client_send(client, ask->question, ask->message, err);
}

static int take(struct mr_client *client, const struct mr_client_message *message, void *arg,
                struct mr_error *err) {
    const struct mr_ask *ask = arg;
    (void)client;
    if (message->kind == MR_WIRE_RESULT) {
        return mr_client_result(&message->as->result_, err);
    }
    return message->kind == ask->answer ? ask->take(message->as, ask->arg, err) : 0;
}

static int interrupted(struct mr_client *client, int signal_number, void *arg,
                       struct mr_error *err) {
    const struct mr_ask *ask = arg;
    return ask->interrupted(client, signal_number, ask->interrupted_arg, err);
}

int mr_ask(struct mr_client *client, const struct mr_ask *ask, struct mr_error *err) {
    struct mr_ask copy = *ask;
    struct mr_client_call call = {.begin = begin,
                                  .take = take,
                                  .interrupted = ask->interrupted ? interrupted : NULL,
                                  .arg = &copy};
    return mr_client_run(client, &call, err);
}
