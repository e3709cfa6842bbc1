/* options: reads a command line by a table of options. */
#ifndef MR_BASE_OPTIONS_H
#define MR_BASE_OPTIONS_H

#include <mr/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mr_option_kind {
    MR_OPTION_FLAG,   /* --quiet */
    MR_OPTION_TEXT,   /* any text; `choices` are shown, not checked */
    MR_OPTION_U64,    /* a number from `least` to `most` */
    MR_OPTION_SIZE,   /* a size (256M) from `least` to `most` */
    MR_OPTION_CHOICE, /* one of `choices` */
};

/* One option: the row from which its parsing, help, manual page and shell completion are made. A
 * table ends with a row whose name is NULL. */
struct mr_option {
    const char *name; /* without the dashes */
    char letter;      /* -o; 0: none */
    enum mr_option_kind kind;
    const char *metavar;  /* DIR, FILE (completed as such), N, SIZE; NULL for flags and choices */
    const char *fallback; /* the default, for the help; NULL: none worth saying */
    const char *choices;  /* "letters|unicode" */
    uint64_t least;
    uint64_t most; /* 0: no bound */
    const char *help;
};

/* What the user gave for a row. */
struct mr_option_value {
    bool given;
    const char *text; /* as written, borrowed from the command line; NULL for a flag */
    uint64_t number;  /* of U64 and SIZE; of CHOICE: which one, from 0 */
};

/* A command line being read. The caller fills it in, and may put a longer table in place (`rows`,
 * `values`, `count`) between two steps, once an operand has told which options follow. */
struct mr_options {
    const struct mr_option *rows;
    struct mr_option_value *values; /* one a row, zero-initialised */
    size_t count;
    char *const *args; /* ended by NULL; what is left to read */
    bool ended;        /* `--` was seen: only operands follow */
};

/* Reads options, up to and with the next operand: stores it and returns 1; 0 where the line ended;
 * MR_ERR_USAGE with a sentence that names the option and, where it is unknown, the nearest one.
 * Takes --x=v, --x v, -xv, -x v, clusters of letters and `--`; `-` alone is an operand. An option
 * given twice counts as given last. */
MR_MUST_USE int mr_options_next(struct mr_options *options, const char **operand,
                                struct mr_error *err);

/* The rows of a table, and one row by its name (NULL: none). */
size_t mr_options_count(const struct mr_option *rows);
const struct mr_option *mr_options_find(const struct mr_option *rows, size_t count,
                                        const char *name);

/* Steps through "letters|unicode": stores the length of the choice at `choices` and returns where
 * the next one starts, NULL behind the last. */
const char *mr_options_choice(const char *choices, size_t *len);

#endif
