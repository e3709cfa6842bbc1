/* simulate: `millrace simulate`: how long a job would take on a cluster. */
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/parameters.h"
#include "cli/request.h"
#include "lib/base/error.h"

#include <mr/simulate.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HELP,
    NODES,
    SLOTS,
    MTBF,
    SLOW,
    SEED,
    FROM,
    MAP_MBPS,
    REDUCE_MBPS,
    NET_MBPS,
    PARTITIONS,
    OPTIONS
};

static const struct mr_option options[] = {
    [HELP] = MR_COMMANDS_HELP_ROW,
    [NODES] = {.name = "nodes",
               .kind = MR_OPTION_U64,
               .metavar = "N",
               .fallback = "1",
               .least = 1,
               .most = MR_SIMULATE_NODES_MAX,
               .help = "Simulate N nodes."},
    [SLOTS] = {.name = "slots",
               .kind = MR_OPTION_U64,
               .metavar = "N",
               .fallback = "1",
               .least = 1,
               .most = MR_SIMULATE_SLOTS_MAX,
               .help = "Let a node run N tasks at once."},
    [MTBF] = {.name = "mtbf",
              .kind = MR_OPTION_TEXT,
              .metavar = "TIME",
              .help = "Let a node fail every TIME on average (90s, 30m, 1h, 7d), and be back a "
                      "minute later, empty."},
    [SLOW] = {.name = "slow",
              .kind = MR_OPTION_TEXT,
              .metavar = "SHARE",
              .help = "Let this SHARE of the nodes (0.02) take ten times as long."},
    [SEED] = {.name = "seed",
              .kind = MR_OPTION_U64,
              .metavar = "N",
              .fallback = "0",
              .help = "Let other nodes fail at other times: each number is a story of its own."},
    [FROM] = {.name = "from",
              .kind = MR_OPTION_TEXT,
              .metavar = "DIR",
              .help = "Take the times of tasks from the run that made the output directory DIR, "
                      "of this job and a similar input."},
    [MAP_MBPS] = {.name = "map-mbps",
                  .kind = MR_OPTION_U64,
                  .metavar = "N",
                  .fallback = "100",
                  .least = 1,
                  .most = 1000000,
                  .help = "Without --from: let a slot map N megabytes a second."},
    [REDUCE_MBPS] = {.name = "reduce-mbps",
                     .kind = MR_OPTION_U64,
                     .metavar = "N",
                     .fallback = "100",
                     .least = 1,
                     .most = 1000000,
                     .help = "Without --from: let a slot reduce N megabytes a second."},
    [NET_MBPS] = {.name = "net-mbps",
                  .kind = MR_OPTION_U64,
                  .metavar = "N",
                  .fallback = "125",
                  .least = 1,
                  .most = 1000000,
                  .help = "Let a node receive N megabytes a second."},
    [PARTITIONS] = {.name = "partitions",
                    .kind = MR_OPTION_U64,
                    .metavar = "N",
                    .least = 1,
                    .most = 4096,
                    .help = "Write N parts instead of a number that follows from the size of the "
                            "input."},
    [OPTIONS] = {.name = NULL},
};

static const struct mr_example examples[] = {
    {"millrace simulate wordcount logs/ --nodes 64 --slots 8",
     "how long 64 nodes would take, at 100 MB/s a slot"},
    {"millrace simulate wordcount logs/ --nodes 64 --from counts --mtbf 1h",
     "the same with times that were measured, and what failing nodes would cost"},
    {NULL, NULL},
};

/* ---- what was typed ---------------------------------------------------------------------------
 */

/* The options of this command, then the job's parameters once the job is known. */
struct words {
    struct mr_option *rows;
    struct mr_option_value *values;
    struct mr_run_param *params;
    struct mr_run_spec run;
};

static int take_job(struct words *words, struct mr_options *line, const char *name,
                    struct mr_error *err) {
    struct mr_option *more = NULL;
    if (mr_request_find_job(name, &words->run.job, err) ||
        mr_parameters_rows(words->run.job, NULL, &more, err)) {
        return err->code;
    }
    size_t count = mr_options_count(more);
    struct mr_option *rows = calloc(OPTIONS + count + 1, sizeof *rows);
    struct mr_option_value *values = calloc(OPTIONS + count + 1, sizeof *values);
    words->params = calloc(count + 1, sizeof *words->params);
    if (rows && values && words->params) {
        memcpy(rows, options, OPTIONS * sizeof *rows);
        memcpy(rows + OPTIONS, more, (count + 1) * sizeof *rows);
        memcpy(values, words->values, OPTIONS * sizeof *values);
        free(words->values);
        words->rows = rows;
        words->values = values;
        *line = (struct mr_options){.rows = rows,
                                    .values = values,
                                    .count = OPTIONS + count,
                                    .args = line->args,
                                    .ended = line->ended};
    } else {
        free(rows);
        free(values);
        mr_error_nomem(err, "reading the command line");
    }
    free(more);
    return err->code;
}

static int read_words(struct words *words, char **args, struct mr_error *err) {
    words->values = calloc(OPTIONS + 1, sizeof *words->values);
    if (!words->values) {
        return mr_error_nomem(err, "reading the command line");
    }
    struct mr_options line = {
        .rows = options, .values = words->values, .count = OPTIONS, .args = args};
    const char *operand;
    int status;
    while ((status = mr_options_next(&line, &operand, err)) == 1) {
        if (words->run.job) {
            args[words->run.input_count++] = line.args[-1]; /* what has been read makes room */
        } else if ((status = take_job(words, &line, operand, err))) {
            return status;
        }
    }
    words->run.inputs = (const char *const *)args;
    for (size_t i = OPTIONS; words->run.job && i < line.count; i++) {
        if (words->values[i].given) {
            words->params[words->run.param_count++] =
                (struct mr_run_param){words->rows[i].name, words->values[i].text};
        }
    }
    words->run.params = words->params;
    return words->values[HELP].given ? 0 : status;
}

/* ---- times and shares -------------------------------------------------------------------------
 */

static int read_time(const char *text, double *seconds, struct mr_error *err) {
    static const char units[] = "smhd";
    static const double factors[] = {1, 60, 3600, 86400};
    char *end;
    double number = strtod(text, &end);
    const char *unit = *end ? strchr(units, *end) : units;
    if (end == text || !unit || (*end && end[1]) || !(number > 0) || number > 1e9) {
        return mr_error_set(err, MR_ERR_USAGE,
                            "--mtbf \"%.100s\": a time is a number with s, m, h or d: 90s, 1h",
                            text);
    }
    *seconds = number * factors[unit - units];
    return 0;
}

static int read_share(const char *text, double *share, struct mr_error *err) {
    char *end;
    *share = strtod(text, &end);
    if (end == text || *end || !(*share >= 0 && *share <= 1)) {
        return mr_error_set(err, MR_ERR_USAGE, "--slow \"%.100s\": a share is from 0 to 1: 0.02",
                            text);
    }
    return 0;
}

static int fill(struct words *words, struct mr_simulate_spec *spec, struct mr_error *err) {
    const struct mr_option_value *values = words->values;
    if (!words->run.job) {
        return mr_error_set(err, MR_ERR_USAGE, "which job? `millrace jobs` lists them");
    }
    if (words->run.input_count == 0) {
        return mr_error_set(err, MR_ERR_USAGE, "no input: name files, directories or globs");
    }
    if (values[FROM].given && (values[MAP_MBPS].given || values[REDUCE_MBPS].given)) {
        return mr_error_set(
            err, MR_ERR_USAGE,
            "--from says how fast tasks are: leave --map-mbps and --reduce-mbps out");
    }
    words->run.partitions = (uint32_t)values[PARTITIONS].number;
    *spec = (struct mr_simulate_spec){.run = &words->run,
                                      .nodes = (uint32_t)values[NODES].number,
                                      .slots = (uint32_t)values[SLOTS].number,
                                      .seed = values[SEED].number,
                                      .from = values[FROM].text,
                                      .map_mbps = (uint32_t)values[MAP_MBPS].number,
                                      .reduce_mbps = (uint32_t)values[REDUCE_MBPS].number,
                                      .net_mbps = (uint32_t)values[NET_MBPS].number};
    int status = values[MTBF].given ? read_time(values[MTBF].text, &spec->mtbf_seconds, err) : 0;
    return status || !values[SLOW].given ? status : read_share(values[SLOW].text, &spec->slow, err);
}

static int simulate_main(const struct mr_command *command, char **args, struct mr_error *err) {
    struct words words = {0};
    struct mr_simulate_spec spec;
    int status = read_words(&words, args, err);
    if (!status && words.values[HELP].given) {
        status = mr_help_show(command, words.run.job, err);
    } else if (!status && !(status = fill(&words, &spec, err))) {
        status = mr_simulate(&spec, STDOUT_FILENO, err);
    }
    free(words.params);
    free(words.values);
    free(words.rows);
    return status;
}

const struct mr_command mr_simulate_command = {
    .name = "simulate",
    .usage = "simulate JOB INPUT... [OPTION...] [PARAMETER...]",
    .summary = "say how long a job would take on a cluster, and what failures cost",
    .text =
        "Plans the job as `millrace run` would, and runs the real scheduler in virtual time: how "
        "long it would take on so many nodes, where the time would go (mapping, reading map "
        "outputs, reducing, doing again, waiting), and what failing and slow nodes would cost. "
        "Says what it assumed. Runs no code of the job and reads no more than the first bytes "
        "of each file.",
    .options = options,
    .examples = examples,
    .operands = MR_OPERANDS_RUN,
    .main = simulate_main,
};
