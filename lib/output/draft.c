/* draft: values and trees of a manifest being built.
 *
 * Jansson keeps the order in which keys are set, so the text is as stable as the values. */
#include "lib/output/draft.h"

#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/base/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mr_draft_put(struct mr_draft *draft, json_t *object, const char *key, json_t *value) {
    if (!mr_draft_is_utf8(key)) {
        draft->is_foreign = true;
        json_decref(value);
    } else if (json_object_set_new(object, key, value) != 0) {
        draft->is_short = true;
    }
}

void mr_draft_append(struct mr_draft *draft, json_t *array, json_t *value) {
    if (json_array_append_new(array, value) != 0) {
        draft->is_short = true;
    }
}

/* ---- values ---- */

json_t *mr_draft_u64(uint64_t value) {
    if (value <= INT64_MAX) {
        return json_integer((json_int_t)value);
    }
    char digits[MR_NUMBER_TEXT_MAX];
    return json_stringn(digits, mr_number_put_u64(digits, value));
}

json_t *mr_draft_xxh3(uint64_t value) {
    char digits[MR_DRAFT_XXH3_DIGITS + 1];
    snprintf(digits, sizeof digits, "%016" PRIx64, value);
    return json_string(digits);
}

json_t *mr_draft_seconds(double seconds) {
    return json_real(isfinite(seconds) ? seconds : 0);
}

/* How many bytes of UTF-8 the text begins with make one character; 0: none do (Unicode, table 3-7).
 */
static size_t character_len(const unsigned char *text) {
    unsigned char lead = text[0];
    if (lead < 0x80) {
        return 1;
    }
    size_t len = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    unsigned char least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    for (size_t i = 1; i < len; i++) { /* stops at the terminator too */
        if (text[i] < least || text[i] > most) {
            return 0;
        }
        least = 0x80;
        most = 0xbf;
    }
    return len;
}

bool mr_draft_is_utf8(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    size_t len = 1;
    while (*at && len > 0) {
        len = character_len(at);
        at += len;
    }
    return len > 0;
}

/* Text as JSON has it; of other bytes, which names of files may hold, the hex digits. */
json_t *mr_draft_text(struct mr_draft *draft, const char *text) {
    if (mr_draft_is_utf8(text)) {
        return json_string(text);
    }
    size_t len = strlen(text);
    char *hex = malloc(2 * len + 1);
    if (!hex) {
        return NULL;
    }
    for (size_t i = 0; i < len; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)text[i]);
    }
    json_t *object = json_object();
    mr_draft_put(draft, object, "hex", json_string(hex));
    free(hex);
    return object;
}

/* "2026-01-02T03:04:05.678901234Z" */
json_t *mr_draft_time(const struct timespec *time) {
    struct tm parts;
    char date[64];
    char text[96];
    if (!gmtime_r(&time->tv_sec, &parts)) {
        return json_null();
    }
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, sizeof text, "%s.%09ldZ", date, time->tv_nsec);
    return json_string(text);
}

/* ---- text ---- */

/* Where the text grows. */
struct text {
    struct mr_buffer buffer;
    struct mr_error err;
};

static int append_text(const char *data, size_t len, void *arg) {
    struct text *text = arg;
    return mr_buffer_append(&text->buffer, data, len, &text->err);
}

static int print(const json_t *root, size_t flags, char **json, struct mr_error *err) {
    struct text text = {0};
    int status = json_dump_callback(root, append_text, &text, flags | JSON_REAL_PRECISION(9));
    /* Of a key that could not be written Jansson doesn't tell: what we know counts too. */
    if (status != 0 || text.err.code || append_text("\n", 2, &text) != 0) { /* with the zero */
        mr_buffer_fini(&text.buffer);
        return mr_error_nomem(err, "writing the manifest");
    }
    *json = text.buffer.data;
    return MR_OK;
}

int mr_draft_print(const struct mr_draft *draft, const json_t *root, size_t flags, char **json,
                   struct mr_error *err) {
    if (draft->is_short) {
        return mr_error_nomem(err, "writing the manifest");
    }
    if (draft->is_foreign) {
        return mr_error_set(err, MR_ERR_JOB,
                            "a parameter, fact or counter of job \"%.60s\" has a"
                            " name that is not UTF-8",
                            draft->job);
    }
    return print(root, flags, json, err);
}
