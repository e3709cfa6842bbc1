/* welcome: what this process says and accepts in the greetings of its connections. */
#include "lib/net/welcome.h"

#include "lib/base/error.h"

#include <string.h>

static struct mr_greeting ours(const struct mr_net *net) {
    struct mr_greeting greeting = {.protocol = net->protocol, .role = net->role};
    strncpy(greeting.name, net->name, MR_GREETING_NAME_MAX);
    strncpy(greeting.version, net->version, MR_GREETING_VERSION_MAX);
    return greeting;
}

int mr_welcome_say(struct mr_net *net, enum mr_greeting_kind kind, struct mr_error *err) {
    struct mr_greeting greeting = ours(net);
    net->frame.len = 0;
    return mr_greeting_write(&net->frame, kind, &greeting, err);
}

int mr_welcome_refuse(struct mr_net *net, const struct mr_error *why, struct mr_error *err) {
    struct mr_greeting greeting = ours(net);
    net->frame.len = 0;
    return mr_greeting_write_refusal(&net->frame, why, &greeting, err);
}

int mr_welcome_judge(const struct mr_net *net, const struct mr_greeting *theirs,
                     enum mr_role_key key, struct mr_error *err) {
    struct mr_greeting greeting = ours(net);
    return mr_greeting_judge(&greeting, theirs, key, err);
}

int mr_welcome_read(struct mr_net *net, bool is_dialed, const char *label,
                    const struct mr_frame *frame, struct mr_greeting *theirs,
                    struct mr_error *err) {
    if (is_dialed && frame->kind == MR_GREETING_REFUSED) {
        (void)mr_greeting_read_refusal(frame->body, label, err);
    } else if (frame->kind != (is_dialed ? MR_GREETING_WELCOME : MR_GREETING_HELLO)) {
        mr_error_set(err, MR_ERR_IO, "%s greets with a message that does not belong there", label);
    } else if (mr_greeting_read(frame->body, theirs, err)) {
        mr_error_add(err, " (from %s)", label);
    }
    net->counters.bad_frames += err->code == MR_ERR_IO;
    return err->code;
}
