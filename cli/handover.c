/* handover: hands a command of the cluster over to the program that has a network. */
#include "cli/handover.h"

#include "lib/base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLUSTER "millrace-cluster"
#define COMMAND "millrace"

/* Finds a program beside this one (as built), or in `folder`, seen from there (as installed). */
static int find(const char *name, const char *folder, char path[MR_HANDOVER_PATH_MAX],
                struct mr_error *err) {
    char self[MR_HANDOVER_PATH_MAX / 2];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len <= 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "look up this program's own path");
    }
    self[len] = '\0';
    *strrchr(self, '/') = '\0';
    const char *const places[] = {".", folder};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int written = snprintf(path, MR_HANDOVER_PATH_MAX, "%s/%s/%s", self, places[i], name);
        if (written > 0 && written < MR_HANDOVER_PATH_MAX && access(path, X_OK) == 0) {
            return MR_OK;
        }
    }
    return mr_error_set(err, MR_ERR_IO,
                        "the program %s is missing: it belongs into \"%.300s/%s\", where "
                        "installing Millrace puts it",
                        name, self, folder);
}

int mr_handover_main(const struct mr_command *command, char **args, struct mr_error *err) {
    char path[MR_HANDOVER_PATH_MAX];
    size_t count = 0;
    while (args[count]) {
        count++;
    }
    if (find(CLUSTER, MR_LIBEXEC_FROM_BIN, path, err)) {
        return err->code;
    }
    const char **argv = calloc(count + 3, sizeof *argv);
    if (!argv) {
        return mr_error_nomem(err, "starting " CLUSTER);
    }
    argv[0] = COMMAND;
    argv[1] = command->name;
    memcpy(argv + 2, args, count * sizeof *argv);
    execv(path, (char *const *)argv);
    (void)mr_error_errno(err, MR_ERR_IO, errno, "start \"%.300s\"", path);
    free(argv);
    return err->code;
}

int mr_handover_command_path(char path[MR_HANDOVER_PATH_MAX], struct mr_error *err) {
    return find(COMMAND, MR_BIN_FROM_LIBEXEC, path, err);
}
