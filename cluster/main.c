/* main: the program that the cluster's commands of `millrace` become. */
#include "cli/commands.h"
#include "cli/say.h"
#include "cli/stop.h"
#include "cluster/rows.h"

#include <signal.h>
#include <stdio.h>

static void say_try(const struct mr_command *command) {
    char line[80];
    snprintf(line, sizeof line, "Try 'millrace %s%s--help'.\n", command ? command->name : "",
             command ? " " : "");
    mr_say_text(line);
}

int main(int argc, char **argv) {
    struct mr_error err = {0};
    const struct mr_command *command = NULL;
    mr_rows_main run = NULL;
    mr_say_guard();
    signal(SIGPIPE, SIG_IGN);

    int status = mr_rows_find(argc > 1 ? argv[1] : NULL, &command, &run, &err);
    if (!status) {
        status = run(command, argv + 2, &err);
    }
    status = mr_say_close(status, &err);
    mr_say_error(&err);
    if (status == MR_ERR_USAGE && err.text[0]) { /* not a job's failure, which has been said */
        say_try(command);
    }
    return status > 0 ? status : mr_stop_exit_status(status); /* a daemon has its own */
}
