/* cluster: `millrace cluster up`: a whole cluster on this machine. What it does is in cluster/up.c.
 */
#include "cli/commands.h"
#include "cli/handover.h"

static const struct mr_option options[] = {
    MR_COMMANDS_HELP_ROW,
    {.name = "mappers",
     .kind = MR_OPTION_U64,
     .metavar = "N",
     .fallback = "2",
     .least = 1,
     .most = 1000,
     .help = "Start N mappers."},
    {.name = "reducers",
     .kind = MR_OPTION_U64,
     .metavar = "N",
     .fallback = "1",
     .least = 1,
     .most = 1000,
     .help = "Start N reducers."},
    {.name = "slots",
     .kind = MR_OPTION_U64,
     .metavar = "N",
     .least = 1,
     .most = 4096,
     .help = "Let each worker run N tasks at once, instead of sharing out this machine's CPUs "
             "among mappers, and among reducers."},
    {.name = "listen",
     .kind = MR_OPTION_TEXT,
     .metavar = "HOST:PORT",
     .fallback = "127.0.0.1:7077",
     .help = "Let the master listen there (port 0: any)."},
    {.name = "state",
     .kind = MR_OPTION_TEXT,
     .metavar = "DIR",
     .help = "Keep the master's journal in DIR, so that the next `cluster up` knows the jobs of "
             "this one. Without it, it is gone in the end."},
    {.name = "scratch",
     .kind = MR_OPTION_TEXT,
     .metavar = "DIR",
     .help = "Let workers keep their files in DIR, which must be a local disk, instead of a "
             "temporary directory."},
    MR_COMMANDS_SECRET_ROW,
    {.name = "lease",
     .kind = MR_OPTION_TEXT,
     .metavar = "TIME",
     .fallback = "10s",
     .help = "Give a worker up that wasn't heard for so long."},
    {.name = "restart",
     .kind = MR_OPTION_FLAG,
     .help = "Start daemons again that die, the master among them."},
    {.name = NULL},
};

static const struct mr_example examples[] = {
    {"millrace cluster up", "then, in another terminal: millrace submit wordcount logs/ -o counts"},
    {"millrace cluster up --mappers 4 --reducers 2 --slots 1 --state /var/tmp/cluster --restart",
     "more of them; jobs survive the end of any of them, and of all"},
    {NULL, NULL},
};

const struct mr_command mr_cluster_command = {
    .name = "cluster",
    .usage = "cluster up [--mappers N] [--reducers N] [OPTION...]",
    .summary = "run a whole cluster on this machine",
    .text = "Starts a master, mappers and reducers as processes of their own, and stays in the "
            "foreground: what they say is shown behind their names. Prints `ready HOST:PORT` when "
            "all are. Ctrl-C (or SIGTERM) ends them in order, twice at once: none stays behind, "
            "however this command ends.\n"
            "Without --restart the master is told at once of a worker that dies. Where a daemon "
            "can't start, or one "
            "ends that the others can't do without, this command ends with that one's status "
            "(`millrace master --help` lists them; 78: the port is taken, 75: another master uses "
            "the state), or with 5 where it was killed.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_NONE,
    .main = mr_handover_main,
};
