/* account: what an attempt did, as numbers that a journal keeps. */
#include "lib/worker/account.h"

#include "lib/base/error.h"
#include "lib/base/intern.h"
#include <endian.h>
#include <stdlib.h>

#define VERSION 2
#define ROWS_OF_VERSION_1 18
#define COUNTER_NAME_MAX 65535

void mr_account_fini(struct mr_account *account) {
    free(account->counters.items);
    *account = (struct mr_account){0};
}

void mr_account_take(struct mr_account *account, const struct mr_orders_result *result,
                     enum mr_phase phase, bool is_part) {
    bool is_map = phase == MR_PHASE_MAP;
    account->records_read = result->records_read;
    account->records_mapped = result->records_mapped;
    account->records_skipped = result->records_skipped;
    account->bytes_read = result->bytes_read;
    account->emitted = result->emitted;
    account->combined = is_map ? result->combined : 0;
    account->merged = is_map ? 0 : result->combined;
    account->spilled = result->spilled;
    account->output_records = is_map ? result->output_records : 0;
    account->output_bytes = is_map ? result->output_bytes : 0;
    account->digest = is_map ? result->output_xxh3 : 0;
    account->pairs_reduced = result->pairs_reduced;
    account->groups = result->groups;
    account->groups_with_output = result->groups_with_output;
    account->groups_without_output = result->groups_without_output;
    account->records_out = result->records_out;
    account->bytes_out = result->bytes_out;
    account->part_bytes = is_part ? result->output_bytes : 0;
    account->part_xxh3 = is_part ? result->output_xxh3 : 0;
    account->read_us = result->read_us;
    account->wait_us = result->wait_us;
    account->map_us = is_map ? result->busy_us : 0;
    account->reduce_us = is_map ? 0 : result->busy_us;
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
    uint64_t version = get64(&input);
    bool is_known = version == 1 || version == VERSION;
    uint64_t attempt = get64(&input);
    unsigned row = 0;
    account->attempt = (uint32_t)attempt;
#define GET_MEMBER(name)                                                                           \
    if (version > 1 || row++ < ROWS_OF_VERSION_1) {                                                \
        account->name = get64(&input);                                                             \
    }
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
