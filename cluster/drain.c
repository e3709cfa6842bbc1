/* drain: `millrace drain NODE`: gives a worker nothing new. */
#include "cluster/drain.h"

#include "cluster/connect.h"
#include "lib/client/ask.h"

int mr_drain_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value values[MR_CONNECT_OPTIONS_MAX] = {{0}};
    struct mr_client *client = NULL;
    if (mr_connect_begin(command, args, 1, "which node? `millrace nodes` lists them", values,
                         &client, err) ||
        !client) {
        return err->code;
    }
    struct mr_wire_drain question = {.node = args[0],
                                     .back = mr_commands_value(command, values, "back")->given};
    struct mr_ask ask = {.question = MR_WIRE_DRAIN, .message = &question, .answer = MR_WIRE_RESULT};
    if (!mr_ask(client, &ask, err)) {
        (void)!mr_connect_say_done(command, values, err);
    }
    return mr_connect_close(client, err);
}
