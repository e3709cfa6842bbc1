/* wire_send: a message of the table on its way. */
#include "lib/net/message.h"
#include "lib/net/wire.h"

int mr_wire_send_piece(struct mr_conn *conn, enum mr_wire_kind kind, const void *message,
                       struct mr_bytes piece, struct mr_error *err) {
    struct mr_message *encoded = NULL;
    struct mr_bytes body;
    if (!mr_wire_encode(kind, message, &encoded, &body, err)) {
        (void)!(kind & MR_FRAME_BULK ? mr_conn_send_bulk(conn, (uint16_t)kind, body, piece, err)
                                     : mr_conn_send(conn, (uint16_t)kind, body, err));
    }
    mr_message_destroy(encoded);
    return err->code;
}

int mr_wire_send(struct mr_conn *conn, enum mr_wire_kind kind, const void *message,
                 struct mr_error *err) {
    return mr_wire_send_piece(conn, kind, message, (struct mr_bytes){0}, err);
}
