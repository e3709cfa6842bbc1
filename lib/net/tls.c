/* tls: one TLS 1.3 session between two holders of the cluster's secret, in memory. */
#include "lib/net/tls.h"

#include "lib/base/error.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

/* Both have SHA-256, so that one key serves both. */
#define SUITES "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
#define NO_TLS "OpenSSL can't speak TLS 1.3 here"
#define RECORD_BYTES ((size_t)16 << 10)
#define RECORD_EXTRA ((size_t)32) /* what encryption adds to a record, at most */

static const unsigned char suite[2] = {0x13, 0x01}; /* TLS_AES_128_GCM_SHA256 */

struct mr_tls_keys {
    SSL_CTX *contexts[2]; /* by side */
    BIO_METHOD *memory;
    unsigned char keys[MR_ROLE_KEYS][MR_ROLE_KEY_BYTES];
};

struct mr_tls {
    struct mr_tls_keys *keys;
    SSL *ssl;
    enum mr_role_key role;
    struct mr_bytes in;
    struct mr_buffer out;
    bool is_up;
    bool has_failed;
    bool has_no_memory;
};

/* ---- bytes in and out ------------------------------------------------------------------------ */

static int memory_read(BIO *bio, char *data, int len) {
    struct mr_tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->in.len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t got = tls->in.len < (size_t)len ? tls->in.len : (size_t)len;
    memcpy(data, tls->in.data, got);
    tls->in.data += got;
    tls->in.len -= got;
    return (int)got;
}

static int memory_write(BIO *bio, const char *data, int len) {
    struct mr_tls *tls = BIO_get_data(bio);
    struct mr_error err = {0};
    BIO_clear_retry_flags(bio);
    if (mr_buffer_append(&tls->out, data, (size_t)len, &err)) {
        tls->has_no_memory = true;
        return -1;
    }
    return len;
}

static long memory_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *make_memory(void) {
    int type = BIO_get_new_index();
    BIO_METHOD *method = type < 0 ? NULL : BIO_meth_new(type | BIO_TYPE_SOURCE_SINK, "millrace");
    if (method) {
        BIO_meth_set_read(method, memory_read);
        BIO_meth_set_write(method, memory_write);
        BIO_meth_set_ctrl(method, memory_control);
    }
    return method;
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* The session that stands for a role's key, of the caller's. */
static SSL_SESSION *make_session(SSL *ssl, enum mr_role_key role) {
    const struct mr_tls *tls = SSL_get_app_data(ssl);
    const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, suite);
    SSL_SESSION *session = cipher ? SSL_SESSION_new() : NULL;
    if (session &&
        (!SSL_SESSION_set1_master_key(session, tls->keys->keys[role], MR_ROLE_KEY_BYTES) ||
         !SSL_SESSION_set_cipher(session, cipher) ||
         !SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION))) {
        SSL_SESSION_free(session);
        return NULL;
    }
    return session;
}

/* The client's side: which key to offer. */
static int offer_key(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len,
                     SSL_SESSION **session) {
    const struct mr_tls *tls = SSL_get_app_data(ssl);
    const char *identity = mr_role_key_identity(tls->role);
    *id = (const unsigned char *)identity;
    *id_len = strlen(identity);
    *session = NULL;
    if (md && EVP_MD_get_type(md) != NID_sha256) {
        return 1; /* a suite was chosen that has no key of ours: the handshake fails */
    }
    *session = make_session(ssl, tls->role);
    return *session != NULL;
}

/* The server's side: the key that an identity names. */
static int find_key(SSL *ssl, const unsigned char *id, size_t id_len, SSL_SESSION **session) {
    struct mr_tls *tls = SSL_get_app_data(ssl);
    *session = NULL;
    for (enum mr_role_key role = 0; role < MR_ROLE_KEYS; role++) {
        const char *identity = mr_role_key_identity(role);
        if (strlen(identity) == id_len && memcmp(identity, id, id_len) == 0) {
            tls->role = role;
            *session = make_session(ssl, role);
            return *session != NULL;
        }
    }
    return 1; /* not found */
}

static SSL_CTX *make_context(enum mr_tls_side side) {
    SSL_CTX *context =
        SSL_CTX_new(side == MR_TLS_CLIENT ? TLS_client_method() : TLS_server_method());
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, SUITES) || !SSL_CTX_set_num_tickets(context, 0) ||
        !SSL_CTX_set_max_early_data(context, 0)) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_clear_options(context, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    if (side == MR_TLS_CLIENT) {
        /* A server that shows a certificate in place of the key finds nobody who trusts it. */
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_psk_use_session_callback(context, offer_key);
    } else {
        SSL_CTX_set_psk_find_session_callback(context, find_key);
    }
    return context;
}

int mr_tls_keys_create(const struct mr_secret *secret, struct mr_tls_keys **keys,
                       struct mr_error *err) {
    struct mr_tls_keys *made = calloc(1, sizeof *made);
    if (!made) {
        return mr_error_nomem(err, "making the cluster's keys");
    }
    for (enum mr_role_key role = 0; role < MR_ROLE_KEYS; role++) {
        if (mr_role_key_derive(secret, role, made->keys[role], err)) {
            mr_tls_keys_destroy(made);
            return err->code;
        }
    }
    made->memory = make_memory();
    made->contexts[MR_TLS_CLIENT] = make_context(MR_TLS_CLIENT); /* the other when it is needed */
    if (!made->memory || !made->contexts[MR_TLS_CLIENT]) {
        mr_tls_keys_destroy(made);
        return mr_error_set(err, MR_ERR_IO, NO_TLS);
    }
    *keys = made;
    return MR_OK;
}

void mr_tls_keys_destroy(struct mr_tls_keys *keys) {
    if (keys) {
        SSL_CTX_free(keys->contexts[MR_TLS_CLIENT]);
        SSL_CTX_free(keys->contexts[MR_TLS_SERVER]);
        BIO_meth_free(keys->memory);
        explicit_bzero(keys->keys, sizeof keys->keys);
        free(keys);
    }
}

/* ---- a session ------------------------------------------------------------------------------- */

int mr_tls_create(struct mr_tls_keys *keys, enum mr_tls_side side, enum mr_role_key role,
                  struct mr_tls **tls, struct mr_error *err) {
    struct mr_tls *made = calloc(1, sizeof *made);
    if (!keys->contexts[side] && !(keys->contexts[side] = make_context(side))) {
        free(made);
        return mr_error_set(err, MR_ERR_IO, NO_TLS);
    }
    SSL *ssl = made ? SSL_new(keys->contexts[side]) : NULL;
    BIO *bio = ssl ? BIO_new(keys->memory) : NULL;
    if (!bio) {
        SSL_free(ssl);
        free(made);
        return mr_error_nomem(err, "beginning a TLS session");
    }
    *made = (struct mr_tls){.keys = keys, .ssl = ssl, .role = role};
    BIO_set_data(bio, made);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio); /* takes it */
    SSL_set_app_data(ssl, made);
    if (side == MR_TLS_CLIENT) {
        SSL_set_connect_state(ssl);
    } else {
        SSL_set_accept_state(ssl);
    }
    *tls = made;
    return MR_OK;
}

void mr_tls_destroy(struct mr_tls *tls) {
    if (tls) {
        SSL_free(tls->ssl);
        mr_buffer_fini(&tls->out);
        free(tls);
    }
}

void mr_tls_give(struct mr_tls *tls, struct mr_bytes bytes) {
    tls->in = bytes;
}

struct mr_bytes mr_tls_rest(const struct mr_tls *tls) {
    return tls->in;
}

/* What a failed handshake says about the other side. */
static enum mr_tls_end judge_handshake(unsigned long code) {
    switch (ERR_GET_REASON(code)) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_LENGTH_MISMATCH:
        return MR_TLS_NO_TLS;
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    case SSL_R_SSLV3_ALERT_BAD_RECORD_MAC:
        return MR_TLS_BROKEN;
    default:
        return MR_TLS_WRONG_SECRET;
    }
}

/* What a call that did nothing means. */
static enum mr_tls_end judge(struct mr_tls *tls, int result) {
    int reason = SSL_get_error(tls->ssl, result);
    unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    if (reason == SSL_ERROR_WANT_READ && !tls->has_no_memory) {
        return MR_TLS_MORE;
    }
    if (reason == SSL_ERROR_ZERO_RETURN) {
        return MR_TLS_CLOSED;
    }
    tls->has_failed = true;
    if (tls->has_no_memory || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) {
        return MR_TLS_NOMEM;
    }
    return tls->is_up ? MR_TLS_BROKEN : judge_handshake(code);
}

enum mr_tls_end mr_tls_shake(struct mr_tls *tls) {
    if (tls->is_up || tls->has_failed) {
        return tls->has_failed ? MR_TLS_BROKEN : MR_TLS_DATA;
    }
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result != 1) {
        enum mr_tls_end end = judge(tls, result);
        return end == MR_TLS_CLOSED ? MR_TLS_WRONG_SECRET : end;
    }
    tls->is_up = SSL_session_reused(tls->ssl) == 1;
    tls->has_failed = !tls->is_up; /* it went without the key */
    return tls->is_up ? MR_TLS_DATA : MR_TLS_WRONG_SECRET;
}

enum mr_tls_end mr_tls_read(struct mr_tls *tls, void *data, size_t room, size_t *got) {
    *got = 0;
    if (tls->has_failed || !tls->is_up) {
        return MR_TLS_BROKEN;
    }
    ERR_clear_error();
    int result = SSL_read_ex(tls->ssl, data, room, got);
    return result == 1 ? MR_TLS_DATA : judge(tls, result);
}

bool mr_tls_is_up(const struct mr_tls *tls) {
    return tls->is_up && !tls->has_failed;
}

enum mr_role_key mr_tls_role(const struct mr_tls *tls) {
    return tls->role;
}

int mr_tls_write(struct mr_tls *tls, const void *data, size_t len, struct mr_error *err) {
    size_t done;
    size_t room = len + (len / RECORD_BYTES + 1) * RECORD_EXTRA;
    if (!mr_tls_is_up(tls)) {
        return mr_error_set(err, MR_ERR_CLOSED, "the connection is closed");
    }
    if (len == 0 || mr_buffer_reserve(&tls->out, room, err)) {
        return err->code;
    }
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, data, len, &done) != 1) {
        tls->has_failed = true;
        ERR_clear_error();
        return tls->has_no_memory ? mr_error_nomem(err, "encrypting")
                                  : mr_error_set(err, MR_ERR_CLOSED, "the connection is closed");
    }
    return MR_OK;
}

void mr_tls_close(struct mr_tls *tls) {
    if (mr_tls_is_up(tls)) {
        ERR_clear_error();
        (void)SSL_shutdown(tls->ssl); /* tells; what the other side answers is not waited for */
        ERR_clear_error();
    }
}

struct mr_buffer *mr_tls_output(struct mr_tls *tls) {
    return &tls->out;
}
