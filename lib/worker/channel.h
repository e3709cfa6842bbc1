/* channel: framed messages between an engine and one of its task processes.
 *
 * A private descriptor, never the task's standard input or output, carries frames (net/frame.h)
 * both ways: bulk ones, of a version of the channel's own, whose small head is the order's number
 * (64 bits, little-endian) and whose piece is the message. Tasks are numbered as they are ordered,
 * and all that is said in answer names the number: an answer to another order, such as a child of
 * the job's code might give that came back from fork into the engine's loop, is an error, not a
 * result. What one side says in answer to a task is a stream that ends with END, which holds how
 * many frames came before it, how many bytes, and their XXH3-64: a stream without END is not an
 * answer, however its process ended. Messages (net/message.h) have at most 1 MiB; bulk data never
 * passes here, but through files. A frame that is longer, of another version, of an unknown kind or
 * damaged is an error after which the channel is of no more use. */
#ifndef MR_WORKER_CHANNEL_H
#define MR_WORKER_CHANNEL_H

#include "lib/base/buffer.h"
#include "lib/net/frame.h"
#include <stdbool.h>
#include <stdint.h>

#define MR_CHANNEL_VERSION 3u
#define MR_CHANNEL_HEAD_BYTES (MR_FRAME_HEAD_BYTES + 4 + 8) /* before the message */

/* X(name, what it says, who says it) */
#define MR_CHANNEL_KIND_TABLE(X)                                                                   \
    X(HELLO, "here I am: version, process number", "task")                                         \
    X(JOB, "the job: code, parameters, rounds, memory", "engine")                                  \
    X(MAP, "a map task to do", "engine")                                                           \
    X(REDUCE, "a reduce task to do", "engine")                                                     \
    X(QUIT, "nothing more to do: end", "engine")                                                   \
    X(TURN, "a loop's start or round_done to call", "engine")                                      \
    X(DONE, "a task's account and what it wrote", "task")                                          \
    X(COUNTER, "a counter of the job's own", "task")                                               \
    X(SKIPPED, "a record that was set aside", "task")                                              \
    X(FAILED, "a task's failure", "task")                                                          \
    X(END, "the answer is complete: frames, bytes, checksum", "task")

enum mr_channel_kind {
    MR_CHANNEL_NOTHING,
#define MR_CHANNEL_KIND_ROW(name, text, who) MR_CHANNEL_##name,
    MR_CHANNEL_KIND_TABLE(MR_CHANNEL_KIND_ROW)
#undef MR_CHANNEL_KIND_ROW
        MR_CHANNEL_KINDS
};

/* What went one way since the last END. */
struct mr_channel_totals {
    uint64_t frames;
    uint64_t bytes;
    uint64_t xxh3; /* of the one before and the frame, from 0 */
};

/* In the caller's storage; zero-initialise, set fd, release with mr_channel_close. */
struct mr_channel {
    int fd;
    struct mr_buffer in; /* what came and was not taken */
    size_t taken;        /* of it: the frame last handed out */
    struct mr_buffer out;
    bool gathers; /* what is sent goes when the stream is ended, all of it at once */
    struct mr_channel_totals sent;
    struct mr_channel_totals received;
    uint64_t order; /* that is under way: who orders sets it, who obeys is given it */
    /* Called while the other side does not read what is sent: waits a moment; a negative status
     * ends the sending. NULL: that waits as long as it takes. */
    int (*linger)(void *arg, struct mr_error *err);
    void *linger_arg;
};

void mr_channel_close(struct mr_channel *channel);

/* Sends a frame whole. A peer that is gone: MR_ERR_CLOSED. */
MR_MUST_USE int mr_channel_send(struct mr_channel *channel, enum mr_channel_kind kind,
                                struct mr_bytes body, struct mr_error *err);
/* Ends the stream. */
MR_MUST_USE int mr_channel_send_end(struct mr_channel *channel, struct mr_error *err);

/* Reads what there is, waiting where there is nothing; *closed: nothing will come any more. */
MR_MUST_USE int mr_channel_fill(struct mr_channel *channel, bool *closed, struct mr_error *err);
/* Takes a frame of what was read: 1, or 0 where none is whole yet, or a negative status. The body
 * is valid until the next call. An END was compared with what it ends. */
MR_MUST_USE int mr_channel_take(struct mr_channel *channel, enum mr_channel_kind *kind,
                                struct mr_bytes *body, struct mr_error *err);
/* Whether nothing came, or lies here, that was not taken, and the other side is there. */
bool mr_channel_is_silent(const struct mr_channel *channel);
/* Waits for a frame and takes it: 1, or 0 where the other side closed between two frames. */
MR_MUST_USE int mr_channel_receive(struct mr_channel *channel, enum mr_channel_kind *kind,
                                   struct mr_bytes *body, struct mr_error *err);

#endif
