/* connect: the connection that a command's options ask for. */
#include "cluster/connect.h"

#include "cli/help.h"
#include "cli/say.h"
#include "cli/stop.h"
#include "lib/base/error.h"

#include <unistd.h>

static void say(const char *line) {
    mr_say_text("millrace: ");
    mr_say_text(line);
}

uint64_t mr_connect_ms(const struct mr_option_value *timeout) {
    return 1000 * (timeout->given ? timeout->number : MR_CLIENT_CONNECT_SECONDS);
}

int mr_connect_open(const struct mr_option_value *master, const struct mr_option_value *secret,
                    const struct mr_option_value *timeout, struct mr_client **client,
                    struct mr_error *err) {
    struct mr_client_options options = {.master = master->text,
                                        .secret = secret->text,
                                        .connect_ms = mr_connect_ms(timeout),
                                        .say = say,
                                        .signalled = mr_stop_note};
    return mr_client_open(&options, client, err);
}

int mr_connect_begin(const struct mr_command *command, char **args, size_t most,
                     const char *missing, struct mr_option_value values[MR_CONNECT_OPTIONS_MAX],
                     struct mr_client **client, struct mr_error *err) {
    *client = NULL;
    if (mr_commands_parse(command, args, most, values, err)) {
        return err->code;
    }
    if (values[0].given) { /* --help is each table's first */
        return mr_help_show(command, NULL, err);
    }
    if (missing && !args[0]) {
        return mr_error_set(err, MR_ERR_USAGE, "%s", missing);
    }
    return mr_connect_open(mr_commands_value(command, values, "master"),
                           mr_commands_value(command, values, "secret"),
                           mr_commands_value(command, values, "connect-timeout"), client, err);
}

int mr_connect_close(struct mr_client *client, const struct mr_error *err) {
    bool is_refused = err->code == MR_ERR_USAGE && client && mr_client_was_let_in(client);
    mr_client_close(client);
    return is_refused ? mr_error_exit_status(err->code) : err->code;
}

int mr_connect_say_done(const struct mr_command *command, const struct mr_option_value *values,
                        struct mr_error *err) {
    struct mr_page page = {.err = err};
    mr_page_put(&page,
                mr_commands_value(command, values, "json")->given ? "{\"done\": true}\n" : "");
    int status = mr_page_write(&page, STDOUT_FILENO, "standard output");
    mr_page_fini(&page);
    return status;
}
