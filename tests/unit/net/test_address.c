/* test_address: HOST:PORT as users write it and as sockets have it. */
#include "lib/net/address.h"

#include "tests/unit/test.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

Test(address, read) {
    static const struct {
        const char *text;
        const char *host; /* NULL: it is none */
        const char *port;
    } rows[] = {
        {"localhost:7077", "localhost", "7077"},
        {"10.0.0.1:0", "10.0.0.1", "0"},
        {"[::1]:7077", "::1", "7077"},
        {"[fe80::1%eth0]:65535", "fe80::1%eth0", "65535"},
        {"m1:65536", NULL, NULL},
        {"m1:99999", NULL, NULL},
        {"m1:123456", NULL, NULL},
        {"m1:", NULL, NULL},
        {"m1", NULL, NULL},
        {"", NULL, NULL},
        {":7077", NULL, NULL},
        {"::1:7077", NULL, NULL},
        {"[::1]", NULL, NULL},
        {"[::1", NULL, NULL},
        {"[]:1", NULL, NULL},
        {"[::1]7077", NULL, NULL},
        {"m1:70x", NULL, NULL},
        {"m1:-1", NULL, NULL},
        {"m1: 1", NULL, NULL},
        {"http://m1:7077", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mr_address address;
        struct mr_error err = {0};
        int status = mr_address_read(rows[i].text, "--master", &address, &err);
        cr_assert_eq(status, rows[i].host ? 0 : MR_ERR_USAGE, "%s", rows[i].text);
        if (rows[i].host) {
            cr_assert_str_eq(address.host, rows[i].host);
            cr_assert_str_eq(address.port, rows[i].port);
        } else {
            cr_assert_not_null(strstr(err.text, "--master"));
        }
    }
}

Test(address, hosts_that_are_too_long) {
    char text[400];
    struct mr_address address;
    struct mr_error err = {0};
    memset(text, 'h', sizeof text);
    snprintf(text + 255, sizeof text - 255, ":1");
    cr_assert_eq(mr_address_read(text, "x", &address, &err), 0);
    text[255] = 'h';
    snprintf(text + 256, sizeof text - 256, ":1");
    cr_assert_eq(mr_address_read(text, "x", &address, &err), MR_ERR_USAGE);
}

static void check_six(const char *host, const char *want, bool is_loopback) {
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    char text[MR_ADDRESS_TEXT_MAX];
    cr_assert_eq(inet_pton(AF_INET6, host, &six.sin6_addr), 1);
    mr_address_write((struct sockaddr *)&six, text);
    cr_assert_str_eq(text, want);
    cr_assert_eq(mr_address_is_loopback((struct sockaddr *)&six), is_loopback, "%s", host);
}

static void check_four(const char *host, const char *want, bool is_loopback) {
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(7077)};
    char text[MR_ADDRESS_TEXT_MAX];
    cr_assert_eq(inet_pton(AF_INET, host, &four.sin_addr), 1);
    mr_address_write((struct sockaddr *)&four, text);
    cr_assert_str_eq(text, want);
    cr_assert_eq(mr_address_is_loopback((struct sockaddr *)&four), is_loopback, "%s", host);
}

Test(address, written) {
    char text[MR_ADDRESS_TEXT_MAX];
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    check_four("127.0.0.1", "127.0.0.1:7077", true);
    check_four("127.255.255.254", "127.255.255.254:7077", true);
    check_four("128.0.0.1", "128.0.0.1:7077", false);
    check_four("0.0.0.0", "0.0.0.0:7077", false);
    check_six("::1", "[::1]:80", true);
    check_six("::", "[::]:80", false);
    check_six("::ffff:127.0.0.1", "[::ffff:127.0.0.1]:80", true);
    check_six("::ffff:10.0.0.1", "[::ffff:10.0.0.1]:80", false);
    check_six("2001:db8::7", "[2001:db8::7]:80", false);
    mr_address_write(&none, text);
    cr_assert_str_eq(text, "?");
    cr_assert_not(mr_address_is_loopback(&none));
}
