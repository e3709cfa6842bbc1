/* rows: which commands are this program's, and what each does. */
#include "cluster/rows.h"

#include "cluster/secret_new.h"
#include "lib/base/error.h"

#include <stddef.h>

static const struct {
    const struct mr_command *command;
    mr_rows_main run;
} rows[] = {
    {&mr_secret_command, mr_secret_new_main},
};

int mr_rows_find(const char *typed, const struct mr_command **command, mr_rows_main *run,
                 struct mr_error *err) {
    if (mr_commands_find(typed, command, err)) {
        return err->code;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].command == *command) {
            *run = rows[i].run;
            return MR_OK;
        }
    }
    return mr_error_set(err, MR_ERR_USAGE,
                        "this program has the cluster's commands alone: type millrace %s",
                        (*command)->name);
}
