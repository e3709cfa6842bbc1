/* rows: which commands are this program's, and what each does. */
#include "cluster/rows.h"

#include "cluster/cancel.h"
#include "cluster/drain.h"
#include "cluster/logs.h"
#include "cluster/master_run.h"
#include "cluster/nodes.h"
#include "cluster/secret_new.h"
#include "cluster/status.h"
#include "cluster/submit.h"
#include "cluster/up.h"
#include "cluster/wait.h"
#include "cluster/worker.h"
#include "lib/base/error.h"

#include <stddef.h>

static const struct {
    const struct mr_command *command;
    mr_rows_main run;
} rows[] = {
    {&mr_submit_command, mr_submit_main},
    {&mr_wait_command, mr_wait_main},
    {&mr_status_command, mr_status_main},
    {&mr_logs_command, mr_logs_main},
    {&mr_cancel_command, mr_cancel_main},
    {&mr_nodes_command, mr_nodes_main},
    {&mr_drain_command, mr_drain_main},
    {&mr_cluster_command, mr_up_main},
    {&mr_master_command, mr_master_run_main},
    {&mr_mapper_command, mr_worker_mapper_main},
    {&mr_reducer_command, mr_worker_reducer_main},
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
