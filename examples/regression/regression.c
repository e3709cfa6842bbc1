/* regression: least squares by accelerated gradient descent, an epoch a pass.
 *
 * Rows are lines of numbers between commas, the last of which is what the others are to explain; a
 * line without a number names the columns. The first pass looks around: it counts rows and columns,
 * and finds means and scales. In every further pass map sees each row with its columns centred and
 * scaled to a length of 1, and emits what it adds to the gradient at the point that the state
 * holds; sums are exact, so they are the same however the rows are dealt out. Then round_done makes
 * a step as Nesterov (1983) does: from a point a little ahead of the last one, in the direction in
 * which the steps went; where the gradient turns against that direction the momentum is given up
 * (O'Donoghue and Candès, 2015). It ends where no column is left that goes with what is not
 * explained yet. */
#include <math.h>
#include <mr/job.h>
#include <stdio.h>
#include <stdlib.h>

#define COLUMNS_MAX 64 /* with the last one */
#define NAMES_MAX 1024 /* bytes of the line that names them */
#define NUMBER_MAX 64  /* bytes of a number's text */
#define DIGITS_MAX 15  /* so many make an integer that is a double, and so is 10^15 */
#define CONSTANT 1e-12 /* of a column's squares: what is less is rounding */

/* What a pass learns for the next. Its bytes are the loop's state. */
struct model {
    uint64_t columns; /* that explain; 0: nothing is known yet */
    double rows;
    double mean[COLUMNS_MAX];  /* of each column, and of the last */
    double scale[COLUMNS_MAX]; /* centred columns times it have length 1; 0: a constant column */
    double squares;            /* of the last column, centred */
    double weights[COLUMNS_MAX];
    double ahead[COLUMNS_MAX]; /* where the gradient is taken */
    double momentum;           /* Nesterov's t */
    char names[NAMES_MAX];     /* as text; empty: there are none */
};

/* What the emitted sums are, by the first byte of their key. */
enum sum {
    SUM_ROWS = 'r',     /* rows that have this many columns */
    SUM_COLUMN = 'c',   /* of a column */
    SUM_SQUARES = 's',  /* of a column's squares */
    SUM_NAMES = 'n',    /* lines that are these names */
    SUM_GRADIENT = 'g', /* of a column */
    SUM_LOSS = 'l',     /* squares of what is not explained */
};

static int emit(struct mr_ctx *ctx, enum sum sum, size_t index, double value) {
    const char key[2] = {(char)sum, (char)index};
    return mr_emit_f64(ctx, (struct mr_bytes){key, sizeof key}, value);
}

/* ---- rows -------------------------------------------------------------------------------------*/

/* Any number, by the C library. */
static bool read_any(struct mr_bytes text, double *number) {
    char copy[NUMBER_MAX + 1];
    char *end = copy;
    while (text.len && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++, text.len--;
    }
    while (text.len && strchr(" \t\r", text.data[text.len - 1])) {
        text.len--;
    }
    if (text.len == 0 || text.len > NUMBER_MAX) {
        return false;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    *number = strtod(copy, &end);
    return end == copy + text.len && isfinite(*number);
}

/* Reads the number that begins at *at and ends before a comma or at the line's end, and steps
 * there. Plain decimals with few digits are an integer over a power of ten, both exact, so that one
 * division rounds as strtod does (Clinger 1990), in a tenth of the time. */
static bool read_number(const char **at, const char *end, double *number) {
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const char *begin = *at;
    bool is_negative = begin < end && *begin == '-';
    const char *digit = begin + is_negative;
    const char *last = end - digit > DIGITS_MAX ? digit + DIGITS_MAX : end;
    const char *point = NULL;
    uint64_t whole = 0;
    for (; digit < last; digit++) {
        unsigned value = (unsigned)*digit - '0';
        if (value <= 9) {
            whole = whole * 10 + value;
        } else if (*digit == '.' && !point) {
            point = digit;
        } else {
            break;
        }
    }
    bool is_plain = digit > begin + is_negative + (point != NULL);
    if (is_plain && (digit == end || *digit == ',')) {
        double size = (double)whole / powers[point ? digit - point - 1 : 0];
        *number = is_negative ? -size : size;
        *at = digit;
        return true;
    }
    const char *comma = begin < end ? memchr(begin, ',', (size_t)(end - begin)) : NULL;
    *at = comma ? comma : end;
    return read_any((struct mr_bytes){begin, (size_t)(*at - begin)}, number);
}

/* Whether a line holds no number at all: the names of the columns. */
static bool is_names(struct mr_bytes line) {
    const char *end = line.data + line.len;
    for (const char *at = line.data; at <= end; at++) {
        const char *comma = at < end ? memchr(at, ',', (size_t)(end - at)) : NULL;
        double number;
        comma = comma ? comma : end;
        if (read_any((struct mr_bytes){at, (size_t)(comma - at)}, &number)) {
            return false;
        }
        at = comma;
    }
    return true;
}

/* Reads a row's columns: how many there are, or a negative status. */
static int read_row(struct mr_ctx *ctx, struct mr_bytes line, double values[COLUMNS_MAX]) {
    const char *at = line.data;
    const char *end = at + line.len;
    for (int column = 0; column < COLUMNS_MAX; column++) {
        const char *begin = at;
        if (!read_number(&at, end, &values[column])) {
            return mr_fail(ctx, "column %d is no number: \"%.*s\"", column + 1,
                           at - begin < 60 ? (int)(at - begin) : 60, begin);
        }
        if (at == end) {
            return column + 1;
        }
        at++; /* the comma */
    }
    return mr_fail(ctx, "more than %d columns", COLUMNS_MAX);
}

/* What a thread has in a pass: the state, aligned; and keys, since a key that was just put together
 * byte by byte lets the engine wait until it can load it as a whole. */
struct reader {
    struct model model;
    char keys[COLUMNS_MAX][2]; /* of gradients */
};

/* ---- map --------------------------------------------------------------------------------------*/

static int survey(struct mr_ctx *ctx, const double *values, size_t count) {
    int status = emit(ctx, SUM_ROWS, count, 1);
    for (size_t i = 0; i < count && !status; i++) {
        status = emit(ctx, SUM_COLUMN, i, values[i]);
        status = status ? status : emit(ctx, SUM_SQUARES, i, values[i] * values[i]);
    }
    return status;
}

static int survey_names(struct mr_ctx *ctx, struct mr_bytes line) {
    char key[NAMES_MAX + 1] = {SUM_NAMES};
    line.len -= line.len && line.data[line.len - 1] == '\r';
    if (line.len >= NAMES_MAX) {
        return mr_fail(ctx, "the names of the columns take more than %d bytes", NAMES_MAX - 1);
    }
    memcpy(key + 1, line.data, line.len);
    return mr_emit_f64(ctx, (struct mr_bytes){key, line.len + 1}, 1);
}

/* What a row adds to the gradient of half the sum of squares, and to that sum. */
static int gradient(struct mr_ctx *ctx, const struct reader *reader, double *values) {
    const struct model *model = &reader->model;
    double rest = model->mean[model->columns] - values[model->columns];
    for (size_t i = 0; i < model->columns; i++) {
        values[i] = (values[i] - model->mean[i]) * model->scale[i];
        rest += values[i] * model->ahead[i];
    }
    int status = emit(ctx, SUM_LOSS, 0, rest * rest);
    for (size_t i = 0; i < model->columns && !status; i++) {
        status = mr_emit_f64(ctx, (struct mr_bytes){reader->keys[i], 2}, rest * values[i]);
    }
    return status;
}

static int map(struct mr_ctx *ctx, void *state, struct mr_bytes line) {
    const struct reader *reader = state;
    const struct model *model = &reader->model;
    double values[COLUMNS_MAX];
    bool begins_a_number = line.len && memchr("-+.0123456789 ", line.data[0], 14);
    if (!begins_a_number && is_names(line)) {
        return model->columns ? 0 : survey_names(ctx, line);
    }
    int count = read_row(ctx, line, values);
    if (count < 0) {
        return count;
    }
    if (!model->columns) {
        return survey(ctx, values, (size_t)count);
    }
    if ((size_t)count != model->columns + 1) {
        return mr_fail(ctx, "a row of %d columns, where others have %d", count,
                       (int)model->columns + 1);
    }
    return gradient(ctx, reader, values);
}

static int setup(struct mr_ctx *ctx, void **state) {
    struct mr_bytes bytes = mr_loop_state(ctx);
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        return mr_fail(ctx, "out of memory");
    }
    if (bytes.len) {
        memcpy(&reader->model, bytes.data, sizeof reader->model);
    }
    for (size_t i = 0; i < COLUMNS_MAX; i++) {
        reader->keys[i][0] = SUM_GRADIENT;
        reader->keys[i][1] = (char)i;
    }
    *state = reader;
    return 0;
}

/* ---- between two passes -----------------------------------------------------------------------*/

/* The sums of a pass. */
struct sums {
    double rows[COLUMNS_MAX + 1];
    double column[COLUMNS_MAX];
    double squares[COLUMNS_MAX];
    double gradient[COLUMNS_MAX];
    double loss;
};

static int take_names(struct mr_ctx *ctx, struct model *model, struct mr_bytes names) {
    if (model->names[0]) {
        return mr_fail(ctx, "two lines without a number: \"%.60s\" and \"%.*s\"", model->names,
                       names.len < 60 ? (int)names.len : 60, names.data);
    }
    memcpy(model->names, names.data, names.len);
    return 0;
}

static int read_sums(struct mr_ctx *ctx, struct mr_results *results, struct sums *sums,
                     struct model *model) {
    struct mr_bytes key;
    double value;
    int more;
    while ((more = mr_next_result_f64(ctx, results, &key, &value)) > 0) {
        size_t index = (unsigned char)key.data[1];
        switch ((enum sum)key.data[0]) {
        case SUM_ROWS:
            sums->rows[index] = value;
            break;
        case SUM_COLUMN:
            sums->column[index] = value;
            break;
        case SUM_SQUARES:
            sums->squares[index] = value;
            break;
        case SUM_GRADIENT:
            sums->gradient[index] = value;
            break;
        case SUM_LOSS:
            sums->loss = value;
            break;
        case SUM_NAMES:
            if (take_names(ctx, model, (struct mr_bytes){key.data + 1, key.len - 1})) {
                return -1;
            }
            break;
        }
    }
    return more;
}

static int set_model(struct mr_ctx *ctx, const struct model *model) {
    return mr_set_loop_state(ctx, (struct mr_bytes){(const char *)model, sizeof *model});
}

/* After the first pass. Where rows differ in their columns, most rows are right: the next pass
 * finds the others, and says where they stand. */
static int begin(struct mr_ctx *ctx, const struct sums *sums, struct model *model) {
    size_t count = 0;
    for (size_t i = 1; i <= COLUMNS_MAX; i++) {
        count = sums->rows[i] > sums->rows[count] ? i : count;
    }
    if (count < 2) {
        return mr_fail(ctx, count ? "rows of one column: there is nothing that explains it"
                                  : "there are no rows");
    }
    model->columns = count - 1;
    model->rows = sums->rows[count];
    model->momentum = 1;
    for (size_t i = 0; i < count; i++) {
        double mean = sums->column[i] / model->rows;
        double squares = sums->squares[i] - sums->column[i] * mean;
        bool is_constant = squares <= CONSTANT * sums->squares[i];
        model->mean[i] = mean;
        model->scale[i] = is_constant ? 0 : 1 / sqrt(squares);
        model->squares = is_constant ? 0 : squares;
    }
    return 0;
}

/* Whether what is not explained goes with none of the columns any more. */
static bool has_converged(const struct mr_ctx *ctx, const struct model *model,
                          const struct sums *sums) {
    double most = 0;
    for (size_t i = 0; i < model->columns; i++) {
        most = fmax(most, fabs(sums->gradient[i]));
    }
    return most <= strtod(mr_param(ctx, "tolerance"), NULL) * sqrt(model->squares);
}

/* A step against the gradient, and a look ahead. */
static void step(const struct mr_ctx *ctx, const struct sums *sums, struct model *model) {
    const char *given = mr_param(ctx, "rate");
    double rate = given ? strtod(given, NULL) : 1 / (double)model->columns;
    double uphill = 0;
    double moved[COLUMNS_MAX];
    for (size_t i = 0; i < model->columns; i++) {
        double weight = model->ahead[i] - rate * sums->gradient[i];
        moved[i] = weight - model->weights[i];
        uphill += sums->gradient[i] * moved[i];
        model->weights[i] = weight;
    }
    double momentum = uphill > 0 ? 1 : (1 + sqrt(1 + 4 * model->momentum * model->momentum)) / 2;
    double further = uphill > 0 ? 0 : (model->momentum - 1) / momentum;
    for (size_t i = 0; i < model->columns; i++) {
        model->ahead[i] = model->weights[i] + further * moved[i];
    }
    model->momentum = momentum;
}

static int emit_text(struct mr_ctx *ctx, struct mr_bytes name, const char *format, double value) {
    char text[40];
    snprintf(text, sizeof text, format, value);
    return mr_emit(ctx, name, mr_bytes_text(text));
}

/* The name of a column: as the input has it, or its number. */
static struct mr_bytes name_of(const struct model *model, size_t column, char number[24]) {
    const char *at = model->names;
    for (size_t i = 0; i < column && at; i++) {
        const char *comma = strchr(at, ',');
        at = comma ? comma + 1 : NULL;
    }
    if (!at || !*at) {
        snprintf(number, 24, "column %zu", column + 1);
        return mr_bytes_text(number);
    }
    return (struct mr_bytes){at, strcspn(at, ",")};
}

/* The lines of the result: coefficients of the columns as the input has them. */
static int write_result(struct mr_ctx *ctx, const struct model *model, double loss) {
    double intercept = model->mean[model->columns];
    int status = 0;
    for (size_t i = 0; i < model->columns && !status; i++) {
        char number[24];
        double coefficient = model->ahead[i] * model->scale[i];
        intercept -= coefficient * model->mean[i];
        status = emit_text(ctx, name_of(model, i, number), "%.3f", coefficient);
    }
    status = status ? status : emit_text(ctx, mr_bytes_text("intercept"), "%.3f", intercept);
    double explained = model->squares > 0 ? 1 - loss / model->squares : 1;
    status = status ? status : emit_text(ctx, mr_bytes_text("R^2"), "%.6f", explained);
    return status ? status : mr_emit_u64(ctx, mr_bytes_text("epochs"), ctx->pass);
}

static int round_done(struct mr_ctx *ctx, struct mr_results *results, bool *again) {
    struct sums sums = {0};
    struct model model = {0};
    uint64_t epochs = mr_param_u64(ctx, "epochs");
    if (ctx->pass > 0) {
        memcpy(&model, mr_loop_state(ctx).data, sizeof model);
    }
    int status = read_sums(ctx, results, &sums, &model);
    if (status) {
        return status;
    }
    *again = true;
    if (ctx->pass == 0) {
        status = begin(ctx, &sums, &model);
        return status ? status : set_model(ctx, &model);
    }
    if (!isfinite(sums.loss)) {
        return mr_fail(ctx, "it diverges: leave out --rate, or take less");
    }
    bool has = has_converged(ctx, &model, &sums);
    if (!has && ctx->pass == epochs && !mr_param_u64(ctx, "unfinished")) {
        return mr_fail(ctx,
                       "not there after %llu epochs (R^2 is %.6f): give it more --epochs, a "
                       "larger --tolerance, or --unfinished to take what there is",
                       (unsigned long long)epochs, 1 - sums.loss / model.squares);
    }
    if (has || ctx->pass == epochs) {
        *again = false;
        return write_result(ctx, &model, sums.loss);
    }
    step(ctx, &sums, &model);
    return set_model(ctx, &model);
}

/* ---- the job ----------------------------------------------------------------------------------*/

static int plan(struct mr_ctx *ctx, const struct mr_round **rounds, uint32_t *count) {
    static const char *const names[] = {"rate", "tolerance"};
    (void)rounds, (void)count;
    for (size_t i = 0; i < 2; i++) {
        const char *text = mr_param(ctx, names[i]);
        double number = 0;
        if (text && (!read_any(mr_bytes_text(text), &number) || number < 0)) {
            return mr_fail(ctx, "--%s %s is no positive number", names[i], text);
        }
    }
    return 0;
}

static const struct mr_round rounds[] = {
    {.name = "gradient", .value = MR_SUM_F64, .map = map, .partitions = 1},
};

static const struct mr_param params[] = {
    {.name = "epochs",
     .kind = MR_PARAM_U64,
     .fallback = "10000",
     .least = 1,
     .metavar = "N",
     .help = "how many steps at most"},
    {.name = "rate",
     .kind = MR_PARAM_TEXT,
     .metavar = "R",
     .help = "how far a step goes (default: 1 / columns, which is never too far)"},
    {.name = "tolerance",
     .kind = MR_PARAM_TEXT,
     .fallback = "1e-10",
     .metavar = "T",
     .help = "end when no column's correlation with what is left is larger"},
    {.name = "unfinished",
     .kind = MR_PARAM_FLAG,
     .help = "after the last epoch, take what there is"},
    {0},
};

static const char *const examples[] = {
    "millrace run ./libregression.so diabetes.csv",
    "millrace run ./libregression.so diabetes.csv --epochs 5 --unfinished",
    NULL,
};

MR_PLUGIN = {
    .abi = MR_JOB_ABI,
    .name = "regression",
    .summary = "least squares: the coefficients by which columns explain the last one",
    .examples = examples,
    .params = params,
    .rounds = rounds,
    .round_count = 1,
    .plan = plan,
    .setup = setup,
    .teardown = free,
    .round_done = round_done,
};
