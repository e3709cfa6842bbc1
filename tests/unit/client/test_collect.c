/* test_collect: an output that is brought here, from workers that have it damaged, or not at all.
 */
#include "lib/base/error.h"
#include "lib/client/collect.h"
#include "lib/output/manifest_read.h"
#include "lib/output/tree.h"
#include "tests/unit/client/fake.h"

#include <fcntl.h>
#include <sys/stat.h>

#define ID "0123456789abcdef0123456789abcdef"
#define PARTS 3
#define PART_BYTES ((size_t)1300000) /* several pieces */
#define MANIFEST "{\"format\": 1, \"result\": {\"parts\": []}, \"run\": {\"id\": \"" ID "\"}}\n"

static char folder[] = "/tmp/millrace-collect-XXXXXX";

static void enter(void) {
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static void leave(void) {
    struct mr_error err = {0};
    cr_assert_eq(mr_tree_remove(AT_FDCWD, folder, &err), 0, "%s", err.text);
    cr_assert_eq(chdir("/"), 0);
}

/* What goes wrong, once each. */
struct troubles {
    size_t parts;     /* of the output */
    bool damages;     /* a piece of part 1 */
    bool lacks;       /* part 1 of attempt 1, for good: the master makes it again */
    bool breaks;      /* the connection, in the middle of part 1 */
    bool has_aside;   /* a side file */
    bool has_lines;   /* a loop's, instead of parts */
    bool is_silent;   /* that loop's are none */
    bool is_gone;     /* the worker, for good */
    bool interrupts;  /* the client is sent SIGINT: when it asks for workers or the manifest */
    bool strays;      /* the end of an earlier list of parts comes first */
    bool has_ended;   /* the job: somebody else collected its output */
    uint64_t attempt; /* of part 1, from 1 */
    unsigned lost;    /* parts that were reported */
    unsigned pieces;  /* of part 1, sent so far */
    bool is_collected;
    bool was_here; /* all of it, before */
};

static char *part_text(uint64_t task) {
    static char texts[PARTS][PART_BYTES];
    for (size_t i = 0; i < PART_BYTES; i++) {
        texts[task][i] = (char)('a' + (i * 31 + task) % 26);
    }
    return texts[task];
}

static struct mr_hash_128 hash_of(const char *text) {
    return mr_hash_xxh3_128(text, strlen(text));
}

static void say_parts(struct fake *fake, struct mr_conn *conn) {
    const struct troubles *troubles = fake->arg;
    struct mr_wire_row_part rows[PARTS] = {{0}};
    struct mr_hash_128 manifest = hash_of(MANIFEST);
    struct mr_hash_128 side = hash_of("side\n");
    struct mr_wire_parts parts = {.parts = rows,
                                  .parts_count = troubles->parts,
                                  .manifest_high = manifest.high,
                                  .manifest_low = manifest.low};
    for (uint64_t i = 0; i < troubles->parts; i++) {
        rows[i] = (struct mr_wire_row_part){.task = i,
                                            .attempt = i == 1 ? troubles->attempt : 1,
                                            .records = 1,
                                            .bytes = PART_BYTES,
                                            .xxh3 = mr_hash_xxh3(part_text(i), PART_BYTES),
                                            .node = 8};
    }
    if (troubles->has_aside) {
        parts.aside_high = side.high;
        parts.aside_low = side.low;
    }
    if (troubles->has_lines) {
        struct mr_hash_128 lines = troubles->is_silent ? hash_of("") : side;
        parts.lines_high = lines.high;
        parts.lines_low = lines.low;
    }
    if (troubles->strays) {
        struct mr_wire_parts rest = {.parts = rows + 1, .parts_count = PARTS - 1};
        fake_say(fake, conn, MR_WIRE_PARTS, &rest);
    }
    fake_say(fake, conn, MR_WIRE_PARTS, &parts);
}

/* The worker's side: the part, in pieces. */
static void serve(struct fake *fake, struct mr_conn *conn, const struct mr_wire_fetch *fetch) {
    struct troubles *troubles = fake->arg;
    struct mr_wire_fetched fetched = {.number = fetch->number, .size = PART_BYTES};
    const char *text = part_text(fetch->task);
    if (fetch->task == 1 && troubles->lacks && fetch->attempt == 1) {
        fetched.status = (uint64_t)-MR_ERR_INPUT;
        fetched.why = "it is not here";
        fake_say(fake, conn, MR_WIRE_FETCHED, &fetched);
        return;
    }
    for (size_t at = 0; at < PART_BYTES; at += MR_WIRE_PIECE_MAX) {
        size_t left = PART_BYTES - at;
        struct mr_bytes bytes = {text + at, left < MR_WIRE_PIECE_MAX ? left : MR_WIRE_PIECE_MAX};
        struct mr_wire_piece piece = {.number = fetch->number,
                                      .offset = at,
                                      .len = bytes.len,
                                      .xxh3 = mr_hash_xxh3(bytes.data, bytes.len)};
        troubles->pieces += fetch->task == 1;
        if (fetch->task == 1 && troubles->pieces == 2 && troubles->damages) {
            troubles->damages = false;
            piece.xxh3 ^= 1;
        }
        if (fetch->task == 1 && troubles->pieces == 2 && troubles->breaks) {
            troubles->breaks = false;
            mr_conn_close(conn);
            return;
        }
        (void)!mr_wire_send_piece(conn, MR_WIRE_PIECE, &piece, bytes, &fake->err);
    }
    fake_say(fake, conn, MR_WIRE_FETCHED, &fetched);
}

static void give_blob(struct fake *fake, struct mr_conn *conn, const struct mr_wire_want *want) {
    static const char *const texts[] = {MANIFEST, "side\n", ""};
    if (((const struct troubles *)fake->arg)->interrupts) {
        kill(getpid(), SIGINT);
        return;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct mr_hash_128 hash = hash_of(texts[i]);
        if (hash.high == want->high && hash.low == want->low) {
            fake_send_blob(fake, conn, hash, mr_bytes_text(texts[i]));
        }
    }
}

static void say_nodes(struct fake *fake, struct mr_conn *conn) {
    const struct troubles *troubles = fake->arg;
    if (troubles->interrupts && troubles->is_gone) { /* it waits for an answer, for good */
        kill(getpid(), SIGINT);
        return;
    }
    struct mr_wire_row_node_line line = {.node = 8,
                                         .name = "reducer-1",
                                         .address =
                                             troubles->is_gone ? "127.0.0.1:1" : fake->address};
    struct mr_wire_nodes nodes = {.nodes = &line, .nodes_count = 1};
    fake_say(fake, conn, MR_WIRE_NODES, &nodes);
}

static void say_ended(struct fake *fake, struct mr_conn *conn) {
    struct mr_wire_row_job_line line = {.job = 1, .id = ID, .label = "wordcount"};
    struct mr_wire_ended ended = {.jobs = &line, .jobs_count = 1};
    fake_say(fake, conn, MR_WIRE_ENDED, &ended);
}

static void take_collected(struct fake *fake, struct mr_conn *conn,
                           const struct mr_wire_collected *collected) {
    struct troubles *troubles = fake->arg;
    if (collected->has_lost) {
        troubles->lost += collected->lost_task == 1 && collected->lost_attempt == 1;
        troubles->attempt++;
        say_parts(fake, conn);
    } else if (collected->status == 0) {
        troubles->is_collected = true;
        say_ended(fake, conn);
    }
}

static void hear(struct fake *fake, struct mr_conn *conn, unsigned kind,
                 const union mr_wire_any *any, struct mr_bytes piece) {
    (void)piece;
    switch (kind) {
    case MR_WIRE_COLLECT:
        if (((const struct troubles *)fake->arg)->has_ended) {
            say_ended(fake, conn);
        } else {
            say_parts(fake, conn);
        }
        break;
    case MR_WIRE_ASK_NODES:
        say_nodes(fake, conn);
        break;
    case MR_WIRE_FETCH:
        serve(fake, conn, &any->fetch_);
        break;
    case MR_WIRE_WANT:
        give_blob(fake, conn, &any->want_);
        break;
    case MR_WIRE_COLLECTED:
        take_collected(fake, conn, &any->collected_);
        break;
    default:
        break;
    }
}

/* Collects, and says how that went. */
static int collect(struct troubles *troubles, const struct mr_collect_target *target,
                   struct mr_error *err) {
    struct fake fake = {.hear = hear, .arg = troubles};
    struct mr_watch watch = {.job = ID};
    struct mr_collect *collect = NULL;
    char *manifest = NULL;
    troubles->attempt = 1;
    fake_start(&fake);
    struct mr_client *client = fake_client(&fake, 20000);
    cr_assert_eq(mr_collect_open(target, ID, &collect, err), 0, "%s", err->text);
    int status = mr_collect_run(collect, &watch, client, &manifest, err);
    mr_collect_close(collect);
    mr_watch_fini(&watch);
    mr_client_close(client);
    fake_end(&fake);
    bool is_wanted = target->output || target->wants_manifest;
    cr_assert(status || troubles->was_here || !is_wanted == !manifest);
    cr_assert(!manifest || strcmp(manifest, MANIFEST) == 0);
    cr_assert_eq(troubles->is_collected, status == 0);
    free(manifest);
    return status;
}

static void check_file(const char *path, const char *text, size_t len) {
    static char found[PART_BYTES + 1];
    int fd = open(path, O_RDONLY);
    cr_assert_geq(fd, 0, "%s", path);
    size_t got = 0;
    ssize_t step;
    while ((step = read(fd, found + got, sizeof found - got)) > 0) {
        got += (size_t)step;
    }
    close(fd);
    cr_assert_eq(got, len, "%s", path);
    cr_assert_eq(memcmp(found, text, len), 0, "%s", path);
}

static void check_directory(struct troubles troubles) {
    struct mr_collect_target target = {.output = "counts", .patience_ms = 20000};
    struct mr_error err = {0};
    char path[64];
    enter();
    troubles.parts = PARTS;
    cr_assert_eq(collect(&troubles, &target, &err), 0, "%s", err.text);
    for (uint64_t i = 0; i < PARTS; i++) {
        snprintf(path, sizeof path, "counts/part-%05u", (unsigned)i);
        check_file(path, part_text(i), PART_BYTES);
    }
    check_file("counts/_manifest.json", MANIFEST, strlen(MANIFEST));
    if (troubles.has_aside) {
        check_file("counts/_skipped", "side\n", 5);
    }
    cr_assert_eq(access("counts.pending-" ID, F_OK), -1);
    cr_assert_eq(troubles.lost, troubles.lacks ? 1u : troubles.lost);
    leave();
}

Test(collect, parts_become_a_directory) {
    check_directory((struct troubles){.has_aside = true});
}

Test(collect, a_damaged_piece_is_never_used) {
    check_directory((struct troubles){.damages = true});
}

Test(collect, a_part_that_is_gone_is_made_again) {
    check_directory((struct troubles){.lacks = true});
}

Test(collect, the_end_of_an_earlier_list_is_passed_over) {
    check_directory((struct troubles){.strays = true});
}

Test(collect, a_worker_that_went_away_may_come_back) {
    check_directory((struct troubles){.breaks = true});
}

Test(collect, one_that_does_not_is_given_up) {
    struct troubles troubles = {.parts = PARTS, .is_gone = true};
    struct mr_collect_target target = {.output = "counts", .patience_ms = 500};
    struct mr_error err = {0};
    enter();
    cr_assert_eq(collect(&troubles, &target, &err), MR_ERR_CLUSTER);
    cr_assert_not_null(strstr(err.text, "node reducer-1"), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "millrace wait"), "%s", err.text);
    cr_assert_eq(access("counts", F_OK), -1);
    cr_assert_eq(access("counts.pending-" ID, F_OK), -1);
    leave();
}

/* Nothing came, and nothing will: that is no success. */
Test(collect, what_somebody_else_collected_is_not_had) {
    struct troubles troubles = {.parts = PARTS, .has_ended = true};
    struct mr_collect_target target = {.output = "counts", .patience_ms = 500};
    struct mr_error err = {0};
    enter();
    cr_assert_eq(collect(&troubles, &target, &err), MR_ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "nothing to collect"), "%s", err.text);
    cr_assert_eq(access("counts", F_OK), -1);
    cr_assert_eq(access("counts.pending-" ID, F_OK), -1);
    leave();
}

static int hear_signal(struct mr_client *client, int signal_number, void *arg,
                       struct mr_error *err) {
    (void)client;
    (void)signal_number;
    *(bool *)arg = true;
    return mr_error_set(err, MR_ERR_INTERRUPTED, "interrupted");
}

/* Ctrl-C while it asks for workers, or for the manifest: nothing is left behind. */
static void interrupt_it(bool asks_for_workers) {
    struct troubles troubles = {.parts = PARTS, .is_gone = asks_for_workers, .interrupts = true};
    struct fake fake = {.hear = hear, .arg = &troubles};
    struct mr_collect_target target = {.output = "counts", .patience_ms = 60000};
    bool is_heard = false;
    struct mr_watch watch = {.job = ID, .interrupted = hear_signal, .arg = &is_heard};
    struct mr_collect *collect = NULL;
    struct mr_error err = {0};
    char *manifest = NULL;
    enter();
    troubles.attempt = 1;
    fake_start(&fake);
    struct mr_client *client = fake_client(&fake, 20000);
    cr_assert_eq(mr_collect_open(&target, ID, &collect, &err), 0, "%s", err.text);
    cr_assert_eq(mr_collect_run(collect, &watch, client, &manifest, &err), MR_ERR_INTERRUPTED);
    cr_assert(is_heard);
    mr_collect_close(collect);
    mr_watch_fini(&watch);
    mr_client_close(client);
    fake_end(&fake);
    cr_assert_eq(access("counts", F_OK), -1);
    cr_assert_eq(access("counts.pending-" ID, F_OK), -1);
    leave();
}

Test(collect, interrupted_while_it_asks_for_workers) {
    interrupt_it(true);
}

Test(collect, interrupted_while_it_asks_for_the_manifest) {
    interrupt_it(false);
}

static void check_stream(struct troubles troubles, const char *text, size_t len) {
    struct mr_error err = {0};
    enter();
    int fd = open("out", O_WRONLY | O_CREAT, 0600);
    struct mr_collect_target target = {
        .output_fd = fd, .wants_manifest = troubles.parts == 1, .patience_ms = 20000};
    cr_assert_eq(collect(&troubles, &target, &err), 0, "%s", err.text);
    close(fd);
    check_file("out", text, len);
    leave();
}

Test(collect, what_was_collected_before_is_only_told) {
    struct troubles troubles = {.parts = PARTS};
    struct troubles again = {.parts = PARTS, .is_gone = true};
    struct mr_collect_target target = {.output = "counts", .patience_ms = 500};
    struct mr_error err = {0};
    enter();
    cr_assert_eq(collect(&troubles, &target, &err), 0, "%s", err.text);
    again.was_here = true;
    cr_assert_eq(collect(&again, &target, &err), 0, "%s", err.text);
    leave();
}

Test(collect, one_part_goes_to_a_stream) {
    check_stream((struct troubles){.parts = 1}, part_text(0), PART_BYTES);
}

Test(collect, so_do_the_lines_of_a_loop) {
    check_stream((struct troubles){.has_lines = true}, "side\n", 5);
}

Test(collect, a_loop_may_have_none) {
    check_stream((struct troubles){.has_lines = true, .is_silent = true}, "", 0);
}

Test(collect, several_want_a_directory) {
    struct troubles troubles = {.parts = 2};
    struct mr_collect_target target = {.output_fd = 1, .patience_ms = 500};
    struct mr_error err = {0};
    enter();
    cr_assert_eq(collect(&troubles, &target, &err), MR_ERR_USAGE);
    cr_assert_not_null(strstr(err.text, "-o DIR"), "%s", err.text);
    leave();
}
