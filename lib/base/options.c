/* options: reads a command line by a table of options. */
#include "lib/base/options.h"

#include "lib/base/error.h"
#include "lib/base/nearest.h"
#include "lib/base/number.h"

#include <string.h>

#define NAMES_MAX 128 /* names that an unknown option is compared with */

static int take_long(struct mr_options *options, const char *name, struct mr_error *err);
static int take_letters(struct mr_options *options, const char *letters, struct mr_error *err);

int mr_options_next(struct mr_options *options, const char **operand, struct mr_error *err) {
    while (*options->args) {
        const char *arg = *options->args++;
        int status;
        if (options->ended || arg[0] != '-' || arg[1] == '\0') {
            *operand = arg;
            return 1;
        }
        if (arg[1] != '-') {
            status = take_letters(options, arg + 1, err);
        } else if (arg[2] != '\0') {
            status = take_long(options, arg + 2, err);
        } else {
            options->ended = true;
            status = 0;
        }
        if (status) {
            return status;
        }
    }
    return 0;
}

size_t mr_options_count(const struct mr_option *rows) {
    size_t count = 0;
    while (rows && rows[count].name) {
        count++;
    }
    return count;
}

static const struct mr_option *find(const struct mr_option *rows, size_t count, const char *name,
                                    size_t len) {
    for (size_t i = 0; i < count; i++) {
        if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

const struct mr_option *mr_options_find(const struct mr_option *rows, size_t count,
                                        const char *name) {
    return find(rows, count, name, strlen(name));
}

const char *mr_options_choice(const char *choices, size_t *len) {
    *len = strcspn(choices, "|");
    return choices[*len] ? choices + *len + 1 : NULL;
}

/* The only option whose name begins with what was typed. */
static const char *find_by_prefix(const struct mr_options *options, const char *typed) {
    const char *found = NULL;
    for (size_t i = 0; i < options->count; i++) {
        if (strncmp(options->rows[i].name, typed, strlen(typed)) == 0) {
            if (found) {
                return NULL;
            }
            found = options->rows[i].name;
        }
    }
    return found;
}

static int fail_unknown(const struct mr_options *options, const char *typed, size_t len,
                        struct mr_error *err) {
    const char *names[NAMES_MAX];
    size_t count = options->count < NAMES_MAX ? options->count : NAMES_MAX;
    for (size_t i = 0; i < count; i++) {
        names[i] = options->rows[i].name;
    }
    char name[64];
    const char *near = NULL;
    if (len < sizeof name) {
        memcpy(name, typed, len);
        name[len] = '\0';
        near = mr_nearest(name, names, count);
        near = near ? near : find_by_prefix(options, name);
    }
    mr_error_set(err, MR_ERR_USAGE, "unknown option --%.*s", (int)(len < 200 ? len : 200), typed);
    return near ? mr_error_add(err, ": did you mean --%s?", near) : MR_ERR_USAGE;
}

static int check_choice(const struct mr_option *row, struct mr_option_value *value,
                        struct mr_error *err) {
    uint64_t index = 0;
    size_t len;
    for (const char *at = row->choices, *next; at; at = next, index++) {
        next = mr_options_choice(at, &len);
        if (strlen(value->text) == len && memcmp(at, value->text, len) == 0) {
            value->number = index;
            return 0;
        }
    }
    return mr_error_set(err, MR_ERR_USAGE, "--%s \"%s\" is none of %s", row->name, value->text,
                        row->choices);
}

static int check_bounds(const struct mr_option *row, const struct mr_option_value *value,
                        struct mr_error *err) {
    bool small = value->number < row->least;
    if (!small && (!row->most || value->number <= row->most)) {
        return 0;
    }
    uint64_t bound = small ? row->least : row->most;
    char text[MR_NUMBER_TEXT_MAX];
    if (row->kind == MR_OPTION_SIZE) {
        mr_number_put_size(text, sizeof text, bound);
    } else {
        text[mr_number_put_u64(text, bound)] = '\0';
    }
    return mr_error_set(err, MR_ERR_USAGE, "--%s %s is too %s: at %s %s", row->name, value->text,
                        small ? "small" : "large", small ? "least" : "most", text);
}

static int check(const struct mr_option *row, struct mr_option_value *value, struct mr_error *err) {
    switch (row->kind) {
    case MR_OPTION_CHOICE:
        return check_choice(row, value, err);
    case MR_OPTION_U64:
        if (!mr_number_read_u64(value->text, &value->number)) {
            return mr_error_set(err, MR_ERR_USAGE, "--%s \"%s\" is not a number", row->name,
                                value->text);
        }
        return check_bounds(row, value, err);
    case MR_OPTION_SIZE:
        if (!mr_number_read_size(value->text, &value->number)) {
            return mr_error_set(err, MR_ERR_USAGE,
                                "--%s \"%s\" is not a size: digits, then K, M, G or T (256M)",
                                row->name, value->text);
        }
        return check_bounds(row, value, err);
    case MR_OPTION_FLAG:
    case MR_OPTION_TEXT:
        break;
    }
    return 0;
}

/* `attached`: the value written in the same word, or NULL. */
static int take(struct mr_options *options, const struct mr_option *row, const char *attached,
                struct mr_error *err) {
    struct mr_option_value *value = &options->values[row - options->rows];
    if (row->kind == MR_OPTION_FLAG) {
        if (attached) {
            return mr_error_set(err, MR_ERR_USAGE, "--%s takes no value (\"%s\" was given)",
                                row->name, attached);
        }
        value->given = true;
        return 0;
    }
    if (!attached && !*options->args) {
        const char *metavar = row->metavar ? row->metavar : row->choices;
        return mr_error_set(err, MR_ERR_USAGE, "--%s needs a value: --%s %s", row->name, row->name,
                            metavar ? metavar : "VALUE");
    }
    value->text = attached ? attached : *options->args++;
    value->given = true;
    return check(row, value, err);
}

static int take_long(struct mr_options *options, const char *name, struct mr_error *err) {
    size_t len = strcspn(name, "=");
    const struct mr_option *row = find(options->rows, options->count, name, len);
    if (!row) {
        return fail_unknown(options, name, len, err);
    }
    return take(options, row, name[len] ? name + len + 1 : NULL, err);
}

static const struct mr_option *find_letter(const struct mr_options *options, char letter) {
    for (size_t i = 0; i < options->count; i++) {
        if (options->rows[i].letter == letter) {
            return &options->rows[i];
        }
    }
    return NULL;
}

static int take_letters(struct mr_options *options, const char *letters, struct mr_error *err) {
    const char *word = letters;
    /* -output is a slip for --output, never -o with the value "utput". */
    if (word[1] && find(options->rows, options->count, word, strcspn(word, "="))) {
        return mr_error_set(err, MR_ERR_USAGE, "unknown option -%s: did you mean --%s?", word,
                            word);
    }
    for (; *letters; letters++) {
        const struct mr_option *row = find_letter(options, *letters);
        if (!row) {
            return mr_error_set(err, MR_ERR_USAGE, "unknown option -%c%s%s%s", *letters,
                                word[1] ? " (in -" : "", word[1] ? word : "", word[1] ? ")" : "");
        }
        if (row->kind != MR_OPTION_FLAG) {
            return take(options, row, letters[1] ? letters + 1 : NULL, err);
        }
        int status = take(options, row, NULL, err);
        if (status) {
            return status;
        }
    }
    return 0;
}
