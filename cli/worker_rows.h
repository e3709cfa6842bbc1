/* worker_rows: the options that `millrace mapper` and `millrace reducer` share. */
#ifndef MR_CLI_WORKER_ROWS_H
#define MR_CLI_WORKER_ROWS_H

#include "cli/commands.h"

/* The rows of the table, in the order of MR_WORKER_ROWS_NAMES. */
#define MR_WORKER_ROWS                                                                             \
    MR_COMMANDS_HELP_ROW,                                                                          \
        {.name = "master",                                                                         \
         .kind = MR_OPTION_TEXT,                                                                   \
         .metavar = "HOST:PORT",                                                                   \
         .fallback = "MILLRACE_MASTER, else 127.0.0.1:7077",                                       \
         .help = "The master to work for. Where it is not there (yet), or goes away, the worker "  \
                 "tries again and again."},                                                        \
        {.name = "secret",                                                                         \
         .kind = MR_OPTION_TEXT,                                                                   \
         .metavar = "FILE",                                                                        \
         .fallback = "MILLRACE_SECRET, else the user's own on this machine",                       \
         .help = "The cluster's secret: `millrace secret new FILE` makes one."},                   \
        {.name = "slots",                                                                          \
         .kind = MR_OPTION_U64,                                                                    \
         .metavar = "N",                                                                           \
         .fallback = "the CPUs that it may use",                                                   \
         .least = 1,                                                                               \
         .most = 1024,                                                                             \
         .help = "How many tasks run here at once, each in a process of its own."},                \
        {.name = "scratch",                                                                        \
         .kind = MR_OPTION_TEXT,                                                                   \
         .metavar = "DIR",                                                                         \
         .fallback = "$TMPDIR/millrace-UID/worker-NAME, or in /tmp",                               \
         .help = "Where the outputs of tasks lie until they are not needed any more. A worker "    \
                 "that is started again on it offers what lies there. One worker's alone."},       \
        {.name = "listen",                                                                         \
         .kind = MR_OPTION_TEXT,                                                                   \
         .metavar = "HOST:PORT",                                                                   \
         .fallback = "127.0.0.1:0, or 0.0.0.0:0 with --secret and a master elsewhere",             \
         .help = "Where other workers fetch what it holds. Port 0: any that is free."},            \
        {.name = "name",                                                                           \
         .kind = MR_OPTION_TEXT,                                                                   \
         .metavar = "NAME",                                                                        \
         .fallback = "HOST-ROLE-xxxxxx, kept in its scratch",                                      \
         .help = "Its name in the cluster; one worker's alone. A worker that comes back under "    \
                 "its name is known again."},                                                      \
        {.name = "shuffle-codec",                                                                  \
         .kind = MR_OPTION_CHOICE,                                                                 \
         .fallback = "as each job has it",                                                         \
         .choices = "none|lz4",                                                                    \
         .help = "How what it fetches from other machines is compressed on its way."},             \
        {.name = "drain-timeout",                                                                  \
         .kind = MR_OPTION_TEXT,                                                                   \
         .metavar = "SECONDS",                                                                     \
         .fallback = "60s",                                                                        \
         .help = "After SIGTERM it ends when nobody needs what it runs and holds, at the latest "  \
                 "after so long: then that is done again elsewhere. With s or ms."},               \
        {.name = "accept-older-journal",                                                           \
         .kind = MR_OPTION_FLAG,                                                                   \
         .help = "Obey a master whose journal says less than this worker saw acknowledged: an "    \
                 "old backup was restored, and that is known."},                                   \
        {.name = "allow-root",                                                                     \
         .kind = MR_OPTION_FLAG,                                                                   \
         .help = "Listen beyond this machine as root: whoever has the secret runs code as root."}, \
        {.name = "verbose",                                                                        \
         .letter = 'v',                                                                            \
         .kind = MR_OPTION_FLAG,                                                                   \
         .help = "Say more on standard error; what tasks write goes there too."},                  \
    {                                                                                              \
        .name = NULL                                                                               \
    }

/* Their places. */
enum {
    MR_WORKER_ROWS_HELP,
    MR_WORKER_ROWS_MASTER,
    MR_WORKER_ROWS_SECRET,
    MR_WORKER_ROWS_SLOTS,
    MR_WORKER_ROWS_SCRATCH,
    MR_WORKER_ROWS_LISTEN,
    MR_WORKER_ROWS_NAME,
    MR_WORKER_ROWS_CODEC,
    MR_WORKER_ROWS_DRAIN,
    MR_WORKER_ROWS_OLDER,
    MR_WORKER_ROWS_ROOT,
    MR_WORKER_ROWS_VERBOSE,
    MR_WORKER_ROWS_COUNT
};

#define MR_WORKER_ROWS_DEFAULT_MASTER "127.0.0.1:7077"

/* What both daemons' help says. */
#define MR_WORKER_ROWS_TEXT                                                                        \
    "Prints \"ready HOST:PORT\" when the master has taken it in and it serves what it holds; its " \
    "log goes to standard error. Jobs' code runs in task processes that it starts, never in the "  \
    "daemon; they get neither the secret nor its connections. It may be killed at any time: what " \
    "it ran is run elsewhere, and started again on the same --scratch it offers the outputs that " \
    "it had finished.\n"                                                                           \
    "When the master renews nothing for as long as a lease lasts (millrace master --lease), it "   \
    "ends its attempts by itself. SIGTERM and SIGINT: it takes nothing new, and ends with status " \
    "0 when nobody needs what it runs and holds; a second one ends it at once. Other exit "        \
    "statuses: 71 out of memory, 74 its scratch can't be read or written, 78 an address, a "       \
    "secret, a name or a folder won't do, or the name is another worker's, who is "                \
    "there: all that is wrong is said."

#endif
