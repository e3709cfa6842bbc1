/* role_key: the keys that are derived from a cluster's secret, one a role. */
#include "lib/net/role_key.h"

#include "lib/base/error.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdint.h>
#include <string.h>

#define SALT "millrace cluster secret, version 1"

static const char *const identities[MR_ROLE_KEYS] = {
#define MR_ROLE_KEY_ROW(name, identity) [MR_ROLE_KEY_##name] = (identity),
    MR_ROLE_KEY_TABLE(MR_ROLE_KEY_ROW)
#undef MR_ROLE_KEY_ROW
};

const char *mr_role_key_identity(enum mr_role_key role) {
    return identities[role];
}

int mr_role_key_derive(const struct mr_secret *secret, enum mr_role_key role,
                       unsigned char key[MR_ROLE_KEY_BYTES], struct mr_error *err) {
    /* The library takes what it only reads without const. */
    char digest[] = "SHA256";
    char salt[] = SALT;
    struct mr_secret copy = *secret;
    void *info = (void *)(uintptr_t)identities[role];
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, copy.bytes, sizeof copy.bytes),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, sizeof SALT - 1),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, strlen(identities[role])),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    if (!context || EVP_KDF_derive(context, key, MR_ROLE_KEY_BYTES, params) != 1) {
        mr_error_set(err, MR_ERR_IO, "OpenSSL can't derive a key (HKDF with SHA-256)");
    }
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    mr_secret_forget(&copy);
    return err->code;
}
