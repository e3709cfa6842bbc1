/* json: members of JSON objects, added to a page. */
#include "cluster/json.h"

#include "lib/output/draft.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void add_name(struct mr_page *page, const char *name) {
    const struct mr_buffer *text = &page->text;
    char last = text->len ? text->data[text->len - 1] : '[';
    if (last != '[' && last != '{' && last != '\n') {
        mr_page_put(page, ", ");
    }
    if (name) {
        mr_page_printf(page, "\"%s\": ", name);
    }
}

static void add_string(struct mr_page *page, struct mr_bytes bytes, bool is_utf8) {
    mr_page_put(page, "\"");
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        bool is_plain = byte >= ' ' && byte != 0x7f && (byte < 0x80 || is_utf8);
        bool is_marked = byte == '"' || byte == '\\';
        mr_page_printf(page, is_marked ? "\\%c" : is_plain ? "%c" : "\\u%04x", byte);
    }
    mr_page_put(page, "\"");
}

void mr_json_text(struct mr_page *page, const char *name, const char *text) {
    add_name(page, name);
    if (text) {
        add_string(page, mr_bytes_text(text), mr_draft_is_utf8(text));
    } else {
        mr_page_put(page, "null");
    }
}

void mr_json_bytes(struct mr_page *page, const char *name, struct mr_bytes bytes) {
    char *copy = memchr(bytes.data ? bytes.data : "", '\0', bytes.len)
                     ? NULL
                     : strndup(bytes.data ? bytes.data : "", bytes.len);
    add_name(page, name);
    add_string(page, bytes, copy && mr_draft_is_utf8(copy));
    free(copy);
}

void mr_json_number(struct mr_page *page, const char *name, uint64_t value) {
    add_name(page, name);
    mr_page_printf(page, "%" PRIu64, value);
}

void mr_json_seconds(struct mr_page *page, const char *name, uint64_t microseconds) {
    add_name(page, name);
    mr_page_printf(page, "%" PRIu64 ".%06" PRIu64, microseconds / 1000000, microseconds % 1000000);
}

void mr_json_open(struct mr_page *page, const char *name, char bracket) {
    add_name(page, name);
    mr_page_printf(page, "%c", bracket);
}

void mr_json_close(struct mr_page *page, char bracket) {
    mr_page_printf(page, "%c", bracket == '{' ? '}' : ']');
}
