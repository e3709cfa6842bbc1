/* conditions: what forbids a worker to start, all of it told at once. */
#include "lib/worker/node/conditions.h"

#include "lib/base/error.h"
#include "lib/job/problems.h"
#include "lib/net/address.h"
#include "lib/worker/node/whereabouts.h"
#include <string.h>

static struct mr_listener_options choose_listen(const struct mr_node_options *options) {
    bool is_far = options->secret && !mr_whereabouts_is_near(options->master);
    return (struct mr_listener_options){.address = options->listen ? options->listen
                                                   : is_far        ? "0.0.0.0:0"
                                                                   : "127.0.0.1:0",
                                        .has_explicit_secret = options->secret != NULL,
                                        .allow_root = options->allow_root};
}

/* Takes a failure's sentence among the reasons not to start. */
static void note(struct mr_problems *problems, struct mr_error *err) {
    if (err->code) {
        mr_problems_add(problems, err->code, "%s", err->text);
    }
    *err = (struct mr_error){0};
}

int mr_conditions_check(const struct mr_node_options *options, struct mr_folder *folder,
                        struct mr_secret *secret, struct mr_listener_options *listening,
                        struct mr_error *err) {
    struct mr_problems problems = {0};
    struct mr_address address;
    struct mr_error one = {0};
    struct mr_folder_options chosen = {
        .path = options->scratch, .name = options->name, .role = options->command};
    if (!options->master) {
        mr_error_set(&one, MR_ERR_USAGE, "which master? --master HOST:PORT, or MILLRACE_MASTER");
    } else {
        (void)!mr_address_read(options->master, "--master", &address, &one);
    }
    note(&problems, &one);
    (void)!mr_secret_find(options->secret, true, secret, &one);
    note(&problems, &one);
    if (options->slots > MR_NODE_SLOTS_MAX) {
        mr_problems_add(&problems, MR_ERR_USAGE, "--slots: at most %u", MR_NODE_SLOTS_MAX);
    }
    if (options->name && (strlen(options->name) >= MR_FOLDER_NAME_MAX || !*options->name ||
                          strpbrk(options->name, "/ \t\n"))) {
        mr_problems_add(&problems, MR_ERR_USAGE,
                        "--name: a word of at most %d letters, without blanks and '/'",
                        MR_FOLDER_NAME_MAX - 1);
    } else {
        (void)!mr_folder_open(folder, &chosen, &one);
        note(&problems, &one);
    }
    if (options->master) {
        *listening = choose_listen(options);
        (void)mr_listener_check(listening, options->command, &problems);
    }
    return mr_problems_report(&problems, err);
}
