/* test_submission: what a master hears when a job is submitted. */
#include "lib/base/error.h"
#include "lib/client/submission.h"
#include "lib/output/tree.h"
#include "lib/worker/spec.h"
#include "tests/unit/client/fake.h"

#include <fcntl.h>
#include <sys/stat.h>

#define STOPWORDS_BYTES ((size_t)9 << 20) /* more than a connection takes at once */

static char folder[] = "/tmp/millrace-submission-XXXXXX";

static void write_file(const char *name, size_t bytes) {
    FILE *file = fopen(name, "w");
    cr_assert_not_null(file);
    for (size_t i = 0; i < bytes; i += 4) {
        fputs("abc\n", file);
    }
    cr_assert_eq(fclose(file), 0);
}

static void enter(void) {
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(mkdir("logs", 0700), 0);
    write_file("logs/a.txt", 400);
    write_file("logs/b.txt", 0);
    write_file("stopwords", STOPWORDS_BYTES);
}

static void leave(void) {
    struct mr_error err = {0};
    cr_assert_eq(mr_tree_remove(AT_FDCWD, folder, &err), 0, "%s", err.text);
    cr_assert_eq(chdir("/"), 0);
}

/* What the fake gathers. */
struct gathered {
    struct mr_buffer spec;
    struct mr_buffer file;
    char id[MR_WIRE_ID_MAX];
    struct mr_hash_128 spec_hash;
    struct mr_hash_128 file_hash;
    bool refuses;
    bool loses; /* the connection once, in the middle of the file */
};

static void want(struct fake *fake, struct mr_conn *conn, struct mr_hash_128 hash) {
    struct mr_wire_want message = {.high = hash.high, .low = hash.low};
    fake_say(fake, conn, MR_WIRE_WANT, &message);
}

/* Which blob stands in the spec's file parameter. */
static struct mr_hash_128 find_file(struct fake *fake, const struct mr_buffer *bytes) {
    struct mr_hash_128 hash = {0};
    struct mr_spec spec;
    struct mr_layout_held held;
    if (!mr_spec_decode((struct mr_bytes){bytes->data, bytes->len}, &spec, &held, &fake->err)) {
        for (size_t i = 0; i < spec.params_count; i++) {
            if (spec.params[i].is_file) {
                hash = (struct mr_hash_128){spec.params[i].file_high, spec.params[i].file_low};
            }
        }
    }
    mr_layout_release(&held);
    return hash;
}

static void take_blob(struct fake *fake, struct mr_conn *conn, const struct mr_wire_blob *blob,
                      struct mr_bytes piece) {
    struct gathered *gathered = fake->arg;
    bool is_spec = blob->high == gathered->spec_hash.high;
    struct mr_buffer *to = is_spec ? &gathered->spec : &gathered->file;
    if (blob->offset == 0) {
        to->len = 0;
    }
    if (blob->offset != to->len || mr_buffer_append(to, piece.data, piece.len, &fake->err)) {
        mr_error_set(&fake->err, MR_ERR_IO, "pieces don't fit together");
    }
    if (gathered->loses && !is_spec && to->len > STOPWORDS_BYTES / 2) {
        gathered->loses = false;
        mr_conn_drop(conn, NULL);
    } else if (to->len == blob->total && is_spec) {
        gathered->file_hash = find_file(fake, to);
        want(fake, conn, gathered->file_hash);
    } else if (to->len == blob->total) {
        struct mr_wire_submitted submitted = {.job = 3, .id = gathered->id};
        fake_say(fake, conn, MR_WIRE_SUBMITTED, &submitted);
    }
}

static void gather(struct fake *fake, struct mr_conn *conn, unsigned kind,
                   const union mr_wire_any *any, struct mr_bytes piece) {
    struct gathered *gathered = fake->arg;
    struct mr_wire_result result = {.status = (uint64_t)-MR_ERR_CLUSTER, .why = "no room"};
    if (kind == MR_WIRE_SUBMIT && gathered->refuses) {
        fake_say(fake, conn, MR_WIRE_RESULT, &result);
    } else if (kind == MR_WIRE_SUBMIT) {
        snprintf(gathered->id, sizeof gathered->id, "%s", any->submit_.id);
        gathered->spec_hash = (struct mr_hash_128){any->submit_.spec_high, any->submit_.spec_low};
        want(fake, conn, gathered->spec_hash);
    } else if (kind == MR_WIRE_BLOB) {
        take_blob(fake, conn, &any->blob_, piece);
    }
}

static const char *const inputs[] = {"./logs"};
static const struct mr_run_param params[] = {{"fold", NULL}, {"stopwords", "stopwords"}};

static struct mr_run_spec make_spec(void) {
    struct mr_error err = {0};
    struct mr_run_spec spec = {.job_name = "wordcount",
                               .inputs = inputs,
                               .input_count = 1,
                               .params = params,
                               .param_count = 2,
                               .memory_bytes = (uint64_t)1 << 30,
                               .output = "counts",
                               .partitions = 5};
    cr_assert_eq(mr_run_find_job("wordcount", &spec.job, &err), 0, "%s", err.text);
    return spec;
}

static bool is_pending(const char *id) {
    char name[64];
    snprintf(name, sizeof name, "counts.pending-%s", id);
    return access(name, F_OK) == 0;
}

static void check_spec(struct gathered *gathered, const char *id) {
    struct mr_error err = {0};
    struct mr_spec spec;
    struct mr_layout_held held;
    char path[128];
    struct mr_bytes bytes = {gathered->spec.data, gathered->spec.len};
    cr_assert_eq(mr_spec_decode(bytes, &spec, &held, &err), 0, "%s", err.text);
    cr_assert_str_eq(spec.job, "wordcount");
    cr_assert_eq(spec.inputs_count, 2u);
    snprintf(path, sizeof path, "%s/logs/a.txt", folder);
    cr_assert_str_eq(spec.inputs[0].path, path);
    cr_assert(spec.inputs[0].size == 400 && spec.inputs[0].inode > 0);
    cr_assert_eq(spec.splits_count, 1u);
    cr_assert(spec.splits[0].begin == 0 && spec.splits[0].end == 400);
    cr_assert_eq(spec.rounds_count, 1u);
    cr_assert_eq(spec.rounds[0].partitions, 5u);
    snprintf(path, sizeof path, "%s/counts", folder);
    cr_assert_str_eq(spec.output, path);
    cr_assert_eq(spec.params_count, 2u);
    cr_assert_str_eq(spec.params[0].name, "fold");
    cr_assert_null(spec.params[0].value);
    cr_assert_str_eq(spec.params[1].name, "stopwords");
    cr_assert_eq(spec.params[1].is_file, 1u);
    cr_assert(spec.max_attempts == 4 && spec.task_timeout_ms == 600000 && spec.weight == 1 &&
              spec.codec == 1);
    cr_assert_str_eq(spec.label, "wordcount --fold --stopwords stopwords ./logs -o counts");
    cr_assert(spec.manifest.len > 0);
    cr_assert_not_null(memmem(spec.manifest.data, spec.manifest.len, id, strlen(id)));
    mr_layout_release(&held);
}

/* Submits a job and says how that went. */
static int submit(struct fake *fake, char id[MR_WIRE_ID_MAX], struct mr_error *err) {
    struct mr_submission *submission = NULL;
    struct mr_run_spec spec = make_spec();
    struct mr_description_options options = {.spec = &spec};
    uint32_t number = 0;
    struct mr_client *client = fake_client(fake, 20000);
    cr_assert_eq(mr_submission_create(&options, client, &submission, err), 0, "%s", err->text);
    snprintf(id, MR_WIRE_ID_MAX, "%s", mr_submission_id(submission));
    cr_assert(is_pending(id), "prepared before it is submitted");
    int status = mr_submission_send(submission, client, &number, err);
    cr_assert(status || number == 3);
    mr_client_close(client);
    mr_submission_destroy(submission);
    return status;
}

static void check_submitted(bool loses) {
    struct gathered gathered = {.loses = loses};
    struct fake fake = {.hear = gather, .arg = &gathered};
    struct mr_error err = {0};
    char id[MR_WIRE_ID_MAX];
    enter();
    fake_start(&fake);
    cr_assert_eq(submit(&fake, id, &err), 0, "%s", err.text);
    fake_end(&fake);
    cr_assert_str_eq(gathered.id, id);
    cr_assert(is_pending(id), "it waits for the cluster");
    cr_assert_eq(gathered.file.len, STOPWORDS_BYTES);
    struct mr_hash_128 found = mr_hash_xxh3_128(gathered.file.data, gathered.file.len);
    cr_assert(found.high == gathered.file_hash.high && found.low == gathered.file_hash.low);
    check_spec(&gathered, id);
    mr_buffer_fini(&gathered.spec);
    mr_buffer_fini(&gathered.file);
    leave();
}

Test(submission, all_of_it_reaches_the_master) {
    check_submitted(false);
}

Test(submission, also_when_the_connection_is_lost_meanwhile) {
    check_submitted(true);
}

Test(submission, one_that_is_refused_leaves_nothing) {
    struct gathered gathered = {.refuses = true};
    struct fake fake = {.hear = gather, .arg = &gathered};
    struct mr_error err = {0};
    char id[MR_WIRE_ID_MAX];
    enter();
    fake_start(&fake);
    cr_assert_eq(submit(&fake, id, &err), MR_ERR_CLUSTER);
    cr_assert_str_eq(err.text, "no room");
    cr_assert_not(is_pending(id));
    fake_end(&fake);
    leave();
}

/* What can't be done is refused before anybody is asked. */
static void check_refused(const char *const *names, size_t count, const char *output,
                          const char *words) {
    struct fake fake = {.hear = gather};
    struct mr_error err = {0};
    struct mr_submission *submission = NULL;
    struct mr_run_spec spec = make_spec();
    struct mr_description_options options = {.spec = &spec};
    spec.inputs = names;
    spec.input_count = count;
    spec.output = output;
    fake_start(&fake);
    struct mr_client *client = fake_client(&fake, 20000);
    cr_assert_eq(mr_submission_create(&options, client, &submission, &err), MR_ERR_USAGE, "%s",
                 err.text);
    cr_assert_not_null(strstr(err.text, words), "%s", err.text);
    cr_assert_null(submission);
    mr_client_close(client);
    fake_end(&fake);
}

Test(submission, what_a_cluster_cannot_do) {
    static const char *const stream[] = {"-"};
    static const char *const fifo[] = {"fifo"};
    enter();
    cr_assert_eq(mkfifo("fifo", 0600), 0);
    check_refused(stream, 1, "counts", "standard input can't be read on other machines");
    check_refused(NULL, 0, "counts", "standard input");
    check_refused(fifo, 1, "counts", "\"fifo\" can't be read on other machines");
    check_refused(inputs, 1, "logs", "\"logs\" exists");
    leave();
}
