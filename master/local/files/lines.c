/* lines: what a loop's turns have emitted so far, in a journal, and the part that becomes of it. */
#include "master/local/files/lines.h"

#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/hash.h"
#include "master/local/common/books.h"
#include "master/local/common/outlet.h"
#include "master/local/files/numbers.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GATHER_MAX ((size_t)64 << 10)
#define SEGMENT "segment-%" PRIu64
#define ATTEMPT 1 /* a loop's part is written once, or anew */

static int get_sum(const struct mr_ledger *ledger, struct mr_account *sum, struct mr_error *err) {
    bool is_there;
    return mr_ledger_get(ledger, MR_LEDGER_LOOP, 0, 0, sum, &is_there, err);
}

/* ---- a turn's lines ---------------------------------------------------------------------------
 */

/* All lines that are noted one by one. */
static int gather(const struct mr_ledger *ledger, struct mr_buffer *text, struct mr_error *err) {
    size_t count;
    const struct mr_fact *facts = mr_ledger_all(ledger, MR_LEDGER_LINES, &count);
    for (size_t i = 0; i < count && !err->code; i++) {
        (void)!mr_buffer_append(text, facts[i].bytes, facts[i].len, err);
    }
    return err->code;
}

static size_t measure(const struct mr_ledger *ledger) {
    size_t len = 0;
    size_t count;
    const struct mr_fact *facts = mr_ledger_all(ledger, MR_LEDGER_LINES, &count);
    for (size_t i = 0; i < count; i++) {
        len += facts[i].len;
    }
    return len;
}

static int write_file(const struct mr_ledger *ledger, uint64_t pass, struct mr_bytes text,
                      struct mr_error *err) {
    struct mr_buffer path = {0};
    int fd = -1;
    if (mr_buffer_printf(&path, err, "%s/" SEGMENT, ledger->dir, pass)) {
        return err->code;
    }
    fd = open(path.data, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        mr_error_errno(err, MR_ERR_IO, errno, "make \"%s\"", path.data);
    } else {
        struct mr_error closing = {0};
        (void)!mr_file_write(fd, text.data, text.len, path.data, err);
        if (mr_file_close(&fd, path.data, &closing) && !err->code) {
            *err = closing;
        }
    }
    (void)!(err->code ? err->code : mr_ledger_sync(ledger, path.data, err));
    mr_buffer_fini(&path);
    return err->code;
}

/* Puts the lines so far, and these, in a file. */
static int note_segment(struct mr_ledger *ledger, uint64_t pass, struct mr_bytes lines,
                        struct mr_error *err) {
    struct mr_buffer text = {0};
    struct mr_buffer bytes = {0};
    if (!gather(ledger, &text, err) && !mr_buffer_append(&text, lines.data, lines.len, err)) {
        struct mr_bytes all = {text.data, text.len};
        const uint64_t numbers[] = {all.len, mr_hash_xxh3(all.data, all.len)};
        if (!write_file(ledger, pass, all, err) && !mr_numbers_put(&bytes, numbers, 2, err) &&
            !mr_ledger_note(ledger, MR_LEDGER_SEGMENT, pass, bytes.data, bytes.len, err)) {
            (void)!mr_ledger_forget(ledger, MR_LEDGER_LINES, err);
        }
    }
    mr_buffer_fini(&bytes);
    mr_buffer_fini(&text);
    return err->code;
}

static int note_sum(struct mr_ledger *ledger, const struct mr_loop *loop, uint64_t records,
                    size_t more, struct mr_error *err) {
    struct mr_account before;
    struct mr_account sum = {0};
    if (get_sum(ledger, &before, err)) {
        return err->code;
    }
    sum.records_out = records;
    sum.bytes_out = before.bytes_out + more;
    if (!mr_account_count(&sum, mr_loop_counters(loop), err)) {
        (void)!mr_ledger_put(ledger, MR_LEDGER_LOOP, 0, 0, &sum, err);
    }
    mr_account_fini(&sum);
    mr_account_fini(&before);
    return err->code;
}

int mr_lines_note(struct mr_ledger *ledger, struct mr_loop *loop, uint64_t pass,
                  struct mr_error *err) {
    uint64_t records;
    struct mr_bytes lines = mr_loop_take_lines(loop, &records);
    if (lines.len && measure(ledger) + lines.len >= GATHER_MAX) {
        (void)!note_segment(ledger, pass, lines, err);
    } else if (lines.len) {
        (void)!mr_ledger_note(ledger, MR_LEDGER_LINES, pass, lines.data, lines.len, err);
    }
    return err->code ? err->code : note_sum(ledger, loop, records, lines.len, err);
}

bool mr_lines_needs(const struct mr_ledger *ledger, const char *name) {
    uint64_t pass;
    return sscanf(name, SEGMENT, &pass) == 1 && mr_ledger_find(ledger, MR_LEDGER_SEGMENT, pass);
}

/* ---- the part ---------------------------------------------------------------------------------
 */

static int read_segment(const struct mr_ledger *ledger, const struct mr_fact *fact,
                        struct mr_buffer *text, struct mr_error *err) {
    uint64_t numbers[2];
    struct mr_bytes rest;
    struct mr_buffer path = {0};
    size_t got = 0;
    int fd = -1;
    text->len = 0;
    if (!mr_numbers_get(fact, numbers, 2, &rest)) {
        return mr_error_set(err, MR_ERR_INPUT, "the journal's lines of the loop are damaged");
    }
    if (mr_buffer_printf(&path, err, "%s/" SEGMENT, ledger->dir, fact->key) ||
        mr_buffer_reserve(text, numbers[0], err)) {
        mr_buffer_fini(&path);
        return err->code;
    }
    struct mr_error why = {0};
    fd = open(path.data, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || mr_file_read(fd, 0, text->data, numbers[0], path.data, &got, &why) ||
        got != numbers[0] || mr_hash_xxh3(text->data, got) != numbers[1]) {
        mr_error_set(err, MR_ERR_INPUT,
                     "lines of the loop are gone or damaged: \"%s\" is not as it was written",
                     path.data);
    }
    text->len = got;
    if (fd >= 0) {
        (void)close(fd); /* only read from */
    }
    mr_buffer_fini(&path);
    return err->code;
}

static int write_all(const struct mr_ledger *ledger, struct mr_outlet *outlet,
                     struct mr_error *err) {
    struct mr_buffer text = {0};
    size_t count;
    const struct mr_fact *facts = mr_ledger_all(ledger, MR_LEDGER_SEGMENT, &count);
    for (size_t i = 0; i < count && !err->code; i++) {
        if (!read_segment(ledger, &facts[i], &text, err)) {
            (void)!mr_part_write(&outlet->part, text.data, text.len, err);
        }
    }
    text.len = 0;
    if (!err->code && !gather(ledger, &text, err) && text.len) {
        (void)!mr_part_write(&outlet->part, text.data, text.len, err);
    }
    mr_buffer_fini(&text);
    return err->code;
}

int mr_lines_write_part(struct mr_ledger *ledger, struct mr_commit *commit,
                        struct mr_run_result *result, struct mr_error *err) {
    struct mr_outlet outlet = MR_OUTLET_CLOSED;
    struct mr_outlet_source to = {.commit = commit, .output_fd = -1};
    struct mr_account sum = {0};
    if (!get_sum(ledger, &sum, err) && !mr_commit_discard(commit, 0, ATTEMPT, err) &&
        !mr_outlet_open(&outlet, &to, 0, ATTEMPT, err) && !write_all(ledger, &outlet, err) &&
        !mr_outlet_finish(&outlet, sum.records_out, &result->parts[0], err)) {
        sum.attempt = ATTEMPT;
        sum.part_bytes = result->parts[0].bytes;
        sum.part_xxh3 = result->parts[0].xxh3;
        (void)!(mr_commit_sync(commit, err)
                    ? err->code
                    : mr_ledger_put(ledger, MR_LEDGER_LOOP, 0, 0, &sum, err));
    }
    (void)!mr_outlet_close(&outlet, err);
    mr_account_fini(&sum);
    return err->code;
}

int mr_lines_check_part(const struct mr_ledger *ledger, const struct mr_commit *commit,
                        bool *is_whole, struct mr_error *err) {
    struct mr_account sum;
    *is_whole = false;
    if (!get_sum(ledger, &sum, err)) {
        struct mr_run_part part = {sum.records_out, sum.part_bytes, sum.part_xxh3};
        (void)!mr_commit_check(commit, 0, ATTEMPT, &part, is_whole, err);
    }
    mr_account_fini(&sum);
    return err->code;
}

int mr_lines_report(const struct mr_ledger *ledger, struct mr_run_result *result,
                    struct mr_error *err) {
    struct mr_account sum;
    if (!get_sum(ledger, &sum, err)) {
        result->parts[0] = (struct mr_run_part){sum.records_out, sum.part_bytes, sum.part_xxh3};
        result->output_records = sum.records_out;
        result->output_bytes = sum.bytes_out;
        (void)!mr_books_merge_counters(&sum.counters, result, err);
    }
    mr_account_fini(&sum);
    return err->code;
}
