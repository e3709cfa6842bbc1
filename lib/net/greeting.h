/* greeting: who the two ends of a connection are, and whether they fit: HELLO, WELCOME, REFUSED.
 *
 * The three messages of the greeting are of frame version 0 for ever, and later versions may only
 * add values behind those of their rows, so that any two versions can tell each other why they do
 * not fit. */
#ifndef MR_NET_GREETING_H
#define MR_NET_GREETING_H

#include "lib/base/buffer.h"
#include "lib/net/frame.h"
#include "lib/net/net.h"
#include "lib/net/role_key.h"

#include <mr/bytes.h>
#include <mr/status.h>
#include <stdint.h>

#define MR_GREETING_NAME_MAX 255   /* bytes of a node's name */
#define MR_GREETING_VERSION_MAX 63 /* and of a version's text */

/* X(name, number, who sends it, its row) */
#define MR_GREETING_KIND_TABLE(X)                                                                  \
    X(HELLO, 1, "who connected", "protocol, version, role, name")                                  \
    X(WELCOME, 2, "who accepted", "protocol, version, role, name")                                 \
    X(REFUSED, 3, "who accepted", "status, sentence, protocol, version")

enum mr_greeting_kind {
#define MR_GREETING_KIND_ROW(name, number, who, row) MR_GREETING_##name = (number),
    MR_GREETING_KIND_TABLE(MR_GREETING_KIND_ROW)
#undef MR_GREETING_KIND_ROW
};

extern const struct mr_frame_rules mr_greeting_rules;

/* Who somebody says it is. Texts are copies in here. */
struct mr_greeting {
    uint32_t protocol;
    enum mr_net_role role;
    char version[MR_GREETING_VERSION_MAX + 1];
    char name[MR_GREETING_NAME_MAX + 1];
};

/* Appends HELLO or WELCOME to `out`, as a frame. */
MR_MUST_USE int mr_greeting_write(struct mr_buffer *out, enum mr_greeting_kind kind,
                                  const struct mr_greeting *greeting, struct mr_error *err);
/* Reads the body of one. What is malformed: MR_ERR_IO. A protocol that is not ours is not judged
 * here. */
MR_MUST_USE int mr_greeting_read(struct mr_bytes body, struct mr_greeting *greeting,
                                 struct mr_error *err);

/* Whether two ends fit: the same protocol, between daemons the same version too, and a role that
 * the key allows. MR_ERR_CLUSTER with a sentence that holds both versions. */
MR_MUST_USE int mr_greeting_judge(const struct mr_greeting *ours, const struct mr_greeting *theirs,
                                  enum mr_role_key key, struct mr_error *err);

/* Appends REFUSED as a frame, and reads its body into *err, with `label` before the sentence. */
MR_MUST_USE int mr_greeting_write_refusal(struct mr_buffer *out, const struct mr_error *why,
                                          const struct mr_greeting *ours, struct mr_error *err);
int mr_greeting_read_refusal(struct mr_bytes body, const char *label, struct mr_error *err);

#endif
