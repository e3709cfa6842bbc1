/* publisher: makes the output of a job appear, when the master says that all its parts are there.
 */
#include "lib/worker/node/publisher.h"

#include "lib/base/error.h"
#include "lib/output/commit.h"
#include "lib/output/part.h"
#include <stdlib.h>
#include <uv.h>

#define PARTS_MAX ((size_t)1 << 22)
/* Threads of the pool, which has four: look-ups of names need some too. */
#define UNDER_WAY_MAX 2u
#define ASIDE_NAME "_skipped" /* as lib/output names it */

/* A job whose output is to appear. */
struct publication {
    uv_work_t work;
    struct publication *next;
    struct mr_publisher *publisher;
    struct mr_dossier *job; /* in use */
    uint32_t number;
    struct mr_run_part *parts;
    uint32_t *winners;
    size_t count;
    size_t capacity;
    bool is_listed;  /* the list is whole */
    bool is_settled; /* nothing is to come: it waits for a thread, if it has not failed */
    bool is_under_way;
    bool is_void; /* nobody wants to hear of it */
    struct mr_hash_128 manifest;
    struct mr_hash_128 aside;
    struct mr_hash_128 lines;
    struct mr_buffer texts[3]; /* of these blobs */
    struct mr_error err;
    bool has_lost;
    uint32_t lost; /* the task whose part is gone or wrong */
};

struct mr_publisher {
    struct mr_publisher_options options;
    struct publication *all; /* the latest first */
    unsigned under_way;
    bool is_closing;
    void (*closed)(void *user);
    void *user;
};

static void finish_close(struct mr_publisher *publisher) {
    if (publisher->is_closing && !publisher->all) {
        void (*closed)(void *user) = publisher->closed;
        void *user = publisher->user;
        free(publisher);
        closed(user);
    }
}

static void drop(struct publication *publication) {
    struct mr_publisher *publisher = publication->publisher;
    for (struct publication **at = &publisher->all; *at; at = &(*at)->next) {
        if (*at == publication) {
            *at = publication->next;
            break;
        }
    }
    for (size_t i = 0; i < 3; i++) {
        mr_buffer_fini(&publication->texts[i]);
    }
    mr_docket_leave(publisher->options.docket, publication->job);
    free(publication->parts);
    free(publication->winners);
    free(publication);
    finish_close(publisher);
}

/* ---- in a thread of its own -------------------------------------------------------------------*/

/* Sees that every part is there as it was written. */
static int check_parts(struct publication *publication, const struct mr_commit *commit) {
    struct mr_error *err = &publication->err;
    for (size_t i = 0; i < publication->count && !err->code; i++) {
        bool is_whole = false;
        if (!mr_commit_check(commit, (uint32_t)i, publication->winners[i], &publication->parts[i],
                             &is_whole, err) &&
            !is_whole) {
            publication->has_lost = true;
            publication->lost = (uint32_t)i;
            return mr_error_set(err, MR_ERR_IO, "part %zu of \"%.300s\" is gone or damaged", i,
                                publication->job->spec.output);
        }
    }
    return err->code;
}

static int fill(struct publication *publication, struct mr_commit *commit) {
    struct mr_error *err = &publication->err;
    const struct mr_buffer *aside = &publication->texts[1];
    const struct mr_buffer *lines = &publication->texts[2];
    char name[MR_PART_NAME_MAX];
    if (!mr_hash_128_is_none(publication->aside) &&
        mr_commit_add(commit, ASIDE_NAME, (struct mr_bytes){aside->data, aside->len}, err)) {
        return err->code;
    }
    if (!mr_hash_128_is_none(publication->lines)) {
        mr_part_name(name, sizeof name, 0);
        (void)!mr_commit_add(commit, name, (struct mr_bytes){lines->data, lines->len}, err);
    }
    return err->code;
}

static void publish(uv_work_t *work) {
    struct publication *publication = work->data;
    const struct mr_spec *spec = &publication->job->spec;
    struct mr_error *err = &publication->err;
    struct mr_commit *commit = NULL;
    enum mr_commit_standing standing = MR_COMMIT_OPEN;
    bool is_done = false;
    if (mr_commit_is_done(spec->output, publication->job->id, &is_done, err)) {
        return;
    }
    if (!is_done) { /* what the client prepared is seen here, or somebody else must do it */
        if (mr_commit_join(spec->output, publication->job->id,
                           publication->publisher->options.folder->name, &commit, err)) {
            return;
        }
        mr_commit_leave(commit);
    }
    if (mr_commit_take_over(spec->output, spec->overwrite != 0, publication->job->id, &commit,
                            &standing, err)) {
        return;
    }
    if (standing == MR_COMMIT_PUBLISHED) {
        mr_commit_end(commit); /* all that is left of it goes */
        return;
    }
    if (!check_parts(publication, commit) && !fill(publication, commit)) {
        (void)!mr_commit_publish(commit, publication->parts, publication->winners,
                                 publication->count, publication->texts[0].data, err);
    }
    mr_commit_leave(commit);
}

/* ---- the loop's thread ------------------------------------------------------------------------*/

static void answer(struct publication *publication) {
    const struct mr_error *err = &publication->err;
    struct mr_wire_published message = {
        .job = publication->number,
        .status = (uint64_t)-err->code,
        .why = err->code ? err->text : NULL,
        .has_lost = publication->has_lost,
        .lost_task = publication->lost,
        .lost_attempt = publication->has_lost ? publication->winners[publication->lost] : 0};
    struct mr_docket *docket = publication->publisher->options.docket;
    const struct mr_hash_128 hashes[] = {publication->manifest, publication->aside,
                                         publication->lines};
    for (size_t i = 0; i < 3; i++) {
        if (!mr_hash_128_is_none(hashes[i])) {
            mr_docket_drop_blob(docket, hashes[i]);
        }
    }
    if (!publication->is_void) { /* unheard: the master asks again when we are registered */
        (void)mr_link_send(*publication->publisher->options.link, MR_WIRE_PUBLISHED, &message);
    }
    drop(publication);
}

static void begin_next(struct mr_publisher *publisher);

static void published(uv_work_t *work, int status) {
    struct publication *publication = work->data;
    struct mr_publisher *publisher = publication->publisher;
    (void)status;
    if (--publisher->under_way < UNDER_WAY_MAX) {
        begin_next(publisher);
    }
    answer(publication);
}

static void begin(struct publication *publication) {
    struct mr_publisher *publisher = publication->publisher;
    publication->work.data = publication;
    publication->is_under_way = true;
    if (uv_queue_work(publisher->options.loop, &publication->work, publish, published) == 0) {
        publisher->under_way++;
    } else {
        mr_error_set(&publication->err, MR_ERR_NOMEM, "publishing: no thread");
        answer(publication);
    }
}

/* The one that has waited longest, if there is one. */
static void begin_next(struct mr_publisher *publisher) {
    struct publication *next = NULL;
    for (struct publication *at = publisher->all; at; at = at->next) {
        next = at->is_settled && !at->is_under_way ? at : next;
    }
    if (next) {
        begin(next);
    }
}

/* Reads what came; false: something is missing yet. */
static bool gather(struct publication *publication) {
    const struct mr_publisher_options *options = &publication->publisher->options;
    const struct mr_hash_128 hashes[] = {publication->manifest, publication->aside,
                                         publication->lines};
    bool is_all = true;
    for (size_t i = 0; i < 3; i++) {
        bool is_here = mr_hash_128_is_none(hashes[i]);
        if (!is_here && mr_wants_ask(options->wants, hashes[i], &is_here, &publication->err)) {
            return false;
        }
        is_all &= is_here;
    }
    for (size_t i = 0; i < 3 && is_all; i++) {
        publication->texts[i].len = 0;
        if (!mr_hash_128_is_none(hashes[i]) &&
            mr_blobs_read(options->folder->blobs, hashes[i], &publication->texts[i],
                          &publication->err)) {
            return false;
        }
    }
    if (is_all && mr_buffer_append(&publication->texts[0], "", 1, &publication->err)) {
        return false;
    }
    return is_all;
}

static void advance(struct publication *publication) {
    struct mr_dossier *job = publication->job;
    if (publication->is_settled || !publication->is_listed) {
        return;
    }
    if (job->state == MR_DOSSIER_BROKEN) {
        publication->err = job->err;
    }
    if (!publication->err.code && !job->has_spec) { /* JOB came, its SPEC has not yet */
        return;
    }
    if (!publication->err.code && !job->spec.output) {
        mr_error_set(&publication->err, MR_ERR_INTERNAL, "a job that is collected");
    }
    if (!publication->err.code && !gather(publication) && !publication->err.code) {
        return;
    }
    publication->is_settled = true;
    if (publication->err.code) {
        answer(publication);
    } else if (publication->publisher->under_way < UNDER_WAY_MAX) {
        begin(publication);
    }
}

void mr_publisher_came(struct mr_publisher *publisher, struct mr_hash_128 hash,
                       const struct mr_error *err) {
    for (struct publication *at = publisher->all, *next; at; at = next) {
        const struct mr_hash_128 hashes[] = {at->manifest, at->aside, at->lines};
        next = at->next;
        for (size_t i = 0; i < 3 && err->code && !at->is_settled; i++) {
            if (mr_hash_128_is(hashes[i], hash)) {
                at->err = *err;
            }
        }
        advance(at);
    }
}

static int add_part(struct publication *publication, const struct mr_wire_row_part *part,
                    struct mr_error *err) {
    if (publication->count == publication->capacity) {
        size_t capacity = publication->capacity ? publication->capacity * 2 : 16;
        struct mr_run_part *parts =
            realloc(publication->parts, capacity * sizeof *publication->parts);
        publication->parts = parts ? parts : publication->parts;
        uint32_t *winners = realloc(publication->winners, capacity * sizeof *winners);
        publication->winners = winners ? winners : publication->winners;
        if (!parts || !winners) {
            return mr_error_nomem(err, "publishing");
        }
        publication->capacity = capacity;
    }
    if (part->task != publication->count || publication->count == PARTS_MAX) {
        return mr_error_set(err, MR_ERR_IO, "the master lists parts out of order");
    }
    publication->parts[publication->count] =
        (struct mr_run_part){part->records, part->bytes, part->xxh3};
    publication->winners[publication->count++] = (uint32_t)part->attempt;
    return MR_OK;
}

static struct publication *find(struct mr_publisher *publisher, uint64_t number) {
    struct publication *at = publisher->all;
    while (at && (at->number != number || at->is_void)) {
        at = at->next;
    }
    return at;
}

int mr_publisher_take(struct mr_publisher *publisher, const struct mr_wire_publish *message,
                      struct mr_error *err) {
    struct mr_dossier *job = mr_docket_find(publisher->options.docket, (uint32_t)message->job);
    struct publication *publication = find(publisher, message->job);
    if (!job) {
        return mr_error_set(err, MR_ERR_IO, "the master publishes what it said nothing of");
    }
    if (publication && publication->is_listed) { /* it is under way: PUBLISHED comes */
        return MR_OK;
    }
    if (!publication) {
        publication = calloc(1, sizeof *publication);
        if (!publication) {
            return mr_error_nomem(err, "publishing");
        }
        *publication = (struct publication){.publisher = publisher,
                                            .next = publisher->all,
                                            .job = job,
                                            .number = (uint32_t)message->job};
        publisher->all = publication;
        mr_docket_use(job);
    }
    if (message->parts_count && message->parts[0].task == 0) {
        publication->count = 0; /* a connection that broke within the list: it begins anew */
    }
    for (size_t i = 0; i < message->parts_count; i++) {
        if (add_part(publication, &message->parts[i], err)) {
            drop(publication);
            return err->code;
        }
    }
    if (!message->parts_follow) {
        publication->is_listed = true;
        publication->manifest = (struct mr_hash_128){message->manifest_high, message->manifest_low};
        publication->aside = (struct mr_hash_128){message->aside_high, message->aside_low};
        publication->lines = (struct mr_hash_128){message->lines_high, message->lines_low};
        advance(publication);
    }
    return MR_OK;
}

void mr_publisher_forget(struct mr_publisher *publisher, const struct mr_dossier *job) {
    for (struct publication *at = publisher->all, *next; at; at = next) {
        next = at->next;
        if (!job || at->job == job) {
            at->is_void = true;
            if (!at->is_under_way) {
                drop(at);
            }
        }
    }
}

int mr_publisher_create(const struct mr_publisher_options *options, struct mr_publisher **publisher,
                        struct mr_error *err) {
    *publisher = calloc(1, sizeof **publisher);
    if (!*publisher) {
        return mr_error_nomem(err, "starting a worker");
    }
    (*publisher)->options = *options;
    return MR_OK;
}

void mr_publisher_close(struct mr_publisher *publisher, void (*closed)(void *user), void *user) {
    mr_publisher_forget(publisher, NULL);
    publisher->is_closing = true;
    publisher->closed = closed;
    publisher->user = user;
    finish_close(publisher);
}
