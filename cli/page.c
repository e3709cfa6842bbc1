/* page: text gathered piece by piece, written in one go. */
#include "cli/page.h"

#include "lib/base/error.h"
#include "lib/base/file.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void mr_page_printf(struct mr_page *page, const char *format, ...) {
    if (page->status) {
        return;
    }
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    page->status = mr_buffer_reserve(&page->text, (size_t)len + 1, page->err);
    if (page->status) {
        return;
    }
    va_start(args, format);
    vsnprintf(page->text.data + page->text.len, (size_t)len + 1, format, args);
    va_end(args);
    page->text.len += (size_t)len;
}

static void put_bytes(struct mr_page *page, const char *data, size_t len) {
    if (!page->status) {
        page->status = mr_buffer_append(&page->text, data, len, page->err);
    }
}

void mr_page_put(struct mr_page *page, const char *text) {
    put_bytes(page, text, strlen(text));
}

void mr_page_escape(struct mr_page *page, const char *text, const char *from,
                    const char *const *to) {
    while (*text) {
        size_t plain = strcspn(text, from);
        put_bytes(page, text, plain);
        text += plain;
        if (*text) {
            mr_page_put(page, to[strchr(from, *text) - from]);
            text++;
        }
    }
}

static unsigned current_column(const struct mr_page *page) {
    unsigned column = 0;
    for (size_t at = page->text.len; at > 0 && page->text.data[at - 1] != '\n'; at--) {
        column += ((unsigned char)page->text.data[at - 1] & 0xc0) != 0x80;
    }
    return column;
}

void mr_page_indent(struct mr_page *page, unsigned column) {
    unsigned now = current_column(page);
    if (now > 0 && now >= column) {
        mr_page_put(page, " ");
    }
    for (; now < column; now++) {
        mr_page_put(page, " ");
    }
}

static void wrap_line(struct mr_page *page, unsigned column, const char *text, size_t len) {
    unsigned now = current_column(page);
    bool first = true;
    while (len > 0) {
        size_t gap = *text == ' ';
        const char *space = memchr(text + gap, ' ', len - gap);
        size_t word = space ? (size_t)(space - text) - gap : len - gap;
        if (!first && now + 1 + word > MR_PAGE_COLUMNS) {
            mr_page_put(page, "\n");
            mr_page_indent(page, column);
            now = column;
        } else if (!first) {
            mr_page_put(page, " ");
            now++;
        }
        put_bytes(page, text + gap, word);
        now += (unsigned)word;
        first = false;
        text += gap + word;
        len -= gap + word;
    }
    mr_page_put(page, "\n");
}

void mr_page_wrap(struct mr_page *page, unsigned column, const char *text) {
    for (;;) {
        size_t len = strcspn(text, "\n");
        if (len > 0 && column > 0) {
            mr_page_indent(page, column);
        }
        wrap_line(page, column, text, len);
        if (!text[len]) {
            return;
        }
        text += len + 1;
    }
}

int mr_page_status(const struct mr_page *page) {
    return page->status;
}

int mr_page_write(struct mr_page *page, int fd, const char *name) {
    if (page->status) {
        return page->status;
    }
    return mr_file_write(fd, page->text.data, page->text.len, name, page->err);
}

void mr_page_fini(struct mr_page *page) {
    mr_buffer_fini(&page->text);
}
