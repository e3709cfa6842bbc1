/* test_tls: sessions in memory: two holders of a secret speak, nobody else does. */
#include "lib/net/tls.h"

#include "tests/unit/test.h"
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>

static struct mr_tls_keys *make_keys(unsigned char byte) {
    struct mr_secret secret;
    struct mr_tls_keys *keys = NULL;
    struct mr_error err = {0};
    memset(secret.bytes, byte, sizeof secret.bytes);
    cr_assert_eq(mr_tls_keys_create(&secret, &keys, &err), 0, "%s", err.text);
    return keys;
}

static struct mr_tls *make_session(struct mr_tls_keys *keys, enum mr_tls_side side,
                                   enum mr_role_key role) {
    struct mr_tls *tls = NULL;
    struct mr_error err = {0};
    cr_assert_eq(mr_tls_create(keys, side, role, &tls, &err), 0, "%s", err.text);
    return tls;
}

/* Takes what a session wants to send. */
static struct mr_buffer take(struct mr_tls *tls) {
    struct mr_buffer *out = mr_tls_output(tls);
    struct mr_buffer taken = *out;
    *out = (struct mr_buffer){0};
    return taken;
}

/* Carries what `from` wants to send to `to`, a byte at a time where `slowly`, and lets it shake. */
static enum mr_tls_end carry(struct mr_tls *from, struct mr_tls *to, bool slowly) {
    struct mr_buffer bytes = take(from);
    enum mr_tls_end end = MR_TLS_MORE;
    size_t step = slowly ? 1 : bytes.len;
    for (size_t at = 0; at < bytes.len; at += step) {
        mr_tls_give(to, (struct mr_bytes){bytes.data + at, step});
        end = mr_tls_shake(to);
        if (end != MR_TLS_MORE && end != MR_TLS_DATA) {
            break;
        }
        cr_assert(end == MR_TLS_DATA || mr_tls_rest(to).len == 0);
    }
    mr_buffer_fini(&bytes);
    return end;
}

static void shake(struct mr_tls *client, struct mr_tls *server, bool slowly) {
    cr_assert_eq(mr_tls_shake(client), MR_TLS_MORE);
    cr_assert_eq(mr_tls_shake(server), MR_TLS_MORE);
    cr_assert_eq(carry(client, server, slowly), MR_TLS_MORE);
    cr_assert_eq(carry(server, client, slowly), MR_TLS_DATA);
    cr_assert_eq(carry(client, server, slowly), MR_TLS_DATA);
    cr_assert(mr_tls_is_up(client) && mr_tls_is_up(server));
    cr_assert_eq(mr_tls_output(server)->len, (size_t)0, "no tickets");
}

/* Reads all that `from` sent; checks that it is `want`. */
static void expect(struct mr_tls *from, struct mr_tls *to, const char *want, size_t len) {
    struct mr_buffer bytes = take(from);
    char *data = malloc(len + 1);
    size_t at = 0;
    size_t got;
    cr_assert_not_null(data);
    mr_tls_give(to, (struct mr_bytes){bytes.data, bytes.len});
    while (mr_tls_read(to, data + at, len + 1 - at, &got) == MR_TLS_DATA) {
        at += got;
    }
    cr_assert_eq(at, len);
    cr_assert_eq(memcmp(data, want, len), 0);
    free(data);
    mr_buffer_fini(&bytes);
}

static void speak(bool slowly, enum mr_role_key role) {
    struct mr_tls_keys *keys = make_keys(1);
    struct mr_tls *client = make_session(keys, MR_TLS_CLIENT, role);
    struct mr_tls *server = make_session(keys, MR_TLS_SERVER, MR_ROLE_KEY_WORKER);
    struct mr_error err = {0};
    size_t len = (size_t)3 << 20;
    char *large = malloc(len);
    cr_assert_not_null(large);
    for (size_t i = 0; i < len; i++) {
        large[i] = (char)(i * 2654435761u >> 13);
    }
    shake(client, server, slowly);
    cr_assert_eq(mr_tls_role(server), role);
    cr_assert_eq(mr_tls_write(client, "hello", 5, &err), 0);
    expect(client, server, "hello", 5);
    cr_assert_eq(mr_tls_write(server, large, len, &err), 0);
    expect(server, client, large, len);
    mr_tls_close(server);
    struct mr_buffer bytes = take(server);
    char data[8];
    size_t got;
    mr_tls_give(client, (struct mr_bytes){bytes.data, bytes.len});
    cr_assert_eq(mr_tls_read(client, data, sizeof data, &got), MR_TLS_CLOSED);
    mr_buffer_fini(&bytes);
    free(large);
    mr_tls_destroy(client);
    mr_tls_destroy(server);
    mr_tls_keys_destroy(keys);
}

Test(tls, both_roles_speak) {
    speak(false, MR_ROLE_KEY_CLIENT);
    speak(false, MR_ROLE_KEY_WORKER);
    speak(true, MR_ROLE_KEY_CLIENT);
}

Test(tls, another_secret_is_told_to_both) {
    struct mr_tls_keys *ours = make_keys(1);
    struct mr_tls_keys *theirs = make_keys(2);
    struct mr_tls *client = make_session(theirs, MR_TLS_CLIENT, MR_ROLE_KEY_WORKER);
    struct mr_tls *server = make_session(ours, MR_TLS_SERVER, MR_ROLE_KEY_WORKER);
    struct mr_error err = {0};
    cr_assert_eq(mr_tls_shake(client), MR_TLS_MORE);
    cr_assert_eq(carry(client, server, false), MR_TLS_WRONG_SECRET);
    cr_assert_gt(mr_tls_output(server)->len, (size_t)0, "an alert");
    cr_assert_eq(carry(server, client, false), MR_TLS_WRONG_SECRET);
    cr_assert(!mr_tls_is_up(client) && !mr_tls_is_up(server));
    cr_assert_eq(mr_tls_write(server, "x", 1, &err), MR_ERR_CLOSED);
    cr_assert_eq(mr_tls_shake(server), MR_TLS_BROKEN);
    mr_tls_destroy(client);
    mr_tls_destroy(server);
    mr_tls_keys_destroy(ours);
    mr_tls_keys_destroy(theirs);
}

Test(tls, strangers_are_told_apart) {
    static const struct {
        const char *bytes;
        enum mr_tls_end end;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", MR_TLS_NO_TLS},
        {"\x16\x03\x01\xff\xff....", MR_TLS_NO_TLS}, /* a record of 64 KiB */
        {"SSH-2.0-OpenSSH_9.2\r\n", MR_TLS_NO_TLS},
        {"\x17\x03\x03\0\x10"
         "0123456789abcdef",
         MR_TLS_NO_TLS}, /* data before the handshake */
    };
    struct mr_tls_keys *keys = make_keys(1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mr_tls *server = make_session(keys, MR_TLS_SERVER, MR_ROLE_KEY_WORKER);
        size_t len = i == 1 ? 9 : i == 3 ? 21 : strlen(rows[i].bytes);
        mr_tls_give(server, (struct mr_bytes){rows[i].bytes, len});
        enum mr_tls_end end = mr_tls_shake(server);
        cr_assert_eq(end, rows[i].end, "row %zu ended as %d", i, (int)end);
        mr_tls_destroy(server);
    }
    mr_tls_keys_destroy(keys);
}

/* Every bit of a recorded exchange, flipped, ends the session, and never gives other bytes. */
Test(tls, every_flipped_byte_ends_it) {
    struct mr_tls_keys *keys = make_keys(1);
    for (size_t i = 0;; i++) {
        struct mr_tls *client = make_session(keys, MR_TLS_CLIENT, MR_ROLE_KEY_WORKER);
        struct mr_tls *server = make_session(keys, MR_TLS_SERVER, MR_ROLE_KEY_WORKER);
        struct mr_error err = {0};
        char data[64];
        size_t got;
        shake(client, server, false);
        cr_assert_eq(mr_tls_write(client, "some bytes", 10, &err), 0);
        struct mr_buffer bytes = take(client);
        bool is_last = i == bytes.len;
        if (!is_last) {
            bytes.data[i] = (char)(bytes.data[i] ^ 1 << i % 8);
        }
        mr_tls_give(server, (struct mr_bytes){bytes.data, bytes.len});
        enum mr_tls_end end = mr_tls_read(server, data, sizeof data, &got);
        cr_assert(is_last ? end == MR_TLS_DATA : end == MR_TLS_BROKEN || end == MR_TLS_MORE,
                  "byte %zu: %d", i, (int)end);
        mr_buffer_fini(&bytes);
        mr_tls_destroy(client);
        mr_tls_destroy(server);
        if (is_last) {
            break;
        }
    }
    mr_tls_keys_destroy(keys);
}

/* What was recorded of one session is worth nothing in another. */
Test(tls, a_replay_is_refused) {
    struct mr_tls_keys *keys = make_keys(1);
    struct mr_tls *client = make_session(keys, MR_TLS_CLIENT, MR_ROLE_KEY_WORKER);
    struct mr_tls *server = make_session(keys, MR_TLS_SERVER, MR_ROLE_KEY_WORKER);
    struct mr_tls *other = make_session(keys, MR_TLS_SERVER, MR_ROLE_KEY_WORKER);
    cr_assert_eq(mr_tls_shake(client), MR_TLS_MORE);
    struct mr_buffer hello = take(client);
    mr_tls_give(server, (struct mr_bytes){hello.data, hello.len});
    cr_assert_eq(mr_tls_shake(server), MR_TLS_MORE);
    cr_assert_eq(carry(server, client, false), MR_TLS_DATA);
    struct mr_buffer finished = take(client);
    mr_tls_give(other, (struct mr_bytes){hello.data, hello.len});
    cr_assert_eq(mr_tls_shake(other), MR_TLS_MORE);
    mr_tls_give(other, (struct mr_bytes){finished.data, finished.len});
    cr_assert_eq(mr_tls_shake(other), MR_TLS_BROKEN);
    cr_assert_not(mr_tls_is_up(other));
    mr_buffer_fini(&hello);
    mr_buffer_fini(&finished);
    mr_tls_destroy(client);
    mr_tls_destroy(server);
    mr_tls_destroy(other);
    mr_tls_keys_destroy(keys);
}

/* ---- a server that knows no secret, and shows a certificate of its own ----------------------- */

static void set_certificate(SSL_CTX *context) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    cr_assert(key && certificate);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    cr_assert_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    cr_assert_eq(SSL_CTX_use_certificate(context, certificate), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey(context, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

Test(tls, a_certificate_is_no_secret) {
    struct mr_tls_keys *keys = make_keys(1);
    struct mr_tls *client = make_session(keys, MR_TLS_CLIENT, MR_ROLE_KEY_WORKER);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    cr_assert_not_null(context);
    set_certificate(context);
    SSL *server = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    cr_assert(server && in && out);
    SSL_set_bio(server, in, out);
    SSL_set_accept_state(server);
    cr_assert_eq(mr_tls_shake(client), MR_TLS_MORE);
    struct mr_buffer hello = take(client);
    cr_assert_eq(BIO_write(in, hello.data, (int)hello.len), (int)hello.len);
    (void)SSL_do_handshake(server);
    char *answer;
    long len = BIO_get_mem_data(out, &answer);
    cr_assert_gt(len, 300L, "it shows its certificate");
    mr_tls_give(client, (struct mr_bytes){answer, (size_t)len});
    cr_assert_eq(mr_tls_shake(client), MR_TLS_WRONG_SECRET);
    cr_assert_not(mr_tls_is_up(client));
    mr_buffer_fini(&hello);
    mr_tls_destroy(client);
    mr_tls_keys_destroy(keys);
    SSL_free(server);
    SSL_CTX_free(context);
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* As Python's hmac gives them by RFC 5869: other programs can derive the same. */
Test(tls, role_keys_are_hkdf) {
    static const unsigned char want[MR_ROLE_KEYS][MR_ROLE_KEY_BYTES] = {
        [MR_ROLE_KEY_CLIENT] = {0xd7, 0x50, 0xce, 0xe2, 0x94, 0x55, 0xb8, 0x18, 0xdc, 0x6f, 0xc9,
                                0xee, 0xdf, 0x0c, 0x73, 0xe5, 0x47, 0x3e, 0xbb, 0xe4, 0x5f, 0xc3,
                                0x1b, 0x5a, 0xff, 0x30, 0x3a, 0xe3, 0xaa, 0x0b, 0xce, 0xcc},
        [MR_ROLE_KEY_WORKER] = {0xf9, 0xa8, 0x8b, 0xd5, 0xe4, 0x67, 0xa7, 0xe0, 0x1b, 0x22, 0xaa,
                                0xab, 0x21, 0x7d, 0x5f, 0x28, 0xd1, 0x8a, 0x1b, 0x7e, 0xc0, 0x70,
                                0xb1, 0xc9, 0x2e, 0x79, 0xaa, 0x0f, 0x1f, 0x0c, 0x78, 0xe3},
    };
    struct mr_secret secret;
    for (size_t i = 0; i < MR_SECRET_BYTES; i++) {
        secret.bytes[i] = (unsigned char)i;
    }
    for (enum mr_role_key role = 0; role < MR_ROLE_KEYS; role++) {
        unsigned char key[MR_ROLE_KEY_BYTES];
        struct mr_error err = {0};
        cr_assert_eq(mr_role_key_derive(&secret, role, key, &err), 0, "%s", err.text);
        cr_assert_eq(memcmp(key, want[role], sizeof key), 0);
    }
}
