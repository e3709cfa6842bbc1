/* notes: what the master keeps in its journal besides the scheduler's events. */
#include "master/shell/notes.h"

#include "lib/base/check.h"
#include "lib/base/error.h"
#include <endian.h>
#include <stdio.h>
#include <string.h>

int mr_notes_put_numbers(struct mr_journal *journal, uint32_t job, enum mr_notes_kind kind,
                         uint64_t key, const uint64_t *numbers, size_t count,
                         struct mr_error *err) {
    uint64_t bytes[MR_NOTES_NUMBERS_MAX];
    MR_CHECK(count <= MR_NOTES_NUMBERS_MAX);
    for (size_t i = 0; i < count; i++) {
        bytes[i] = htole64(numbers[i]);
    }
    return mr_journal_put(journal, job, (uint32_t)kind, key, bytes, count * sizeof *bytes, err);
}

bool mr_notes_get_numbers(const struct mr_journal *journal, uint32_t job, enum mr_notes_kind kind,
                          uint64_t key, uint64_t *numbers, size_t count) {
    const struct mr_fact *fact = mr_journal_find(journal, job, (uint32_t)kind, key);
    if (!fact || fact->len != count * sizeof *numbers) {
        return false;
    }
    memcpy(numbers, fact->bytes, fact->len);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = le64toh(numbers[i]);
    }
    return true;
}

const char *mr_notes_text(const struct mr_journal *journal, uint32_t job, enum mr_notes_kind kind,
                          uint64_t key) {
    const struct mr_fact *fact = mr_journal_find(journal, job, (uint32_t)kind, key);
    return fact ? fact->bytes : NULL;
}

/* Of "ERR_IO". */
static int status_of(const char *name, size_t len) {
    for (int status = 0; status > -64; status--) {
        const char *known = mr_error_name(status);
        if (known && strlen(known) == len && strncmp(known, name, len) == 0) {
            return status;
        }
    }
    return MR_ERR_INTERNAL;
}

int mr_notes_put_error(struct mr_journal *journal, uint32_t job, enum mr_notes_kind kind,
                       const struct mr_error *why, struct mr_error *err) {
    struct mr_buffer text = {0};
    if (!mr_buffer_printf(&text, err, "%s\n%s", mr_error_name(why->code), why->text)) {
        (void)!mr_journal_put(journal, job, (uint32_t)kind, 0, text.data, text.len, err);
    }
    mr_buffer_fini(&text);
    return err->code;
}

bool mr_notes_get_error(const struct mr_journal *journal, uint32_t job, enum mr_notes_kind kind,
                        struct mr_error *why) {
    const char *text = mr_notes_text(journal, job, kind, 0);
    const char *words = text ? strchr(text, '\n') : NULL;
    if (words) {
        int status = status_of(text, (size_t)(words - text));
        why->code = status;
        snprintf(why->text, sizeof why->text, "%s", words + 1);
    }
    return words != NULL;
}

int mr_notes_put_account(struct mr_journal *journal, uint32_t job, enum mr_notes_kind kind,
                         uint64_t key, const struct mr_account *account, struct mr_error *err) {
    struct mr_buffer bytes = {0};
    if (!mr_account_put(account, &bytes, err)) {
        (void)!mr_journal_put(journal, job, (uint32_t)kind, key, bytes.data, bytes.len, err);
    }
    mr_buffer_fini(&bytes);
    return err->code;
}

int mr_notes_get_account(const struct mr_journal *journal, uint32_t job, enum mr_notes_kind kind,
                         uint64_t key, struct mr_account *account, bool *is_there,
                         struct mr_error *err) {
    const struct mr_fact *fact = mr_journal_find(journal, job, (uint32_t)kind, key);
    *account = (struct mr_account){0};
    *is_there = fact != NULL;
    return fact ? mr_account_get(account, fact->bytes, fact->len, err) : MR_OK;
}

const struct mr_fact *mr_notes_first(const struct mr_journal *journal, uint32_t job,
                                     enum mr_notes_kind kind, size_t *count) {
    return mr_journal_some(journal, job, (uint32_t)kind, count);
}
