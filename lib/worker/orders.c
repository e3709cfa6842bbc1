/* orders: what an engine and its task process tell one another, in structs and as messages. */
#include "lib/worker/orders.h"

#include "lib/base/error.h"
#include "lib/net/message.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Sends a message that was put together, and releases it. */
static int send_message(struct mr_channel *channel, enum mr_channel_kind kind,
                        struct mr_message *message, struct mr_error *err) {
    struct mr_bytes body;
    if (!mr_message_body(message, &body, err)) {
        (void)!mr_channel_send(channel, kind, body, err);
    }
    mr_message_destroy(message);
    return err->code;
}

int mr_orders_send_job(struct mr_channel *channel, const struct mr_orders_job *job,
                       struct mr_error *err) {
    struct mr_message *message = mr_message_create();
    mr_message_put_text(message, job->id);
    mr_message_put_text(message, job->job);
    mr_message_put_u64(message, job->files_xxh3);
    mr_message_put_u64(message, job->rounds);
    mr_message_put_u64(message, job->verbose);
    mr_message_put_text(message, job->scratch);
#define PUT_MEMORY(name) mr_message_put_u64(message, job->memory.name);
    MR_ORDERS_MEMORY_TABLE(PUT_MEMORY)
    mr_message_put_u64(message, job->param_count);
    for (size_t i = 0; i < job->param_count; i++) {
        mr_message_put_text(message, job->params[i].name);
        mr_message_put_text(message, job->params[i].value);
    }
    return send_message(channel, MR_CHANNEL_JOB, message, err);
}

static void put_input(struct mr_message *message, const struct mr_input *input) {
    mr_message_put_text(message, input->path);
    mr_message_put_u64(message, (uint64_t)input->kind);
    mr_message_put_u64(message, input->size);
    mr_message_put_u64(message, (uint64_t)input->mtime.tv_sec);
    mr_message_put_u64(message, (uint64_t)input->mtime.tv_nsec);
    mr_message_put_u64(message, (uint64_t)input->dev);
    mr_message_put_u64(message, (uint64_t)input->ino);
}

int mr_orders_send_task(struct mr_channel *channel, const struct mr_orders_task *task,
                        struct mr_error *err) {
    struct mr_message *message = mr_message_create();
    mr_message_put_u64(message, task->round);
    mr_message_put_u64(message, task->task);
    mr_message_put_u64(message, task->attempt);
    mr_message_put_u64(message, task->partitions);
    mr_message_put_u64(message, task->is_last);
    mr_message_put_text(message, task->output);
    put_input(message, &task->input);
    mr_message_put_u64(message, task->split.begin);
    mr_message_put_u64(message, task->split.end);
    mr_message_put_u64(message, task->pass);
    mr_message_put_u64(message, task->state_len);
    mr_message_put_u64(message, task->state_xxh3[0]);
    mr_message_put_u64(message, task->state_xxh3[1]);
    mr_message_put_u64(message, task->care_block);
    mr_message_put_bytes(message, (struct mr_bytes){(const char *)task->winners,
                                                    task->winner_count * sizeof *task->winners});
    mr_message_put_bytes(message, (struct mr_bytes){(const char *)task->skips,
                                                    task->skip_count * sizeof *task->skips});
    static const enum mr_channel_kind kinds[] = {[MR_PHASE_MAP] = MR_CHANNEL_MAP,
                                                 [MR_PHASE_REDUCE] = MR_CHANNEL_REDUCE,
                                                 [MR_PHASE_LOOP] = MR_CHANNEL_TURN};
    return send_message(channel, kinds[task->phase], message, err);
}

int mr_orders_send_result(struct mr_channel *channel, const struct mr_orders_result *result,
                          struct mr_error *err) {
    struct mr_message *message = mr_message_create();
#define PUT_RESULT(name) mr_message_put_u64(message, result->name);
    MR_ORDERS_RESULT_TABLE(PUT_RESULT)
    return send_message(channel, MR_CHANNEL_DONE, message, err);
}

int mr_orders_send_counter(struct mr_channel *channel, const char *name, uint64_t value,
                           struct mr_error *err) {
    struct mr_message *message = mr_message_create();
    mr_message_put_text(message, name);
    mr_message_put_u64(message, value);
    return send_message(channel, MR_CHANNEL_COUNTER, message, err);
}

int mr_orders_send_skipped(struct mr_channel *channel, const struct mr_orders_skipped *skipped,
                           struct mr_error *err) {
    struct mr_message *message = mr_message_create();
    struct mr_bytes shown = skipped->record;
    shown.len = shown.len < MR_ORDERS_SKIPPED_SHOWN ? shown.len : MR_ORDERS_SKIPPED_SHOWN;
    mr_message_put_u64(message, skipped->offset);
    mr_message_put_u64(message, skipped->len);
    mr_message_put_bytes(message, shown);
    return send_message(channel, MR_CHANNEL_SKIPPED, message, err);
}

int mr_orders_send_failure(struct mr_channel *channel, const struct mr_error *failure,
                           const struct mr_orders_lost *lost, struct mr_error *err) {
    struct mr_message *message = mr_message_create();
    mr_message_put_u64(message, (uint64_t)-failure->code);
    mr_message_put_text(message, failure->text);
    mr_message_put_u64(message, lost->is_known);
    mr_message_put_u64(message, lost->task);
    mr_message_put_u64(message, lost->attempt);
    return send_message(channel, MR_CHANNEL_FAILED, message, err);
}

/* ---- reading ----------------------------------------------------------------------------------*/

void mr_orders_release(struct mr_orders_held *held) {
    mr_message_close(held->reader);
    free(held->rows);
    *held = (struct mr_orders_held){0};
}

/* A number that must be small: one that isn't is remembered as wrong. */
static uint32_t get_u32(struct mr_message_reader *reader, bool *is_wrong) {
    uint64_t value = mr_message_u64(reader);
    *is_wrong |= value > UINT32_MAX;
    return (uint32_t)value;
}

static int check_end(struct mr_message_reader *reader, bool is_wrong, struct mr_error *err) {
    if (!mr_message_end(reader, err) && is_wrong) {
        mr_error_set(err, MR_ERR_IO, "a control message is malformed: a value is out of bounds");
    }
    return err->code;
}

/* Opens a body; what is handed out of it is held. */
static struct mr_message_reader *hold(struct mr_bytes body, struct mr_orders_held *held,
                                      struct mr_error *err) {
    struct mr_message_reader *reader = NULL;
    *held = (struct mr_orders_held){0};
    if (mr_message_open(body, &reader, err)) {
        return NULL;
    }
    held->reader = reader;
    return reader;
}

/* Takes a count of rows, of so many values each, and room for them. */
static size_t get_count(struct mr_message_reader *reader, size_t values, size_t row_bytes,
                        struct mr_orders_held *held, bool *is_wrong, struct mr_error *err) {
    uint64_t count = mr_message_u64(reader);
    if (count > mr_message_left(reader) / values) {
        *is_wrong = true;
        return 0;
    }
    held->rows = calloc((size_t)count + 1, row_bytes);
    if (!held->rows) {
        mr_error_nomem(err, "reading a control message");
    }
    return held->rows ? (size_t)count : 0;
}

int mr_orders_read_job(struct mr_bytes body, struct mr_orders_job *job, struct mr_orders_held *held,
                       struct mr_error *err) {
    bool is_wrong = false;
    struct mr_message_reader *reader = hold(body, held, err);
    if (!reader) {
        return err->code;
    }
    job->id = mr_message_text(reader);
    job->job = mr_message_text(reader);
    job->files_xxh3 = mr_message_u64(reader);
    job->rounds = get_u32(reader, &is_wrong);
    job->verbose = mr_message_u64(reader) != 0;
    job->scratch = mr_message_text(reader);
#define GET_MEMORY(name) job->memory.name = mr_message_u64(reader);
    MR_ORDERS_MEMORY_TABLE(GET_MEMORY)
    job->param_count = get_count(reader, 2, sizeof *job->params, held, &is_wrong, err);
    job->params = held->rows;
    for (size_t i = 0; i < job->param_count; i++) {
        job->params[i].name = mr_message_text(reader);
        job->params[i].value = mr_message_text(reader);
        is_wrong |= !job->params[i].name;
    }
    is_wrong |= !job->job || !job->scratch || !job->id || strlen(job->id) != MR_ORDERS_ID_LEN;
    return check_end(reader, is_wrong, err);
}

static void get_input(struct mr_message_reader *reader, struct mr_input *input) {
    input->path = (char *)(uintptr_t)mr_message_text(reader); /* only read */
    input->kind = (enum mr_input_kind)mr_message_u64(reader);
    input->size = mr_message_u64(reader);
    input->mtime.tv_sec = (time_t)mr_message_u64(reader);
    input->mtime.tv_nsec = (long)mr_message_u64(reader);
    input->dev = (dev_t)mr_message_u64(reader);
    input->ino = (ino_t)mr_message_u64(reader);
}

/* Copies rows of numbers to where they are aligned. */
static int align(struct mr_orders_task *task, struct mr_bytes winners, struct mr_bytes skips,
                 struct mr_orders_held *held, struct mr_error *err) {
    char *rows = malloc(skips.len + winners.len + 1);
    if (!rows) {
        return mr_error_nomem(err, "reading a control message");
    }
    held->rows = rows;
    memcpy(rows, skips.data ? skips.data : "", skips.len);
    memcpy(rows + skips.len, winners.data ? winners.data : "", winners.len);
    task->skips = (const uint64_t *)(const void *)rows;
    task->winners = (const uint32_t *)(const void *)(rows + skips.len);
    return MR_OK;
}

int mr_orders_read_task(struct mr_bytes body, struct mr_orders_task *task,
                        struct mr_orders_held *held, struct mr_error *err) {
    bool is_wrong = false;
    struct mr_message_reader *reader = hold(body, held, err);
    if (!reader) {
        return err->code;
    }
    task->round = get_u32(reader, &is_wrong);
    task->task = get_u32(reader, &is_wrong);
    task->attempt = get_u32(reader, &is_wrong);
    task->partitions = get_u32(reader, &is_wrong);
    task->is_last = mr_message_u64(reader) != 0;
    task->output = mr_message_text(reader);
    get_input(reader, &task->input);
    task->split.begin = mr_message_u64(reader);
    task->split.end = mr_message_u64(reader);
    task->pass = mr_message_u64(reader);
    task->state_len = mr_message_u64(reader);
    task->state_xxh3[0] = mr_message_u64(reader);
    task->state_xxh3[1] = mr_message_u64(reader);
    task->care_block = mr_message_u64(reader);
    struct mr_bytes winners = mr_message_bytes(reader);
    struct mr_bytes skips = mr_message_bytes(reader);
    task->winner_count = winners.len / sizeof *task->winners;
    task->skip_count = skips.len / sizeof *task->skips;
    is_wrong |= winners.len % sizeof *task->winners != 0 || skips.len % sizeof *task->skips != 0 ||
                task->partitions == 0;
    return check_end(reader, is_wrong, err) ? err->code : align(task, winners, skips, held, err);
}

int mr_orders_read_counter(struct mr_bytes body, const char **name, uint64_t *value,
                           struct mr_orders_held *held, struct mr_error *err) {
    struct mr_message_reader *reader = hold(body, held, err);
    if (!reader) {
        return err->code;
    }
    *name = mr_message_text(reader);
    *value = mr_message_u64(reader);
    return check_end(reader, !*name, err);
}

int mr_orders_read_skipped(struct mr_bytes body, struct mr_orders_skipped *skipped,
                           struct mr_orders_held *held, struct mr_error *err) {
    struct mr_message_reader *reader = hold(body, held, err);
    if (!reader) {
        return err->code;
    }
    skipped->offset = mr_message_u64(reader);
    skipped->len = mr_message_u64(reader);
    skipped->record = mr_message_bytes(reader);
    return check_end(reader, false, err);
}

int mr_orders_read_result(struct mr_bytes body, struct mr_orders_result *result,
                          struct mr_error *err) {
    struct mr_message_reader *reader = NULL;
    if (mr_message_open(body, &reader, err)) {
        return err->code;
    }
#define GET_RESULT(name) result->name = mr_message_u64(reader);
    MR_ORDERS_RESULT_TABLE(GET_RESULT)
    (void)!mr_message_end(reader, err);
    mr_message_close(reader);
    return err->code;
}

int mr_orders_read_failure(struct mr_bytes body, struct mr_error *failure,
                           struct mr_orders_lost *lost, struct mr_error *err) {
    struct mr_message_reader *reader = NULL;
    bool is_wrong = false;
    if (mr_message_open(body, &reader, err)) {
        return err->code;
    }
    uint64_t code = mr_message_u64(reader);
    const char *text = mr_message_text(reader);
    lost->is_known = mr_message_u64(reader) != 0;
    lost->task = get_u32(reader, &is_wrong);
    lost->attempt = get_u32(reader, &is_wrong);
    if (!check_end(reader, is_wrong || !text || code == 0 || code > 99, err)) {
        *failure = (struct mr_error){.code = -(int)code};
        snprintf(failure->text, sizeof failure->text, "%s", text);
    }
    mr_message_close(reader);
    return err->code;
}

__attribute__((format(printf, 3, 4))) static int make_path(char path[MR_ORDERS_PATH_MAX],
                                                           struct mr_error *err, const char *format,
                                                           ...) {
    va_list args;
    va_start(args, format);
    int len = vsnprintf(path, MR_ORDERS_PATH_MAX, format, args);
    va_end(args);
    return len < MR_ORDERS_PATH_MAX
               ? MR_OK
               : mr_error_set(err, MR_ERR_USAGE, "the path of the scratch directory is too long");
}

int mr_orders_path(const char *scratch, const struct mr_orders_task *task,
                   char path[MR_ORDERS_PATH_MAX], struct mr_error *err) {
    static const char *const names[] = {"map", "pairs", "lines"};
    char pass[32] = "";
    if (task->pass) {
        snprintf(pass, sizeof pass, "%" PRIu64 "-", task->pass);
    }
    return make_path(path, err, "%s/%s-%s%u-%u-%u", scratch, names[task->phase], pass, task->round,
                     task->task, task->attempt);
}

int mr_orders_state_path(const char *scratch, const struct mr_orders_task *task,
                         char path[MR_ORDERS_PATH_MAX], struct mr_error *err) {
    return make_path(path, err, "%s/state-%016" PRIx64 "%016" PRIx64, scratch, task->state_xxh3[0],
                     task->state_xxh3[1]);
}

int mr_orders_next_path(const char *scratch, const struct mr_orders_task *task,
                        char path[MR_ORDERS_PATH_MAX], struct mr_error *err) {
    return make_path(path, err, "%s/next-%" PRIu64 "-%u", scratch, task->pass, task->attempt);
}

static unsigned digit(char c) {
    return c >= 'a' ? (unsigned)(c - 'a') + 10 : (unsigned)(c - '0');
}

void mr_orders_id_bytes(const char *id, unsigned char bytes[MR_ORDERS_ID_LEN / 2]) {
    for (size_t i = 0; i < MR_ORDERS_ID_LEN / 2; i++) {
        bytes[i] = (unsigned char)((digit(id[2 * i]) << 4 | digit(id[2 * i + 1])) & 0xFF);
    }
}
