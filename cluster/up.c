/* up: `millrace cluster up`: a whole cluster on this machine, in the foreground. */
#include "cluster/up.h"

#include "cli/help.h"
#include "cli/say.h"
#include "cluster/brood.h"
#include "cluster/obituary.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/machine.h"
#include "lib/output/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPTIONS_MAX 32
#define LISTEN "127.0.0.1:7077"
#define MASTER 0 /* among the children; workers follow */

/* What was asked for. */
struct wish {
    uint64_t mappers;
    uint64_t reducers;
    uint64_t slots; /* 0: from the CPUs */
    const char *listen;
    const char *secret;
    const char *lease;
    char state[PATH_MAX];
    char scratch[PATH_MAX];
    char temporary[PATH_MAX]; /* removed in the end; empty: none */
};

/* A worker's arguments that are made. */
struct words {
    char slots[24];
    char scratch[PATH_MAX + MR_BROOD_NAME_MAX + 2];
};

struct up {
    const struct wish *wish;
    struct mr_brood brood;
    struct words *words; /* one a worker */
    char program[PATH_MAX];
    char address[MR_BROOD_ADDRESS_MAX]; /* the master's */
};

/* ---- folders ----------------------------------------------------------------------------------*/

static int make_folder(const char *path, struct mr_error *err) {
    return mkdir(path, 0700) == 0 || errno == EEXIST
               ? MR_OK
               : mr_error_errno(err, MR_ERR_IO, errno, "make \"%.300s\"", path);
}

static int make_temporary(struct wish *wish, struct mr_error *err) {
    const char *tmp = getenv("TMPDIR");
    snprintf(wish->temporary, sizeof wish->temporary, "%.3000s/millrace-cluster-XXXXXX",
             tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(wish->temporary)) {
        (void)mr_error_errno(err, MR_ERR_IO, errno, "make a directory in \"%.300s\"",
                             tmp && *tmp ? tmp : "/tmp");
        wish->temporary[0] = '\0';
    }
    return err->code;
}

/* A folder that was named, or one in the temporary directory. */
static int choose_folder(struct wish *wish, const char *given, const char *name,
                         char path[PATH_MAX], struct mr_error *err) {
    if (given) {
        snprintf(path, PATH_MAX, "%.4000s", given);
    } else if (wish->temporary[0] || !make_temporary(wish, err)) {
        snprintf(path, PATH_MAX, "%.4000s/%s", wish->temporary, name);
    }
    return err->code ? err->code : make_folder(path, err);
}

static void remove_temporary(const struct wish *wish) {
    struct mr_error ignored = {0};
    if (wish->temporary[0]) {
        (void)!mr_tree_remove(AT_FDCWD, wish->temporary, &ignored);
    }
}

/* ---- the children -----------------------------------------------------------------------------*/

static void add(struct mr_brood_child *child, const char *option, const char *value) {
    size_t count = 0;
    while (child->args[count]) {
        count++;
    }
    if (value && count + 2 < MR_BROOD_ARGS_MAX) {
        child->args[count] = option;
        child->args[count + 1] = value;
    }
}

static void describe_master(struct up *up) {
    struct mr_brood_child *child = &up->brood.children[MASTER];
    snprintf(child->name, sizeof child->name, "master");
    child->args[0] = "master";
    child->is_vital = true;
    snprintf(up->address, sizeof up->address, "%s", up->wish->listen);
    add(child, "--listen", up->address);
    add(child, "--state", up->wish->state);
    add(child, "--secret", up->wish->secret);
    add(child, "--lease", up->wish->lease);
}

static void describe_worker(struct up *up, size_t index) {
    struct mr_brood_child *child = &up->brood.children[index];
    struct words *words = &up->words[index];
    bool is_mapper = index <= up->wish->mappers;
    uint64_t number = is_mapper ? index : index - up->wish->mappers;
    uint64_t count = is_mapper ? up->wish->mappers : up->wish->reducers;
    uint64_t share = mr_machine_cpus() / count;
    uint64_t slots = up->wish->slots ? up->wish->slots : share ? share : 1;
    snprintf(child->name, sizeof child->name, "%s-%" PRIu64, is_mapper ? "mapper" : "reducer",
             number);
    snprintf(words->slots, sizeof words->slots, "%" PRIu64, slots);
    snprintf(words->scratch, sizeof words->scratch, "%s/%s", up->wish->scratch, child->name);
    child->args[0] = is_mapper ? "mapper" : "reducer";
    add(child, "--master", up->address);
    add(child, "--name", child->name);
    add(child, "--slots", words->slots);
    add(child, "--scratch", words->scratch);
    add(child, "--secret", up->wish->secret);
}

/* So that the master need not wait for the lease to end. One that is started again offers what it
 * held, which would be given up by that. */
static bool buried(void *arg, const struct mr_brood_child *child) {
    const struct up *up = arg;
    struct mr_obituary obituary = {.master = up->address,
                                   .secret = up->wish->secret,
                                   .name = child->name,
                                   .address = child->address};
    return child == &up->brood.children[MASTER] || mr_obituary_send(&obituary);
}

static bool are_ready(const struct mr_brood *brood, size_t count) {
    bool ready = true;
    for (size_t i = 0; i < count; i++) {
        ready &= brood->children[i].is_ready;
    }
    return ready;
}

/* Waits until the first children are ready, or Ctrl-C. */
static int await(struct up *up, size_t count, struct mr_error *err) {
    while (!up->brood.stops && !are_ready(&up->brood, count) && !mr_brood_wait(&up->brood, err)) {
    }
    return err->code;
}

static int start_all(struct up *up, struct mr_error *err) {
    struct mr_brood *brood = &up->brood;
    describe_master(up);
    if (mr_brood_start(brood, &brood->children[MASTER], err) || await(up, 1, err)) {
        return err->code;
    }
    /* The port that it has, also when it is started again. */
    if (brood->children[MASTER].address[0]) {
        snprintf(up->address, sizeof up->address, "%s", brood->children[MASTER].address);
    }
    for (size_t i = 1; i < brood->count && !brood->stops && !err->code; i++) {
        describe_worker(up, i);
        (void)!mr_brood_start(brood, &brood->children[i], err);
    }
    return err->code ? err->code : await(up, brood->count, err);
}

static int say_ready(const struct up *up, struct mr_error *err) {
    char line[MR_BROOD_ADDRESS_MAX + 16];
    int len = snprintf(line, sizeof line, "ready %s\n", up->address);
    return mr_file_write(STDOUT_FILENO, line, (size_t)len, "standard output", err);
}

/* ---- all of it --------------------------------------------------------------------------------*/

static int find_program(struct up *up, struct mr_error *err) {
    ssize_t len = readlink("/proc/self/exe", up->program, sizeof up->program - 1);
    if (len <= 0) {
        return mr_error_errno(err, MR_ERR_IO, errno, "look up this program's own path");
    }
    up->program[len] = '\0';
    up->brood.program = up->program;
    return MR_OK;
}

static int run(struct up *up, struct mr_error *err) {
    struct mr_brood *brood = &up->brood;
    if (!start_all(up, err) && !brood->stops && !say_ready(up, err)) {
        while (!brood->stops && !mr_brood_wait(brood, err)) {
        }
    }
    unsigned stops = brood->stops;
    mr_brood_end(brood, 1, brood->count, stops);
    mr_brood_end(brood, MASTER, 1, stops);
    return err->code;
}

/* How the daemon ended that this ends by is how this ends. */
static int bring_up(const struct wish *wish, bool restarts, struct mr_error *err) {
    struct up up = {.wish = wish, .brood = {.buried = buried, .arg = &up}};
    up.brood.count = (size_t)(1 + wish->mappers + wish->reducers);
    up.brood.restarts = restarts;
    up.brood.children = calloc(up.brood.count, sizeof *up.brood.children);
    up.words = calloc(up.brood.count, sizeof *up.words);
    if (!up.brood.children || !up.words) {
        (void)mr_error_nomem(err, "starting a cluster");
    } else if (!find_program(&up, err) && !mr_brood_open(&up.brood, err)) {
        (void)!run(&up, err);
    }
    mr_brood_close(&up.brood);
    free(up.brood.children);
    free(up.words);
    return err->code && up.brood.failure ? up.brood.failure : err->code;
}

static uint64_t number_or(const struct mr_option_value *value, uint64_t fallback) {
    return value->given ? value->number : fallback;
}

int mr_up_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct mr_option_value values[OPTIONS_MAX] = {{0}};
    struct wish wish = {0};
    int status = MR_OK;
    if (mr_commands_parse(command, args, 1, values, err)) {
        return err->code;
    }
    if (values[0].given) { /* --help is each table's first */
        return mr_help_show(command, NULL, err);
    }
    if (!args[0] || strcmp(args[0], "up") != 0) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "what about a cluster? `millrace cluster up` starts one, and Ctrl-C "
                            "there ends it");
    }
    const char *listen = mr_commands_value(command, values, "listen")->text;
    wish.mappers = number_or(mr_commands_value(command, values, "mappers"), 2);
    wish.reducers = number_or(mr_commands_value(command, values, "reducers"), 1);
    wish.slots = mr_commands_value(command, values, "slots")->number;
    wish.listen = listen ? listen : LISTEN;
    wish.secret = mr_commands_value(command, values, "secret")->text;
    wish.lease = mr_commands_value(command, values, "lease")->text;
    if (!choose_folder(&wish, mr_commands_value(command, values, "state")->text, "state",
                       wish.state, err) &&
        !choose_folder(&wish, mr_commands_value(command, values, "scratch")->text, "scratch",
                       wish.scratch, err)) {
        status = bring_up(&wish, mr_commands_value(command, values, "restart")->given, err);
    }
    remove_temporary(&wish);
    return status ? status : err->code;
}
