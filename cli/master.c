/* master: `millrace master`: the daemon that has a cluster's jobs done. */
#include "cli/commands.h"
#include "cli/handover.h"

static const struct mr_option options[] = {
    MR_COMMANDS_HELP_ROW,
    {.name = "listen",
     .kind = MR_OPTION_TEXT,
     .metavar = "HOST:PORT",
     .fallback = "127.0.0.1:7077",
     .help = "Where workers and commands connect to. Port 0: any that is free. Beyond this machine "
             "(0.0.0.0:7077) only with --secret."},
    {.name = "secret",
     .kind = MR_OPTION_TEXT,
     .metavar = "FILE",
     .fallback = "MILLRACE_SECRET, else the user's own on this machine",
     .help = "The cluster's secret: `millrace secret new FILE` makes one."},
    {.name = "state",
     .kind = MR_OPTION_TEXT,
     .metavar = "DIR",
     .fallback = "$XDG_STATE_HOME/millrace/master, else ~/.local/state/millrace/master",
     .help = "Where the journal is, with jobs' plugins and descriptions: a master that is started "
             "again on it goes on where it was. On a local disk."},
    {.name = "lease",
     .kind = MR_OPTION_TEXT,
     .metavar = "SECONDS",
     .fallback = "10s",
     .help = "A worker that is not heard for so long is given up, and what it did is done again. "
             "With s or ms: 10s, 500ms."},
    {.name = "heartbeat",
     .kind = MR_OPTION_TEXT,
     .metavar = "SECONDS",
     .fallback = "1s, or a quarter of a shorter lease",
     .help = "How often workers say that they live; at least twice a lease."},
    {.name = "allow-root",
     .kind = MR_OPTION_FLAG,
     .help = "Listen as root: whoever has the secret runs code as root then, where workers do."},
    {.name = NULL},
};

static const struct mr_example examples[] = {
    {"millrace master", "for this machine and this user alone"},
    {"millrace master --listen 0.0.0.0:7077 --secret cluster.key --state /var/lib/millrace",
     "for a cluster of machines"},
    {NULL, NULL},
};

const struct mr_command mr_master_command = {
    .name = "master",
    .usage = "master [--listen HOST:PORT] [--secret FILE] [--state DIR]",
    .summary = "run the daemon that takes in jobs and has workers do them",
    .text = "Prints \"ready HOST:PORT\" when workers (millrace mapper, millrace reducer) and "
            "commands (millrace submit, status, nodes) may connect; its log goes to standard "
            "error. It runs no job's code and reads no data itself.\n"
            "All that it said yes to is in its journal: a job that was submitted, a task that is "
            "done. It may be killed at any time; started again on the same --state it finds the "
            "workers that still run, and keeps what they did.\n"
            "SIGTERM and SIGINT end it with status 0; jobs go on when it is started again. Other "
            "exit statuses: 65 the journal is damaged (millrace fsck says more), 71 out of memory, "
            "74 the journal can't be read or written, 75 another master uses it, 78 an address, a "
            "secret or a folder won't do.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_NONE,
    .main = mr_handover_main,
};
