/* event_bytes: events as bytes, and back. */
#include "master/core/event_bytes.h"

#include "lib/base/error.h"
#include <stdlib.h>
#include <string.h>

#define VARINT_BYTES_MAX 10

/* Either way; `err` is sticky. Writing, a field is appended; reading, it is filled. */
struct io {
    bool writes;
    struct mr_buffer *out;
    const unsigned char *at;
    const unsigned char *end;
    struct mr_error *err;
};

static void refuse(struct io *io, const char *why) {
    mr_error_set(io->err, io->writes ? MR_ERR_INTERNAL : MR_ERR_INPUT,
                 "the bytes of an event are damaged: %s", why);
}

static void write_number(struct io *io, uint64_t value) {
    unsigned char bytes[VARINT_BYTES_MAX];
    size_t len = 0;
    for (; value >= 0x80; value >>= 7) {
        bytes[len++] = (unsigned char)(value | 0x80);
    }
    bytes[len++] = (unsigned char)value;
    (void)!mr_buffer_append(io->out, bytes, len, io->err);
}

static uint64_t read_number(struct io *io) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && io->at < io->end; shift += 7) {
        uint64_t byte = *io->at++;
        if (shift == 63 && byte > 1) {
            break;
        }
        value |= (byte & 0x7f) << shift;
        if (byte == 0 && shift > 0) {
            break;
        }
        if (byte < 0x80) {
            return value;
        }
    }
    refuse(io, "a number is cut off, too large, or too long");
    return 0;
}

static uint64_t io_u64(struct io *io, uint64_t value) {
    if (io->err->code) {
        return 0;
    }
    if (!io->writes) {
        return read_number(io);
    }
    write_number(io, value);
    return value;
}

static uint32_t io_u32(struct io *io, uint32_t value, uint32_t most) {
    uint64_t wide = io_u64(io, value);
    if (wide > most) {
        refuse(io, "a number is out of range");
        return 0;
    }
    return (uint32_t)wide;
}

static bool io_bool(struct io *io, bool value) {
    return io_u32(io, value, 1) != 0;
}

static int io_status(struct io *io, int status) {
    uint32_t zigzag = io_u32(io, (uint32_t)status << 1 ^ (uint32_t)(status >> 31), UINT32_MAX);
    return (int)(zigzag >> 1 ^ (0 - (zigzag & 1)));
}

/* How many items of at least `each` bytes follow. */
static uint32_t io_count(struct io *io, uint32_t count, uint32_t each) {
    count = io_u32(io, count, UINT32_MAX);
    if (!io->writes && count > (size_t)(io->end - io->at) / each) {
        refuse(io, "a list is cut off");
        return 0;
    }
    return count;
}

#define ATTEMPT_BYTES_MIN 5

static void io_attempt(struct io *io, struct mr_core_attempt *attempt) {
    attempt->job = io_u32(io, attempt->job, UINT32_MAX);
    attempt->round = io_u32(io, attempt->round, UINT32_MAX);
    attempt->phase = (enum mr_phase)io_u32(io, (uint32_t)attempt->phase, MR_PHASE_REDUCE);
    attempt->task = io_u32(io, attempt->task, UINT32_MAX);
    attempt->attempt = io_u32(io, attempt->attempt, UINT32_MAX);
}

/* Hosts stand for every map task, or for none. */
static void io_shape(struct io *io, struct mr_core_shape *shape) {
    shape->map_tasks = io_u32(io, shape->map_tasks, MR_CORE_TASKS_MAX);
    shape->reduce_tasks = io_u32(io, shape->reduce_tasks, MR_CORE_TASKS_MAX);
    if (!io_bool(io, shape->hosts != NULL) || io->err->code) {
        return;
    }
    size_t count = (size_t)shape->map_tasks * MR_CORE_HOSTS_OF_TASK;
    uint32_t *made = NULL;
    if (!io->writes && count > (size_t)(io->end - io->at)) {
        refuse(io, "the hosts are cut off");
        return;
    }
    if (!io->writes) {
        shape->hosts = made = malloc((count + 1) * sizeof *made);
        if (!made) {
            mr_error_nomem(io->err, "reading an event");
            return;
        }
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t host = io_u32(io, io->writes ? shape->hosts[i] : 0, UINT32_MAX);
        if (made) {
            made[i] = host;
        }
    }
}

static void io_held(struct io *io, struct mr_core_event *event) {
    event->held_count = io_count(io, event->held_count, ATTEMPT_BYTES_MIN);
    struct mr_core_attempt *made = NULL;
    if (event->held_count == 0 || io->err->code) {
        return;
    }
    if (io->writes && !event->held) {
        refuse(io, "outputs are held, but which?");
        return;
    }
    if (!io->writes) {
        event->held = made = calloc(event->held_count, sizeof *made);
        if (!made) {
            mr_error_nomem(io->err, "reading an event");
            return;
        }
    }
    for (uint32_t i = 0; i < event->held_count && !io->err->code; i++) {
        struct mr_core_attempt one = io->writes ? event->held[i] : (struct mr_core_attempt){0};
        io_attempt(io, &one);
        if (made) {
            made[i] = one;
        }
    }
}

static void io_event(struct io *io, struct mr_core_event *event) {
    uint32_t version = io_u32(io, MR_EVENT_BYTES_VERSION, UINT32_MAX);
    if (version != MR_EVENT_BYTES_VERSION) {
        refuse(io, "they are of another version");
    }
    event->kind = (enum mr_core_event_kind)io_u32(io, event->kind, MR_CORE_EVENT_KINDS - 1);
    event->job = io_u32(io, event->job, UINT32_MAX);
    event->round = io_u32(io, event->round, UINT32_MAX);
    io_attempt(io, &event->attempt);
    event->worker.node = io_u32(io, event->worker.node, UINT32_MAX);
    event->worker.incarnation = io_u64(io, event->worker.incarnation);
    io_shape(io, &event->shape);
    event->max_attempts = io_u32(io, event->max_attempts, UINT32_MAX);
    event->weight = io_u32(io, event->weight, UINT32_MAX);
    event->host = io_u32(io, event->host, UINT32_MAX);
    event->slots = io_u32(io, event->slots, UINT32_MAX);
    event->roles = (enum mr_core_role)io_u32(io, event->roles, MR_CORE_DOES_BOTH);
    io_held(io, event);
    event->lost_task = io_u32(io, event->lost_task, UINT32_MAX);
    event->lost_attempt = io_u32(io, event->lost_attempt, UINT32_MAX);
    event->permille = io_u32(io, event->permille, UINT32_MAX);
    event->digest = io_u64(io, event->digest);
    event->status = io_status(io, event->status);
    event->has_next = io_bool(io, event->has_next);
    event->is_early = io_bool(io, event->is_early);
    event->is_strict = io_bool(io, event->is_strict);
    event->is_fatal = io_bool(io, event->is_fatal);
    event->is_uncounted = io_bool(io, event->is_uncounted);
}

int mr_event_bytes_put(struct mr_buffer *buffer, const struct mr_core_event *event,
                       struct mr_error *err) {
    size_t before = buffer->len;
    struct mr_core_event copy = *event; /* writing changes nothing of it */
    struct io io = {.writes = true, .out = buffer, .err = err};
    io_event(&io, &copy);
    if (err->code) {
        buffer->len = before;
    }
    return err->code;
}

int mr_event_bytes_get(const void *bytes, size_t len, struct mr_core_event *event,
                       struct mr_error *err) {
    *event = (struct mr_core_event){0};
    const unsigned char *at = bytes;
    struct io io = {.at = at, .end = at + len, .err = err};
    io_event(&io, event);
    if (!err->code && io.at != io.end) {
        refuse(&io, "something follows it");
    }
    if (err->code) {
        mr_event_bytes_release(event);
    }
    return err->code;
}

void mr_event_bytes_release(struct mr_core_event *event) {
    free((void *)(uintptr_t)event->shape.hosts); /* made here, const for its readers */
    free((void *)(uintptr_t)event->held);
    event->shape.hosts = NULL;
    event->held = NULL;
    event->held_count = 0;
}
