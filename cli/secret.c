/* secret: `millrace secret`: makes the file that lets machines join one cluster. */
#include "cli/commands.h"
#include "cli/handover.h"

static const struct mr_option options[] = {
    MR_COMMANDS_HELP_ROW,
    {.name = NULL},
};

static const struct mr_example examples[] = {
    {"millrace secret new cluster.key", "then copy it, by scp, to each machine of the cluster"},
    {NULL, NULL},
};

const struct mr_command mr_secret_command = {
    .name = "secret",
    .usage = "secret new FILE",
    .summary = "make the secret file that lets machines join one cluster",
    .text = "Writes a new random secret to FILE, which must not exist, for you alone to read (mode "
            "0600). Daemons and commands that are given the same secret (--secret FILE, or "
            "MILLRACE_SECRET) belong to one cluster; all they say to each other is encrypted by "
            "it.\n"
            "Whoever has it may run code on the cluster's machines. Without one, the commands and "
            "daemons of one user on one machine share a secret that the first of them makes.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_NONE,
    .main = mr_handover_main,
};
