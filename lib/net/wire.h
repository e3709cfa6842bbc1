/* wire: what master, workers and clients say to one another: one table of messages.
 *
 * Encoder, decoder, limits, documentation (docs/wire.md) and the fuzzer's seeds are made from the
 * tables below. A body is one MessagePack row: the fields in their order; of a list, how many rows
 * there are, then the fields of each. Numbers are unsigned. A number above its bound, a text or a
 * list that is too long, a field too few or too many: the message is refused.
 *
 * Hashes of content (blobs) are XXH3-128, as two numbers, the high half first. */
#ifndef MR_NET_WIRE_H
#define MR_NET_WIRE_H

#include "lib/net/conn.h"
#include "lib/net/layout.h"

#define MR_WIRE_PATH_MAX 4096
#define MR_WIRE_NAME_MAX 256
#define MR_WIRE_TEXT_MAX 2048 /* of a sentence */
#define MR_WIRE_ID_MAX 33     /* 32 hex digits, and the end */
#define MR_WIRE_PIECE_MAX ((uint64_t)512 << 10)
#define MR_WIRE_ROWS_MAX 8192 /* of a list: a longer one is sent in several messages */

/* Fields of struct S are N(S, name, largest value, doc), T(S, name, bytes at most with its end,
 * doc) (NULL is a value), B(S, name, bytes at most, doc), R(S, name, kind of row, rows at most,
 * doc). */

/* ---- rows -------------------------------------------------------------------------------------*/

#define MR_WIRE_ATTEMPT_FIELDS(S, N, T, B, R)                                                      \
    N(S, job, UINT32_MAX, "the master's number of the job")                                        \
    N(S, round, UINT32_MAX, "from 0; passes of a loop go on counting")                             \
    N(S, phase, 2, "0 map, 1 reduce, 2 loop")                                                      \
    N(S, task, UINT32_MAX, "from 0")                                                               \
    N(S, attempt, UINT32_MAX, "from 1")

#define MR_WIRE_HELD_FIELDS(S, N, T, B, R)                                                         \
    T(S, id, MR_WIRE_ID_MAX, "of the job")                                                         \
    N(S, round, UINT32_MAX, "whose output it is")                                                  \
    N(S, phase, 3,                                                                                 \
      "0 a map output, 1 pairs for the next round, 3 a part to be collected; 2: none, but the "    \
      "job "                                                                                       \
      "is known")                                                                                  \
    N(S, task, UINT32_MAX, "")                                                                     \
    N(S, attempt, UINT32_MAX, "")                                                                  \
    N(S, digest, UINT64_MAX, "of the output: equal for equal records")

#define MR_WIRE_MOVED_FIELDS(S, N, T, B, R)                                                        \
    MR_WIRE_ATTEMPT_FIELDS(S, N, T, B, R)                                                          \
    N(S, permille, 1000, "how far it is")                                                          \
    N(S, bytes, UINT64_MAX, "of its input, read so far")

#define MR_WIRE_SOURCE_FIELDS(S, N, T, B, R)                                                       \
    N(S, task, UINT32_MAX, "")                                                                     \
    N(S, attempt, UINT32_MAX, "the winner's; 0: withdrawn")                                        \
    N(S, node, UINT32_MAX, "that holds its output")

#define MR_WIRE_NUMBER_FIELDS(S, N, T, B, R) N(S, value, UINT64_MAX, "")

#define MR_WIRE_PART_FIELDS(S, N, T, B, R)                                                         \
    N(S, task, UINT32_MAX, "")                                                                     \
    N(S, attempt, UINT32_MAX, "the winner's")                                                      \
    N(S, records, UINT64_MAX, "")                                                                  \
    N(S, bytes, UINT64_MAX, "")                                                                    \
    N(S, xxh3, UINT64_MAX, "of the file")                                                          \
    N(S, node, UINT32_MAX, "that holds it, where the output is collected")                         \
    N(S, round, UINT32_MAX, "that its task was of, as FETCH says it")

#define MR_WIRE_ASIDE_FIELDS(S, N, T, B, R)                                                        \
    N(S, offset, UINT64_MAX, "of the record in its input")                                         \
    N(S, len, UINT64_MAX, "of the record")                                                         \
    B(S, record, 1 << 16, "its first bytes")

#define MR_WIRE_JOB_LINE_FIELDS(S, N, T, B, R)                                                     \
    N(S, job, UINT32_MAX, "")                                                                      \
    T(S, id, MR_WIRE_ID_MAX, "")                                                                   \
    T(S, label, MR_WIRE_TEXT_MAX, "the command, for people")                                       \
    T(S, state, MR_WIRE_NAME_MAX,                                                                  \
      "waiting (for a worker), queued (for a slot), running, closing, "                            \
      "publishing, uncollected, stopping, done, failed, cancelled")                                \
    N(S, round, UINT32_MAX, "under way, from 0")                                                   \
    N(S, rounds, UINT32_MAX, "")                                                                   \
    N(S, pass, UINT64_MAX, "of a loop, from 1; 0: none")                                           \
    N(S, map_tasks, UINT32_MAX, "of the round")                                                    \
    N(S, maps_done, UINT32_MAX, "")                                                                \
    N(S, reduce_tasks, UINT32_MAX, "")                                                             \
    N(S, reduces_done, UINT32_MAX, "")                                                             \
    N(S, running, UINT32_MAX, "attempts")                                                          \
    N(S, failed, UINT32_MAX, "attempts so far")                                                    \
    N(S, bytes_done, UINT64_MAX, "of the input, mapped so far")                                    \
    N(S, bytes_total, UINT64_MAX, "")                                                              \
    N(S, records, UINT64_MAX, "of the input, of one that is done")                                 \
    N(S, skipped, UINT64_MAX, "records set aside, of one that is done")                            \
    N(S, seconds_us, UINT64_MAX, "since it was submitted, or what it took")                        \
    N(S, status, 255, "0, or minus the job's status")                                              \
    T(S, why, MR_WIRE_TEXT_MAX, "it failed, or waits; NULL: neither")

#define MR_WIRE_TASK_LINE_FIELDS(S, N, T, B, R)                                                    \
    N(S, round, UINT32_MAX, "")                                                                    \
    N(S, phase, 2, "")                                                                             \
    N(S, task, UINT32_MAX, "")                                                                     \
    N(S, attempt, UINT32_MAX, "the winner's, or the last that began; 0: none")                     \
    T(S, state, MR_WIRE_NAME_MAX, "ready, running, done, failed")                                  \
    T(S, node, MR_WIRE_NAME_MAX, "its name; NULL: none")                                           \
    N(S, seconds_us, UINT64_MAX, "")                                                               \
    N(S, permille, 1000, "")                                                                       \
    T(S, why, MR_WIRE_TEXT_MAX, "the attempt failed; NULL: it didn't")

#define MR_WIRE_NODE_LINE_FIELDS(S, N, T, B, R)                                                    \
    N(S, node, UINT32_MAX, "")                                                                     \
    T(S, name, MR_WIRE_NAME_MAX, "")                                                               \
    T(S, state, MR_WIRE_NAME_MAX, "ready, draining, set aside, gone")                              \
    N(S, roles, 3, "1 maps, 2 reduces, 3 both")                                                    \
    N(S, slots, UINT32_MAX, "")                                                                    \
    N(S, busy, UINT32_MAX, "")                                                                     \
    N(S, held, UINT32_MAX, "map outputs that are needed")                                          \
    T(S, address, MR_WIRE_NAME_MAX, "where it serves what it holds")                               \
    N(S, heard_ms, UINT64_MAX, "ago")

/* X(row name, NAME of its fields) */
#define MR_WIRE_ROW_TABLE(X)                                                                       \
    X(held, HELD)                                                                                  \
    X(moved, MOVED)                                                                                \
    X(source, SOURCE)                                                                              \
    X(number, NUMBER)                                                                              \
    X(part, PART)                                                                                  \
    X(aside, ASIDE)                                                                                \
    X(job_line, JOB_LINE)                                                                          \
    X(task_line, TASK_LINE)                                                                        \
    X(node_line, NODE_LINE)

/* ---- between a worker and the master
 * ------------------------------------------------------------*/

#define MR_WIRE_REGISTER_FIELDS(S, N, T, B, R)                                                     \
    N(S, incarnation, UINT64_MAX, "of this start of the worker, random")                           \
    N(S, identity, UINT64_MAX, "of its scratch folder, random: one that comes back has the same")  \
    T(S, name, MR_WIRE_NAME_MAX, "for people")                                                     \
    T(S, host, MR_WIRE_NAME_MAX, "the machine, as its kernel names this boot of it")               \
    N(S, roles, 3, "1 maps, 2 reduces, 3 both")                                                    \
    N(S, slots, 4096, "")                                                                          \
    T(S, address, MR_WIRE_NAME_MAX, "where it serves what it holds: HOST:PORT")                    \
    T(S, scratch, MR_WIRE_PATH_MAX, "where that lies, for workers on the same machine")            \
    T(S, cluster, MR_WIRE_ID_MAX, "that its scratch is of; NULL: none yet")                        \
    N(S, epoch, UINT64_MAX, "of the master it obeyed last; 0: none")                               \
    N(S, start, UINT64_MAX, "that epoch's random number")                                          \
    N(S, sequence, UINT64_MAX, "of the journal, as that master said last")                         \
    N(S, accepts_older, 1, "1: also where this journal is not the one that said so")               \
    R(S, held, held, MR_WIRE_ROWS_MAX, "outputs that it holds; more follow in HELD")               \
    N(S, held_follows, 1, "1: the list goes on")

#define MR_WIRE_MORE_HELD_FIELDS(S, N, T, B, R)                                                    \
    R(S, held, held, MR_WIRE_ROWS_MAX, "")                                                         \
    N(S, held_follows, 1, "1: the list goes on")

#define MR_WIRE_REGISTERED_FIELDS(S, N, T, B, R)                                                   \
    N(S, node, UINT32_MAX, "its number here")                                                      \
    N(S, epoch, UINT64_MAX, "how often this master's journal was opened")                          \
    N(S, start, UINT64_MAX, "a random number, of this epoch: another journal has another")         \
    N(S, sequence, UINT64_MAX, "of the journal: all before it is durable")                         \
    N(S, lease_ms, UINT32_MAX, "without a renewal for so long it ends its attempts")               \
    N(S, heartbeat_ms, UINT32_MAX, "")                                                             \
    T(S, cluster, MR_WIRE_ID_MAX, "the journal's id: a worker's scratch belongs to one")

#define MR_WIRE_HEARTBEAT_FIELDS(S, N, T, B, R)                                                    \
    N(S, number, UINT64_MAX, "from 1, one more each time")                                         \
    N(S, renewed, UINT64_MAX, "the last RENEWED that came; 0: none")                               \
    R(S, moved, moved, 4096, "attempts under way")

#define MR_WIRE_RENEWED_FIELDS(S, N, T, B, R)                                                      \
    N(S, number, UINT64_MAX, "of the heartbeat that it answers")                                   \
    N(S, epoch, UINT64_MAX, "")                                                                    \
    N(S, sequence, UINT64_MAX, "")

#define MR_WIRE_REFUSED_FIELDS(S, N, T, B, R)                                                      \
    T(S, why, MR_WIRE_TEXT_MAX, "")                                                                \
    N(S, is_final, 1, "1: don't ask again: your name is that of another worker, who is there")

#define MR_WIRE_JOB_FIELDS(S, N, T, B, R)                                                          \
    N(S, job, UINT32_MAX, "")                                                                      \
    T(S, id, MR_WIRE_ID_MAX, "")                                                                   \
    N(S, spec_high, UINT64_MAX, "the blob of its SPEC")                                            \
    N(S, spec_low, UINT64_MAX, "")

#define MR_WIRE_PEER_FIELDS(S, N, T, B, R)                                                         \
    N(S, node, UINT32_MAX, "")                                                                     \
    N(S, incarnation, UINT64_MAX, "")                                                              \
    T(S, name, MR_WIRE_NAME_MAX, "")                                                               \
    T(S, host, MR_WIRE_NAME_MAX, "")                                                               \
    T(S, address, MR_WIRE_NAME_MAX, "")                                                            \
    T(S, scratch, MR_WIRE_PATH_MAX, "")

#define MR_WIRE_SOURCES_FIELDS(S, N, T, B, R)                                                      \
    N(S, job, UINT32_MAX, "")                                                                      \
    N(S, round, UINT32_MAX, "whose tasks read it: pairs of the round before, or map outputs")      \
    N(S, phase, 1, "of these tasks: 0 map, 1 reduce")                                              \
    N(S, total, UINT32_MAX, "tasks whose output they read, in all")                                \
    R(S, sources, source, MR_WIRE_ROWS_MAX, "those that are known by now, or changed")

#define MR_WIRE_START_FIELDS(S, N, T, B, R)                                                        \
    MR_WIRE_ATTEMPT_FIELDS(S, N, T, B, R)                                                          \
    N(S, partitions, UINT32_MAX, "of the round")                                                   \
    N(S, is_last, 1, "its lines are the job's output")                                             \
    N(S, care_block, UINT64_MAX, "the block that begins there is mapped a record at a time")       \
    R(S, skips, number, 4096, "records that are set aside begin there")                            \
    N(S, pass, UINT64_MAX, "of a loop, from 1; 0: none")                                           \
    N(S, state_len, UINT64_MAX, "of the loop's state, a blob")                                     \
    N(S, state_high, UINT64_MAX, "")                                                               \
    N(S, state_low, UINT64_MAX, "")                                                                \
    N(S, memory_shift, 8, "its buffers are halved so often")

#define MR_WIRE_DONE_FIELDS(S, N, T, B, R)                                                         \
    MR_WIRE_ATTEMPT_FIELDS(S, N, T, B, R)                                                          \
    N(S, digest, UINT64_MAX, "of its output")                                                      \
    B(S, account, 1 << 19, "what it did: lib/job/account")                                         \
    N(S, seconds_us, UINT64_MAX, "")                                                               \
    R(S, aside, aside, 4096, "records that were set aside")

#define MR_WIRE_FAILED_FIELDS(S, N, T, B, R)                                                       \
    MR_WIRE_ATTEMPT_FIELDS(S, N, T, B, R)                                                          \
    N(S, status, 255, "minus the status")                                                          \
    N(S, is_fatal, 1, "another attempt can't help")                                                \
    N(S, is_crash, 1, "its process died of it")                                                    \
    N(S, is_broken, 1, "its process spoke as none does: nothing is known of the task")             \
    N(S, is_stopped, 1, "it was not wanted any more")                                              \
    N(S, is_memory, 1, "it used more than it may")                                                 \
    N(S, has_place, 1, "it is known where its code was:")                                          \
    N(S, is_exact, 1, "at which record")                                                           \
    N(S, offset, UINT64_MAX, "")                                                                   \
    N(S, block, UINT64_MAX, "where the block of that record begins")                               \
    T(S, why, MR_WIRE_TEXT_MAX, "")                                                                \
    N(S, seconds_us, UINT64_MAX, "")

#define MR_WIRE_LOST_FIELDS(S, N, T, B, R)                                                         \
    MR_WIRE_ATTEMPT_FIELDS(S, N, T, B, R)                                                          \
    N(S, lost_task, UINT32_MAX, "the task whose output it can't read")                             \
    N(S, lost_attempt, UINT32_MAX, "")                                                             \
    N(S, is_damaged, 1, "it came, and is wrong; 0: it could not be had")                           \
    T(S, why, MR_WIRE_TEXT_MAX, "")

#define MR_WIRE_STOP_FIELDS(S, N, T, B, R) MR_WIRE_ATTEMPT_FIELDS(S, N, T, B, R)

#define MR_WIRE_ANSWER_FIELDS(S, N, T, B, R)                                                       \
    MR_WIRE_ATTEMPT_FIELDS(S, N, T, B, R)                                                          \
    N(S, is_accepted, 1, "0: it came too late, and nothing of it counts")

#define MR_WIRE_DISCARD_FIELDS(S, N, T, B, R) MR_WIRE_ATTEMPT_FIELDS(S, N, T, B, R)

#define MR_WIRE_DISCARD_ROUND_FIELDS(S, N, T, B, R)                                                \
    N(S, job, UINT32_MAX, "")                                                                      \
    N(S, round, UINT32_MAX, "")                                                                    \
    N(S, phase, 2, "of the outputs that nobody needs any more")

#define MR_WIRE_FORGET_FIELDS(S, N, T, B, R)                                                       \
    N(S, job, UINT32_MAX, "that is over, or 0")                                                    \
    T(S, id, MR_WIRE_ID_MAX, "its id")

#define MR_WIRE_PUBLISH_FIELDS(S, N, T, B, R)                                                      \
    N(S, job, UINT32_MAX, "")                                                                      \
    R(S, parts, part, MR_WIRE_ROWS_MAX, "in their order")                                          \
    N(S, parts_follow, 1, "1: the list goes on in another PUBLISH; the rest of this one is void")  \
    N(S, manifest_high, UINT64_MAX, "a blob: the text of the manifest")                            \
    N(S, manifest_low, UINT64_MAX, "")                                                             \
    N(S, aside_high, UINT64_MAX, "a blob: the side file of the records set aside; 0, 0: none")     \
    N(S, aside_low, UINT64_MAX, "")                                                                \
    N(S, lines_high, UINT64_MAX, "a blob: the lines of a loop, its one part; 0, 0: none")          \
    N(S, lines_low, UINT64_MAX, "")

#define MR_WIRE_PUBLISHED_FIELDS(S, N, T, B, R)                                                    \
    N(S, job, UINT32_MAX, "")                                                                      \
    N(S, status, 255, "0, or minus the status")                                                    \
    T(S, why, MR_WIRE_TEXT_MAX, "")                                                                \
    N(S, has_lost, 1, "a part is gone or wrong: which")                                            \
    N(S, lost_task, UINT32_MAX, "")                                                                \
    N(S, lost_attempt, UINT32_MAX, "")

#define MR_WIRE_TURN_FIELDS(S, N, T, B, R)                                                         \
    N(S, job, UINT32_MAX, "")                                                                      \
    N(S, round, UINT32_MAX, "whose pairs it reads")                                                \
    N(S, attempt, UINT32_MAX, "from 1")                                                            \
    N(S, pass, UINT64_MAX, "that ended; 0: start is called")                                       \
    N(S, partitions, UINT32_MAX, "of the pass's last round")                                       \
    N(S, state_len, UINT64_MAX, "")                                                                \
    N(S, state_high, UINT64_MAX, "")                                                               \
    N(S, state_low, UINT64_MAX, "")

#define MR_WIRE_TURNED_FIELDS(S, N, T, B, R)                                                       \
    N(S, job, UINT32_MAX, "")                                                                      \
    N(S, attempt, UINT32_MAX, "")                                                                  \
    N(S, pass, UINT64_MAX, "")                                                                     \
    N(S, status, 255, "0, or minus the status")                                                    \
    N(S, is_fatal, 1, "")                                                                          \
    N(S, is_broken, 1, "its process spoke as none does")                                           \
    T(S, why, MR_WIRE_TEXT_MAX, "")                                                                \
    N(S, has_lost, 1, "pairs could not be had: of which task")                                     \
    N(S, lost_task, UINT32_MAX, "")                                                                \
    N(S, lost_attempt, UINT32_MAX, "")                                                             \
    N(S, again, 1, "another pass follows")                                                         \
    N(S, state_len, UINT64_MAX, "")                                                                \
    N(S, state_high, UINT64_MAX, "of the state that it set, which came as a blob before")          \
    N(S, state_low, UINT64_MAX, "")                                                                \
    N(S, lines_len, UINT64_MAX, "")                                                                \
    N(S, lines_high, UINT64_MAX, "of the lines that it wrote, likewise; 0, 0: none")               \
    N(S, lines_low, UINT64_MAX, "")                                                                \
    N(S, lines_records, UINT64_MAX, "")                                                            \
    B(S, account, 1 << 19, "the job's own counters")

#define MR_WIRE_LEAVE_FIELDS(S, N, T, B, R)                                                        \
    T(S, why, MR_WIRE_TEXT_MAX, "it wants nothing new, and ends when nobody needs what it holds")

#define MR_WIRE_FENCED_FIELDS(S, N, T, B, R)                                                       \
    T(S, why, MR_WIRE_TEXT_MAX, "this incarnation is void: end all attempts, begin anew")

#define MR_WIRE_DRAINED_FIELDS(S, N, T, B, R) N(S, node, UINT32_MAX, "which you are")

#define MR_WIRE_CLEAR_FIELDS(S, N, T, B, R)                                                        \
    T(S, id, MR_WIRE_ID_MAX, "of the job")                                                         \
    T(S, output, MR_WIRE_PATH_MAX, "the directory that it was to make: OUTPUT.pending-ID goes")

#define MR_WIRE_CLEARED_FIELDS(S, N, T, B, R)                                                      \
    T(S, id, MR_WIRE_ID_MAX, "of the job")                                                         \
    N(S, found, 2,                                                                                 \
      "0: its place is not seen here, or it could not be removed; 1: it was removed, or is kept "  \
      "for the user; 2: nothing is there")

/* ---- blobs: any two
 * ------------------------------------------------------------------------------*/

#define MR_WIRE_WANT_FIELDS(S, N, T, B, R)                                                         \
    N(S, high, UINT64_MAX, "the hash of a blob that the sender lacks")                             \
    N(S, low, UINT64_MAX, "")

#define MR_WIRE_BLOB_FIELDS(S, N, T, B, R)                                                         \
    N(S, high, UINT64_MAX, "")                                                                     \
    N(S, low, UINT64_MAX, "")                                                                      \
    N(S, total, (uint64_t)1 << 32, "bytes; 0 where offset is too: there is no such blob")          \
    N(S, offset, (uint64_t)1 << 32, "of this piece, which is the frame's; pieces come in order")

/* ---- between a client and the master
 * -------------------------------------------------------------*/

#define MR_WIRE_SUBMIT_FIELDS(S, N, T, B, R)                                                       \
    T(S, id, MR_WIRE_ID_MAX, "made by the client: submitting twice is submitting once")            \
    N(S, spec_high, UINT64_MAX, "the blob of the SPEC; what the master lacks it WANTs")            \
    N(S, spec_low, UINT64_MAX, "")

#define MR_WIRE_SUBMITTED_FIELDS(S, N, T, B, R)                                                    \
    N(S, job, UINT32_MAX, "")                                                                      \
    T(S, id, MR_WIRE_ID_MAX, "")                                                                   \
    N(S, was_known, 1, "it was submitted before")

#define MR_WIRE_ASK_JOBS_FIELDS(S, N, T, B, R)                                                     \
    T(S, job, MR_WIRE_NAME_MAX, "a number, or what its id begins with; NULL: all")                 \
    N(S, tasks, 1, "the job's tasks too")

#define MR_WIRE_JOBS_FIELDS(S, N, T, B, R)                                                         \
    R(S, jobs, job_line, MR_WIRE_ROWS_MAX, "")                                                     \
    R(S, tasks, task_line, MR_WIRE_ROWS_MAX, "of the one job")                                     \
    N(S, follows, 1, "1: more in another JOBS")

#define MR_WIRE_FOLLOW_FIELDS(S, N, T, B, R)                                                       \
    T(S, job, MR_WIRE_NAME_MAX, "PROGRESS comes until it ends, then ENDED")

#define MR_WIRE_PROGRESS_FIELDS(S, N, T, B, R)                                                     \
    R(S, jobs, job_line, 1, "")                                                                    \
    N(S, nodes, UINT32_MAX, "that are ready")                                                      \
    T(S, news, MR_WIRE_TEXT_MAX, "what is done again, and why; NULL: nothing new")

#define MR_WIRE_ENDED_FIELDS(S, N, T, B, R)                                                        \
    R(S, jobs, job_line, 1, "")                                                                    \
    N(S, manifest_high, UINT64_MAX, "a blob: the manifest; 0, 0: none")                            \
    N(S, manifest_low, UINT64_MAX, "")                                                             \
    T(S, log, MR_WIRE_TEXT_MAX, "the last lines of the failed attempt's log; NULL: none")

#define MR_WIRE_COLLECT_FIELDS(S, N, T, B, R)                                                      \
    T(S, job, MR_WIRE_NAME_MAX, "PARTS comes when its parts are there, or ENDED")

#define MR_WIRE_PARTS_FIELDS(S, N, T, B, R)                                                        \
    R(S, parts, part, MR_WIRE_ROWS_MAX, "in their order")                                          \
    N(S, follows, 1, "1: more in another PARTS")                                                   \
    N(S, manifest_high, UINT64_MAX, "a blob")                                                      \
    N(S, manifest_low, UINT64_MAX, "")                                                             \
    N(S, aside_high, UINT64_MAX, "a blob; 0, 0: none")                                             \
    N(S, aside_low, UINT64_MAX, "")                                                                \
    N(S, lines_high, UINT64_MAX, "a blob; 0, 0: none")                                             \
    N(S, lines_low, UINT64_MAX, "")

#define MR_WIRE_COLLECTED_FIELDS(S, N, T, B, R)                                                    \
    T(S, job, MR_WIRE_NAME_MAX, "")                                                                \
    N(S, status, 255, "0: the client has all; or minus the status of why it can't")                \
    T(S, why, MR_WIRE_TEXT_MAX, "")                                                                \
    N(S, has_lost, 1, "a part is gone or wrong: which; PARTS comes again when it was made again")  \
    N(S, lost_task, UINT32_MAX, "")                                                                \
    N(S, lost_attempt, UINT32_MAX, "")

#define MR_WIRE_CANCEL_FIELDS(S, N, T, B, R) T(S, job, MR_WIRE_NAME_MAX, "")

#define MR_WIRE_ASK_NODES_FIELDS(S, N, T, B, R) N(S, all, 1, "those that are gone too")

#define MR_WIRE_NODES_FIELDS(S, N, T, B, R)                                                        \
    R(S, nodes, node_line, MR_WIRE_ROWS_MAX, "")                                                   \
    N(S, follows, 1, "1: more in another NODES")

#define MR_WIRE_DRAIN_FIELDS(S, N, T, B, R)                                                        \
    T(S, node, MR_WIRE_NAME_MAX, "a number or a name")                                             \
    N(S, back, 1, "1: give it tasks again")

#define MR_WIRE_DEAD_FIELDS(S, N, T, B, R)                                                         \
    T(S, name, MR_WIRE_NAME_MAX, "of the worker")                                                  \
    T(S, address, MR_WIRE_NAME_MAX, "where it served: one that came back since serves elsewhere")

#define MR_WIRE_ASK_LOG_FIELDS(S, N, T, B, R)                                                      \
    T(S, job, MR_WIRE_NAME_MAX, "")                                                                \
    N(S, phase, 3, "0 map, 1 reduce, 2 loop; 3: of the first failure")                             \
    N(S, round, UINT32_MAX, "UINT32_MAX: the one under way; the master tells a worker which")      \
    N(S, task, UINT32_MAX, "")                                                                     \
    N(S, attempt, UINT32_MAX, "0: the last that left one")

#define MR_WIRE_LOG_FIELDS(S, N, T, B, R)                                                          \
    MR_WIRE_ATTEMPT_FIELDS(S, N, T, B, R)                                                          \
    T(S, node, MR_WIRE_NAME_MAX, "where it ran")                                                   \
    N(S, total, UINT64_MAX, "bytes that it wrote; what is more than can be kept was dropped")      \
    B(S, bytes, MR_WIRE_PIECE_MAX, "")                                                             \
    N(S, follows, 1, "1: more in another LOG")

#define MR_WIRE_RESULT_FIELDS(S, N, T, B, R)                                                       \
    N(S, status, 255, "0, or minus the status: how the request went")                              \
    T(S, why, MR_WIRE_TEXT_MAX, "")

/* ---- between workers; a client that collects is one too
 * -------------------------------------------*/

#define MR_WIRE_FETCH_FIELDS(S, N, T, B, R)                                                        \
    N(S, number, UINT64_MAX, "of the request")                                                     \
    T(S, id, MR_WIRE_ID_MAX, "of the job")                                                         \
    N(S, round, UINT32_MAX, "")                                                                    \
    N(S, phase, 3, "0 a map output, 1 pairs for the next round, 3 a part")                         \
    N(S, task, UINT32_MAX, "")                                                                     \
    N(S, attempt, UINT32_MAX, "")                                                                  \
    N(S, codec, 1, "0 none, 1 lz4")                                                                \
    R(S, partitions, number, MR_WIRE_ROWS_MAX, "that are wanted; none: the whole file")

#define MR_WIRE_PIECE_FIELDS(S, N, T, B, R)                                                        \
    N(S, number, UINT64_MAX, "of the request")                                                     \
    N(S, offset, UINT64_MAX, "in the file, of the bytes, which are the frame's piece")             \
    N(S, len, MR_WIRE_PIECE_MAX, "of them when decompressed")                                      \
    N(S, xxh3, UINT64_MAX, "of these")                                                             \
    N(S, codec, 1, "0 none, 1 lz4")

#define MR_WIRE_FETCHED_FIELDS(S, N, T, B, R)                                                      \
    N(S, number, UINT64_MAX, "")                                                                   \
    N(S, size, UINT64_MAX, "of the file")                                                          \
    N(S, status, 255, "0, or minus the status: it can't be had")                                   \
    T(S, why, MR_WIRE_TEXT_MAX, "")

/* ---- the messages
 * ---------------------------------------------------------------------------------*/

/* X(NAME, struct, number, who sends it, what it says). Numbers stay: 1 to 15 are the connection's
 * own. */
#define MR_WIRE_TABLE(X)                                                                           \
    X(REGISTER, register, 16, "worker", "a worker is there, or again")                             \
    X(MORE_HELD, more_held, 17, "worker", "more of what it holds")                                 \
    X(REGISTERED, registered, 18, "master", "it is taken in, and what holds here")                 \
    X(HEARTBEAT, heartbeat, 19, "worker", "it lives, and how far its attempts are")                \
    X(RENEWED, renewed, 20, "master", "its lease goes on")                                         \
    X(JOB, job, 21, "master", "a job whose tasks will come")                                       \
    X(PEER, peer, 22, "master", "a worker that holds what tasks read")                             \
    X(SOURCES, sources, 23, "master", "which attempts won what tasks read, and where it lies")     \
    X(START, start, 24, "master", "run this attempt; harmless where it runs already")              \
    X(STOP, stop, 25, "master", "end this attempt, and say so")                                    \
    X(DONE, done, 26, "worker", "the attempt asks to be the task's winner")                        \
    X(FAILED, failed, 27, "worker", "the attempt has ended without a result")                      \
    X(LOST, lost, 28, "worker", "the attempt has ended: it can't read what another left")          \
    X(ANSWER, answer, 29, "master", "whether the attempt won; again for whoever asks again")       \
    X(DISCARD, discard, 30, "master", "what this attempt left is not needed")                      \
    X(DISCARD_ROUND, discard_round, 31, "master", "nor is what a whole round left")                \
    X(FORGET, forget, 32, "master", "the job is over: all of it can go")                           \
    X(PUBLISH, publish, 33, "master", "make the job's output appear; harmless where it did")       \
    X(PUBLISHED, published, 34, "worker", "how that went")                                         \
    X(TURN, turn, 35, "master", "call a loop's start or round_done")                               \
    X(TURNED, turned, 36, "worker", "what it said")                                                \
    X(LEAVE, leave, 37, "worker", "drain me")                                                      \
    X(FENCED, fenced, 38, "master", "you were given up")                                           \
    X(WANT, want, 39, "anybody", "send this blob")                                                 \
    X(BLOB, blob, 40 | MR_FRAME_BULK, "anybody", "a piece of a blob")                              \
    X(DRAINED, drained, 41, "master", "nothing that you run or hold is needed: you may end")       \
    X(REFUSED, refused, 42, "master", "you are not taken in: ask again, but seldom")               \
    X(CLEAR, clear, 43, "master",                                                                  \
      "a job is over, and did not succeed: remove what is left beside its output")                 \
    X(CLEARED, cleared, 44, "worker", "how that went")                                             \
    X(SUBMIT, submit, 48, "client", "run this job")                                                \
    X(SUBMITTED, submitted, 49, "master", "the job is journaled: nothing loses it")                \
    X(ASK_JOBS, ask_jobs, 50, "client", "how do jobs stand")                                       \
    X(JOBS, jobs, 51, "master", "so they stand")                                                   \
    X(FOLLOW, follow, 52, "client", "tell how a job goes on until it ends")                        \
    X(PROGRESS, progress, 53, "master", "so far it is")                                            \
    X(ENDED, ended, 54, "master", "the job has ended")                                             \
    X(COLLECT, collect, 55, "client", "tell where the output's parts are, when they are")          \
    X(PARTS, parts, 56, "master", "there they are")                                                \
    X(COLLECTED, collected, 57, "client", "the parts are here, or can't be had")                   \
    X(CANCEL, cancel, 58, "client", "end a job; a RESULT answers")                                 \
    X(ASK_NODES, ask_nodes, 59, "client", "which workers are there")                               \
    X(NODES, nodes, 60, "master", "these")                                                         \
    X(DRAIN, drain, 61, "client", "give a worker nothing new; a RESULT answers")                   \
    X(ASK_LOG, ask_log, 62, "anybody", "an attempt's log; the master passes it on")                \
    X(LOG, log, 63, "anybody", "what an attempt wrote to standard output and error")               \
    X(RESULT, result, 64, "master", "how a request went")                                          \
    X(DEAD, dead, 65, "client", "who started a worker saw it die; a RESULT answers")               \
    X(FETCH, fetch, 80, "worker", "bytes of an output, please")                                    \
    X(PIECE, piece, 81 | MR_FRAME_BULK, "worker", "some of them")                                  \
    X(FETCHED, fetched, 82, "worker", "that was all, or it can't be had")

enum mr_wire_kind {
    MR_WIRE_NOTHING = 0,
#define MR_WIRE_KIND(NAME, name, number, who, doc) MR_WIRE_##NAME = (number),
    MR_WIRE_TABLE(MR_WIRE_KIND)
#undef MR_WIRE_KIND
        MR_WIRE_KINDS = 96 /* all are below, but for the bit of bulk frames */
};

/* The structs: struct mr_wire_row_NAME of rows, struct mr_wire_NAME of messages. */
#define MR_WIRE_N(S, name, max, doc) uint64_t name;
#define MR_WIRE_T(S, name, max, doc) const char *name;
#define MR_WIRE_B(S, name, max, doc) struct mr_bytes name;
#define MR_WIRE_R(S, name, row, max, doc)                                                          \
    const struct mr_wire_row_##row *name;                                                          \
    size_t name##_count;
#define MR_WIRE_ROW_STRUCT(row, NAME)                                                              \
    struct mr_wire_row_##row {                                                                     \
        MR_WIRE_##NAME##_FIELDS(, MR_WIRE_N, MR_WIRE_T, MR_WIRE_B, MR_WIRE_R)                      \
    };
#define MR_WIRE_STRUCT(NAME, name, number, who, doc)                                               \
    struct mr_wire_##name {                                                                        \
        MR_WIRE_##NAME##_FIELDS(, MR_WIRE_N, MR_WIRE_T, MR_WIRE_B, MR_WIRE_R)                      \
    };
MR_WIRE_ROW_TABLE(MR_WIRE_ROW_STRUCT)
MR_WIRE_TABLE(MR_WIRE_STRUCT)
#undef MR_WIRE_N
#undef MR_WIRE_T
#undef MR_WIRE_B
#undef MR_WIRE_R
#undef MR_WIRE_ROW_STRUCT
#undef MR_WIRE_STRUCT

/* What the table says of a kind; NULL: there is no such message. */
struct mr_wire_about {
    enum mr_wire_kind kind;
    const char *name; /* in capitals */
    const char *sender;
    const char *doc;
    const struct mr_layout *layout;
};
const struct mr_wire_about *mr_wire_about(unsigned kind);

struct mr_message;

/* Encodes `message`, the kind's struct. The body is valid until *encoded, the caller's, is
 * destroyed (mr_message_destroy; also after a failure). */
MR_MUST_USE int mr_wire_encode(enum mr_wire_kind kind, const void *message,
                               struct mr_message **encoded, struct mr_bytes *body,
                               struct mr_error *err);

/* How long a frame of this kind may be: for struct mr_net_config. */
int64_t mr_wire_limit(uint16_t kind);

/* Encodes and sends; errors of mr_conn_send. The second is for bulk kinds. */
MR_MUST_USE int mr_wire_send(struct mr_conn *conn, enum mr_wire_kind kind, const void *message,
                             struct mr_error *err);
MR_MUST_USE int mr_wire_send_piece(struct mr_conn *conn, enum mr_wire_kind kind,
                                   const void *message, struct mr_bytes piece,
                                   struct mr_error *err);

/* Room for any message. */
union mr_wire_any {
#define MR_WIRE_MEMBER(NAME, name, number, who, doc) struct mr_wire_##name name##_;
    MR_WIRE_TABLE(MR_WIRE_MEMBER)
#undef MR_WIRE_MEMBER
};

/* Decodes a frame's body (a bulk frame's small head) into the kind's struct. What it points to
 * lives as long as `held` and `body`; release `held` with mr_layout_release in any case. MR_ERR_IO:
 * the body is malformed, or there is no such kind. */
MR_MUST_USE int mr_wire_decode(unsigned kind, struct mr_bytes body, union mr_wire_any *message,
                               struct mr_layout_held *held, struct mr_error *err);

#endif
