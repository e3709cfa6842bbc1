/* wait: `millrace wait`: the row; what it does is in cluster/wait.c. */
#include "cli/commands.h"
#include "cli/handover.h"
#include "cli/request.h"

static const struct mr_option options[] = {
    MR_COMMANDS_HELP_ROW,
    {.name = "output",
     .letter = 'o',
     .kind = MR_OPTION_TEXT,
     .metavar = "DIR",
     .help = "With --collect: make the directory DIR with the result."},
    {.name = "collect",
     .kind = MR_OPTION_FLAG,
     .help = "Bring the result of a job that was submitted with --collect to this machine: to -o "
             "DIR, or to standard output."},
    {.name = "overwrite",
     .kind = MR_OPTION_FLAG,
     .help = "Replace DIR, once all is done, where it holds an earlier result."},
    {.name = "follow",
     .letter = 'f',
     .kind = MR_OPTION_FLAG,
     .help = "Show how the job goes on (as on a terminal)."},
    {.name = "cancel-on-exit",
     .kind = MR_OPTION_FLAG,
     .help = "Cancel the job when this command is interrupted."},
    MR_REQUEST_QUIET_ROW,
    {.name = "json",
     .kind = MR_OPTION_FLAG,
     .help = "Print the manifest when done: to standard error where the result goes to standard "
             "output."},
    MR_COMMANDS_MASTER_ROW,
    MR_COMMANDS_SECRET_ROW,
    MR_COMMANDS_CONNECT_ROW,
    {.name = NULL},
};

static const struct mr_example examples[] = {
    {"millrace wait 3f2a", "wait for the job whose id begins so; its status is the command's"},
    {"millrace wait 3f2a --collect -o counts", "and bring its output here"},
    {NULL, NULL},
};

const struct mr_command mr_wait_command = {
    .name = "wait",
    .usage = "wait JOB [--collect [-o DIR]] [OPTION...]",
    .summary = "wait for a job of a cluster, or collect its output",
    .text =
        "Waits until the job has ended, and ends as it did: status 0, or that of its failure, with "
        "the cause. JOB is a number or the beginning of an id, as `millrace status` lists them.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_NONE,
    .main = mr_handover_main,
};
