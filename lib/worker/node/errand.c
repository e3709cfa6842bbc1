/* errand: one attempt on this worker: what it is told to do, and how that is put in words. */
#include "lib/worker/node/errand.h"

#include "lib/base/check.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/net/message.h"
#include "lib/worker/account.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASIDE_BYTES_MAX ((size_t)512 << 10) /* of records set aside, in one message */
#define ASIDE_ROWS_MAX ((size_t)4096)
#define ASIDE_RECORD_MAX ((size_t)1 << 16)

void mr_errand_set_state(struct mr_errand *errand, enum mr_errand_state state) {
    MR_CHECK(state > errand->state || errand->state == MR_ERRAND_WAITING ||
             (state == MR_ERRAND_GATHERING && errand->state == MR_ERRAND_READY));
    errand->state = state;
}

int mr_errand_create(struct mr_dossier *job, const struct mr_wire_start *message,
                     struct mr_errand **errand, struct mr_error *err) {
    struct mr_errand *made = calloc(1, sizeof *made);
    uint64_t *skips = calloc(message->skips_count + 1, sizeof *skips);
    if (!made || !skips) {
        free(made);
        free(skips);
        return mr_error_nomem(err, "taking in an attempt");
    }
    for (size_t i = 0; i < message->skips_count; i++) {
        skips[i] = message->skips[i].value;
    }
    *made = (struct mr_errand){.job = job,
                               .number = (uint32_t)message->job,
                               .round = (uint32_t)message->round,
                               .phase = (uint32_t)message->phase,
                               .task = (uint32_t)message->task,
                               .attempt = (uint32_t)message->attempt,
                               .partitions = (uint32_t)message->partitions,
                               .is_last = message->is_last,
                               .pass = message->pass,
                               .care_block = message->care_block,
                               .skips = skips,
                               .skip_count = message->skips_count,
                               .memory_shift = (unsigned)message->memory_shift,
                               .state_len = message->state_len,
                               .loop_state = {message->state_high, message->state_low}};
    *errand = made;
    return MR_OK;
}

void mr_errand_destroy(struct mr_errand *errand) {
    mr_hand_release(&errand->work.outcome);
    mr_buffer_fini(&errand->report);
    free(errand->winners);
    free(errand->skips);
    free(errand);
}

/* ---- what it does -----------------------------------------------------------------------------*/

/* The row by which the order's round and pass are found; of a turn: those of what it reads. */
static struct mr_orders_task order_of(const struct mr_errand *errand) {
    struct mr_wire_row_held row = {.round = errand->round,
                                   .phase = errand->phase == 0 ? MR_DOSSIER_MAP : MR_DOSSIER_PAIRS,
                                   .task = errand->task,
                                   .attempt = errand->attempt};
    struct mr_orders_task order = mr_dossier_order(errand->job, &row);
    if (errand->phase == MR_ERRAND_TURN) {
        order.phase = MR_PHASE_LOOP;
        order.round = (uint32_t)errand->job->spec.rounds_count - 1;
        order.pass = errand->pass;
    }
    return order;
}

bool mr_errand_reads(const struct mr_errand *errand, struct mr_inflow_want *want) {
    struct mr_orders_task order = order_of(errand);
    *want = (struct mr_inflow_want){.job = errand->job, .round = errand->round};
    switch (order.phase) {
    case MR_PHASE_REDUCE:
        want->phase = 1;
        want->partition = errand->task;
        return true;
    case MR_PHASE_LOOP:
        want->round = errand->round + 1;
        want->partition = MR_INFLOW_ALL;
        return errand->pass > 0;
    default:
        want->partition = MR_INFLOW_ALL;
        return order.round > 0;
    }
}

bool mr_errand_output(const struct mr_errand *errand, struct mr_wire_row_held *row) {
    *row = (struct mr_wire_row_held){
        .round = errand->round, .task = errand->task, .attempt = errand->attempt};
    row->phase = errand->phase == 0 ? MR_DOSSIER_MAP
                 : errand->is_last  ? MR_DOSSIER_PART
                                    : MR_DOSSIER_PAIRS;
    bool is_in_output = row->phase == MR_DOSSIER_PART && errand->job->spec.output;
    return errand->phase != MR_ERRAND_TURN && !is_in_output;
}

void mr_errand_discard(const struct mr_errand *errand) {
    struct mr_wire_row_held row;
    if (mr_errand_output(errand, &row) && !errand->job->is_forgotten) {
        mr_dossier_discard(errand->job, &row, NULL);
    }
}

static int fill_split(struct mr_errand *errand, struct mr_orders_task *order,
                      struct mr_error *err) {
    const struct mr_spec *spec = &errand->job->spec;
    if (errand->task >= spec->splits_count) {
        return mr_error_set(err, MR_ERR_INTERNAL, "a task that is none of the job's");
    }
    const struct mr_spec_split *split = &spec->splits[errand->task];
    const struct mr_spec_input *input = &spec->inputs[split->input];
    order->split = (struct mr_split){(uint32_t)split->input, split->begin, split->end};
    order->input =
        (struct mr_input){.path = (char *)(uintptr_t)input->path,
                          .kind = (enum mr_input_kind)input->kind,
                          .size = input->size,
                          .mtime = {(time_t)input->mtime_seconds, (long)input->mtime_nanoseconds},
                          .ino = (ino_t)input->inode};
    return MR_OK;
}

int mr_errand_order(struct mr_errand *errand, struct mr_error *err) {
    struct mr_hands_work *work = &errand->work;
    struct mr_orders_task order = order_of(errand);
    order.partitions = errand->partitions;
    order.is_last = errand->is_last;
    order.winners = errand->winners;
    order.winner_count = errand->winner_count;
    order.state_len = errand->state_len;
    order.state_xxh3[0] = errand->loop_state.high;
    order.state_xxh3[1] = errand->loop_state.low;
    order.care_block = errand->care_block;
    order.skips = errand->skips;
    order.skip_count = errand->skip_count;
    order.halvings = errand->memory_shift;
    if (order.phase == MR_PHASE_MAP && order.round == 0 && fill_split(errand, &order, err)) {
        return err->code;
    }
    *work = (struct mr_hands_work){.owner = errand,
                                   .job = errand->job,
                                   .order = order,
                                   .writes_part = errand->is_last && errand->phase == 1};
    snprintf(work->log, sizeof work->log, "%.4000s/log-%u-%u-%u-%u", errand->job->dir,
             (unsigned)errand->phase, (unsigned)errand->round, (unsigned)errand->task,
             (unsigned)errand->attempt);
    return MR_OK;
}

/* ---- reports ----------------------------------------------------------------------------------*/

static int keep_report(struct mr_errand *errand, enum mr_wire_kind kind, const void *message,
                       struct mr_error *err) {
    struct mr_message *encoded = NULL;
    struct mr_bytes body;
    errand->report.len = 0;
    errand->kind = kind;
    if (!mr_wire_encode(kind, message, &encoded, &body, err)) {
        (void)!mr_buffer_append(&errand->report, body.data, body.len, err);
    }
    mr_message_destroy(encoded);
    return err->code;
}

static uint64_t us_of(const struct mr_errand *errand) {
    return (uint64_t)(errand->work.seconds * 1e6);
}

/* The rows of records that were set aside; what is long is cut. */
static struct mr_wire_row_aside *list_aside(const struct mr_hand_outcome *outcome, size_t *count) {
    size_t rows = outcome->skipped_count < ASIDE_ROWS_MAX ? outcome->skipped_count : ASIDE_ROWS_MAX;
    size_t each = rows ? ASIDE_BYTES_MAX / rows : 0;
    struct mr_wire_row_aside *aside = calloc(rows + 1, sizeof *aside);
    each = each < ASIDE_RECORD_MAX ? each : ASIDE_RECORD_MAX;
    for (size_t i = 0; aside && i < rows; i++) {
        const struct mr_orders_skipped *skipped = &outcome->skipped[i];
        aside[i] = (struct mr_wire_row_aside){
            .offset = skipped->offset, .len = skipped->len, .record = skipped->record};
        aside[i].record.len = skipped->record.len < each ? skipped->record.len : each;
    }
    *count = rows;
    return aside;
}

static int put_account(const struct mr_errand *errand, struct mr_buffer *bytes,
                       struct mr_error *err) {
    const struct mr_hand_outcome *outcome = &errand->work.outcome;
    struct mr_account account = {.attempt = errand->attempt};
    if (errand->phase != MR_ERRAND_TURN) {
        mr_account_take(&account, &outcome->result,
                        errand->phase == 0 ? MR_PHASE_MAP : MR_PHASE_REDUCE, errand->is_last);
    }
    if (!mr_account_count(&account, &outcome->counters, err)) {
        (void)!mr_account_put(&account, bytes, err);
    }
    mr_account_fini(&account);
    return err->code;
}

int mr_errand_report_done(struct mr_errand *errand, struct mr_error *err) {
    struct mr_buffer account = {0};
    size_t aside_count = 0;
    struct mr_wire_row_aside *aside = list_aside(&errand->work.outcome, &aside_count);
    if (!aside) {
        return mr_error_nomem(err, "telling of an attempt");
    }
    if (!put_account(errand, &account, err)) {
        struct mr_wire_done message = {.job = errand->number,
                                       .round = errand->round,
                                       .phase = errand->phase,
                                       .task = errand->task,
                                       .attempt = errand->attempt,
                                       .digest = errand->work.outcome.result.output_xxh3,
                                       .account = {account.data, account.len},
                                       .seconds_us = us_of(errand),
                                       .aside = aside,
                                       .aside_count = aside_count};
        (void)!keep_report(errand, MR_WIRE_DONE, &message, err);
    }
    mr_buffer_fini(&account);
    free(aside);
    return err->code;
}

static int report_turn_failed(struct mr_errand *errand, const struct mr_error *why,
                              struct mr_error *err) {
    struct mr_wire_turned message = {.job = errand->number,
                                     .attempt = errand->attempt,
                                     .pass = errand->pass,
                                     .status = (uint64_t)-why->code,
                                     .is_fatal = errand->work.outcome.is_fatal,
                                     .is_broken = errand->work.outcome.is_broken,
                                     .why = why->text};
    return keep_report(errand, MR_WIRE_TURNED, &message, err);
}

int mr_errand_report_failed(struct mr_errand *errand, const struct mr_error *why,
                            struct mr_error *err) {
    const struct mr_hand_outcome *outcome = &errand->work.outcome;
    if (errand->phase == MR_ERRAND_TURN) {
        return report_turn_failed(errand, why, err);
    }
    struct mr_wire_failed message = {.job = errand->number,
                                     .round = errand->round,
                                     .phase = errand->phase,
                                     .task = errand->task,
                                     .attempt = errand->attempt,
                                     .status = (uint64_t)-why->code,
                                     .is_fatal = outcome->is_fatal && !errand->work.is_unseen,
                                     .is_crash = outcome->is_crash,
                                     .is_broken = outcome->is_broken,
                                     .is_stopped = errand->is_stopped,
                                     .is_memory = outcome->is_short,
                                     .has_place = outcome->has_place,
                                     .is_exact = outcome->is_exact,
                                     .offset = outcome->offset,
                                     .block = outcome->block,
                                     .why = why->text,
                                     .seconds_us = us_of(errand)};
    return keep_report(errand, MR_WIRE_FAILED, &message, err);
}

int mr_errand_report_lost(struct mr_errand *errand, uint32_t task, uint32_t attempt,
                          bool is_damaged, const struct mr_error *why, struct mr_error *err) {
    if (errand->phase == MR_ERRAND_TURN) {
        struct mr_wire_turned message = {.job = errand->number,
                                         .attempt = errand->attempt,
                                         .pass = errand->pass,
                                         .status = (uint64_t) - (why->code ? why->code : MR_ERR_IO),
                                         .why = why->text,
                                         .has_lost = 1,
                                         .lost_task = task,
                                         .lost_attempt = attempt};
        return keep_report(errand, MR_WIRE_TURNED, &message, err);
    }
    struct mr_wire_lost message = {.job = errand->number,
                                   .round = errand->round,
                                   .phase = errand->phase,
                                   .task = errand->task,
                                   .attempt = errand->attempt,
                                   .lost_task = task,
                                   .lost_attempt = attempt,
                                   .is_damaged = is_damaged,
                                   .why = why->text};
    return keep_report(errand, MR_WIRE_LOST, &message, err);
}

/* ---- turns ------------------------------------------------------------------------------------*/

/* A file that the turn left becomes a blob. */
static int give_file(struct mr_errand *errand, struct mr_blobs *blobs, const char *path,
                     uint64_t len, struct mr_hash_128 *hash, struct mr_error *err) {
    struct mr_buffer bytes = {0};
    struct stat about;
    size_t got = 0;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0) {
        mr_error_errno(err, MR_ERR_IO, errno, "open \"%.300s\"", path);
    } else if (!S_ISREG(about.st_mode) || (uint64_t)about.st_size != len) {
        mr_error_set(err, MR_ERR_IO, "\"%.300s\" is not what the task said", path);
    } else if (!mr_buffer_reserve(&bytes, (size_t)len + 1, err) &&
               !mr_file_read(fd, 0, bytes.data, (size_t)len, path, &got, err)) {
        *hash = mr_hash_xxh3_128(bytes.data, got);
        (void)!(got == len ? mr_blobs_adopt(blobs, path, *hash, err)
                           : mr_error_set(err, MR_ERR_IO, "\"%.300s\" shrank", path));
    }
    if (fd >= 0) {
        (void)close(fd); /* only read from */
        (void)unlink(path);
    }
    mr_buffer_fini(&bytes);
    if (!err->code) {
        errand->gifts[errand->gift_count++] = *hash;
        errand->has_gifts = true;
    }
    return err->code;
}

int mr_errand_report_turned(struct mr_errand *errand, struct mr_blobs *blobs,
                            struct mr_error *err) {
    const struct mr_orders_result *result = &errand->work.outcome.result;
    const struct mr_orders_task *order = &errand->work.order;
    struct mr_hash_128 state = {0};
    struct mr_hash_128 lines = {0};
    struct mr_buffer account = {0};
    char path[MR_ORDERS_PATH_MAX];
    if (!mr_orders_path(errand->job->dir, order, path, err) && result->bytes_out) {
        (void)!give_file(errand, blobs, path, result->bytes_out, &lines, err);
    } else if (!err->code) {
        (void)unlink(path); /* there were none */
    }
    if (!err->code && !mr_orders_next_path(errand->job->dir, order, path, err)) {
        if (result->sets_state && result->output_bytes) {
            (void)!give_file(errand, blobs, path, result->output_bytes, &state, err);
            errand->has_next_state = !err->code;
            errand->next_state = state;
        } else {
            (void)unlink(path); /* empty */
        }
    }
    if (result->sets_state && !result->output_bytes) { /* 0, 0: the turn set none */
        state = mr_hash_xxh3_128(NULL, 0);
    }
    if (!err->code && !put_account(errand, &account, err)) {
        struct mr_wire_turned message = {.job = errand->number,
                                         .attempt = errand->attempt,
                                         .pass = errand->pass,
                                         .again = result->again != 0,
                                         .state_len = result->output_bytes,
                                         .state_high = state.high,
                                         .state_low = state.low,
                                         .lines_len = result->bytes_out,
                                         .lines_high = lines.high,
                                         .lines_low = lines.low,
                                         .lines_records = result->records_out,
                                         .account = {account.data, account.len}};
        (void)!keep_report(errand, MR_WIRE_TURNED, &message, err);
    }
    mr_buffer_fini(&account);
    return err->code;
}
