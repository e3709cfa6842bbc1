/* submit: `millrace submit`: has a cluster run a job. What it does is in cluster/submit.c. */
#include "cli/commands.h"
#include "cli/handover.h"
#include "cli/request.h"

static const struct mr_option options[] = {
    MR_COMMANDS_HELP_ROW,
    {.name = "output",
     .letter = 'o',
     .kind = MR_OPTION_TEXT,
     .metavar = "DIR",
     .help = "Make the directory DIR with the result in parts and a manifest with their checksums: "
             "on a file system that all reducers see, or here (--collect). Without it the result "
             "comes to standard output, sorted."},
    {.name = "collect",
     .kind = MR_OPTION_FLAG,
     .help = "Bring the result to this machine, and make DIR here."},
    MR_REQUEST_OVERWRITE_ROW,
    {.name = "wait",
     .kind = MR_OPTION_FLAG,
     .help = "Wait for the job's end in silence (as where standard error is no terminal), unless "
             "it waits for workers that are not there."},
    {.name = "follow",
     .letter = 'f',
     .kind = MR_OPTION_FLAG,
     .help = "Wait for the job's end and show how it goes on (as on a terminal)."},
    {.name = "detach",
     .letter = 'd',
     .kind = MR_OPTION_FLAG,
     .help = "Print the job's id, and end once the cluster has it."},
    {.name = "cancel-on-exit",
     .kind = MR_OPTION_FLAG,
     .help = "Cancel the job when this command is interrupted, instead of leaving it to the "
             "cluster."},
    MR_REQUEST_PARTITIONS_ROW,
    MR_REQUEST_MAX_RECORD_ROW,
    {.name = "memory",
     .kind = MR_OPTION_SIZE,
     .metavar = "SIZE",
     .fallback = "256M",
     .least = 16777216,
     .help = "Let each task work within SIZE (at least 16M), and spill to disk past it."},
    {.name = "task-memory",
     .kind = MR_OPTION_SIZE,
     .metavar = "SIZE",
     .least = 67108864,
     .help = "End a task that, with what it starts, uses more than SIZE (at least 64M)."},
    {.name = "task-timeout",
     .kind = MR_OPTION_U64,
     .metavar = "SECONDS",
     .fallback = "600",
     .least = 1,
     .most = 1000000,
     .help = "End an attempt that takes longer than SECONDS over one record."},
    {.name = "max-attempts",
     .kind = MR_OPTION_U64,
     .metavar = "N",
     .fallback = "4",
     .least = 1,
     .most = 1000,
     .help = "Fail after N failed attempts at one task, with the cause of the first."},
    {.name = "skip-bad-records",
     .kind = MR_OPTION_U64,
     .metavar = "N",
     .least = 1,
     .most = 1000000,
     .help = "With -o: set aside up to N records that the job's code fails or crashes on, into "
             "DIR/_skipped, instead of failing at the first."},
    {.name = "strict",
     .kind = MR_OPTION_FLAG,
     .help = "Fail where a map task that is done again gives other records, instead of doing again "
             "what read the first."},
    {.name = "weight",
     .kind = MR_OPTION_U64,
     .metavar = "N",
     .fallback = "1",
     .least = 1,
     .most = 1000,
     .help = "Get N times the share of slots that a job of weight 1 gets."},
    {.name = "shuffle-codec",
     .kind = MR_OPTION_CHOICE,
     .choices = "lz4|none",
     .fallback = "lz4",
     .help = "How pairs are compressed between machines."},
    MR_COMMANDS_MASTER_ROW,
    MR_COMMANDS_SECRET_ROW,
    MR_COMMANDS_CONNECT_ROW,
    {.name = "json",
     .kind = MR_OPTION_FLAG,
     .help = "Print the manifest when done: to standard output with -o, else to standard error. "
             "With --detach: the job's id and number."},
    MR_REQUEST_QUIET_ROW,
    {.name = "verbose",
     .letter = 'v',
     .kind = MR_OPTION_FLAG,
     .help = "Let the job's log be written (millrace logs shows it), and show the closing line on "
             "anything."},
    {.name = NULL},
};

static const struct mr_example examples[] = {
    {"millrace submit wordcount logs/ -o counts", "count the words of a directory on a cluster"},
    {"millrace submit ./libmyjob.so /data/logs -o /data/result --detach",
     "a plugin: it travels with the job; the id that is printed is for millrace wait"},
    {"millrace submit wordcount /data/logs --collect -o counts",
     "the result is brought to this machine"},
    {"millrace submit wordcount /data/book.txt --words letters --fold --top 20",
     "to standard output, sorted"},
    {NULL, NULL},
};

const struct mr_command mr_submit_command = {
    .name = "submit",
    .usage = "submit JOB INPUT... [-o DIR] [OPTION...] [PARAMETER...]",
    .summary = "have a cluster run a job",
    .text = "Hands JOB (a built-in one, or the path of a plugin, which travels with it) to a "
            "cluster's master. The inputs are as those of `millrace run`, on a file system that "
            "every mapper sees under the same paths; standard input and FIFOs are refused. The "
            "result is, byte for byte, that of `millrace run`. `millrace submit JOB --help` shows "
            "the job's parameters.\n"
            "Once the master has the job nothing loses it, and it needs this command no more: "
            "Ctrl-C leaves it to the cluster and says how to come back to it; twice cancels it.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_RUN,
    .main = mr_handover_main,
};
