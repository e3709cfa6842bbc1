/* secret_new: `millrace secret new FILE`: makes a cluster's secret. */
#include "cluster/secret_new.h"

#include "cli/help.h"
#include "lib/base/error.h"
#include "lib/net/secret.h"

#include <string.h>

#define OPERANDS 2 /* new FILE */

int mr_secret_new_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value help = {0};
    int status = mr_commands_parse(command, args, OPERANDS, &help, err);
    if (status || help.given) {
        return status ? status : mr_help_show(command, NULL, err);
    }
    if (!args[0] || strcmp(args[0], "new") != 0) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "what about a secret? `millrace secret new FILE` makes one");
    }
    if (!args[1]) {
        return mr_error_set(err, MR_ERR_USAGE, "in which file? `millrace secret new cluster.key`");
    }
    return mr_secret_new(args[1], err);
}
