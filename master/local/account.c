/* account: what an attempt did, as numbers that a journal keeps. */
#include "master/local/account.h"

#include "lib/base/error.h"
#include "lib/base/intern.h"
#include <endian.h>
#include <stdlib.h>

#define VERSION 1
#define COUNTER_NAME_MAX 65535

void mr_account_fini(struct mr_account *account) {
    free(account->counters.items);
    *account = (struct mr_account){0};
}

/* Adds to a counter by a name of `len` bytes. */
static int count(struct mr_account *account, const char *name, size_t len, uint64_t value,
                 struct mr_error *err) {
    for (size_t i = 0; i < account->counters.count; i++) {
        const char *known = account->counters.items[i].name;
        if (strncmp(known, name, len) == 0 && known[len] == '\0') {
            account->counters.items[i].value += value;
            return MR_OK;
        }
    }
    char *copy = strndup(name, len);
    const char *kept = copy ? mr_intern(copy) : NULL;
    free(copy);
    return kept ? mr_context_counters_add(&account->counters, kept, value, err)
                : mr_error_nomem(err, "adding a counter");
}

int mr_account_count(struct mr_account *account, const struct mr_counters *counters,
                     struct mr_error *err) {
    for (size_t i = 0; i < counters->count && !err->code; i++) {
        const struct mr_run_counter *counter = &counters->items[i];
        (void)!count(account, counter->name, strlen(counter->name), counter->value, err);
    }
    return err->code;
}

int mr_account_add(struct mr_account *sum, const struct mr_account *account, struct mr_error *err) {
#define ADD_MEMBER(name) sum->name += account->name;
    MR_ACCOUNT_TABLE(ADD_MEMBER)
#undef ADD_MEMBER
    return mr_account_count(sum, &account->counters, err);
}

static void put64(struct mr_buffer *bytes, uint64_t value, struct mr_error *err) {
    value = htole64(value);
    (void)!mr_buffer_append(bytes, &value, sizeof value, err);
}

int mr_account_put(const struct mr_account *account, struct mr_buffer *bytes,
                   struct mr_error *err) {
    put64(bytes, VERSION, err);
    put64(bytes, account->attempt, err);
#define PUT_MEMBER(name) put64(bytes, account->name, err);
    MR_ACCOUNT_TABLE(PUT_MEMBER)
#undef PUT_MEMBER
    put64(bytes, account->counters.count, err);
    for (size_t i = 0; i < account->counters.count && !err->code; i++) {
        const struct mr_run_counter *counter = &account->counters.items[i];
        size_t len = strlen(counter->name);
        len = len > COUNTER_NAME_MAX ? COUNTER_NAME_MAX : len;
        put64(bytes, counter->value, err);
        put64(bytes, len, err);
        (void)!mr_buffer_append(bytes, counter->name, len, err);
    }
    return err->code;
}

/* What is left to read. */
struct input {
    const char *at;
    const char *end;
    bool is_bad;
};

static uint64_t get64(struct input *input) {
    uint64_t value = 0;
    if ((size_t)(input->end - input->at) < sizeof value) {
        input->is_bad = true;
        return 0;
    }
    memcpy(&value, input->at, sizeof value);
    input->at += sizeof value;
    return le64toh(value);
}

static void get_counters(struct mr_account *account, struct input *input, struct mr_error *err) {
    uint64_t left = get64(input);
    for (; left > 0 && !input->is_bad && !err->code; left--) {
        uint64_t value = get64(input);
        uint64_t len = get64(input);
        if (input->is_bad || len > COUNTER_NAME_MAX || len > (size_t)(input->end - input->at) ||
            memchr(input->at, '\0', (size_t)len)) {
            input->is_bad = true;
            return;
        }
        (void)!count(account, input->at, (size_t)len, value, err);
        input->at += len;
    }
}

int mr_account_get(struct mr_account *account, const void *bytes, size_t len,
                   struct mr_error *err) {
    struct input input = {.at = bytes, .end = (const char *)bytes + len};
    *account = (struct mr_account){0};
    bool is_known = get64(&input) == VERSION;
    uint64_t attempt = get64(&input);
    account->attempt = (uint32_t)attempt;
#define GET_MEMBER(name) account->name = get64(&input);
    MR_ACCOUNT_TABLE(GET_MEMBER)
#undef GET_MEMBER
    get_counters(account, &input, err);
    if (!err->code &&
        (!is_known || attempt > UINT32_MAX || input.is_bad || input.at != input.end)) {
        mr_error_set(err, MR_ERR_INPUT, "the account of an attempt is damaged");
    }
    if (err->code) {
        mr_account_fini(account);
    }
    return err->code;
}

void mr_account_keep_books(const struct mr_account *sum, struct mr_books *books) {
    *books = (struct mr_books){.map = {.records_read = sum->records_read,
                                       .records_mapped = sum->records_mapped,
                                       .bytes = sum->bytes_read},
                               .reduce = {.pairs_reduced = sum->pairs_reduced,
                                          .groups = sum->groups,
                                          .groups_with_output = sum->groups_with_output,
                                          .groups_without_output = sum->groups_without_output,
                                          .records_out = sum->records_out,
                                          .bytes_out = sum->bytes_out},
                               .emitted = sum->emitted,
                               .combined = sum->combined + sum->merged,
                               .shuffled = sum->output_records - sum->merged,
                               .run_bytes = sum->output_bytes,
                               .bytes_spilled = sum->spilled,
                               .counters = sum->counters};
}
