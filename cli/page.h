/* page: text gathered piece by piece, written in one go. */
#ifndef MR_CLI_PAGE_H
#define MR_CLI_PAGE_H

#include "lib/base/buffer.h"

#include <mr/status.h>

#define MR_PAGE_COLUMNS 80

/* Zero-initialise but for `err`. A failure while gathering is kept, makes what follows do nothing,
 * and is returned by the end of the page (mr_page_write, mr_page_status). Release with
 * mr_page_fini. */
struct mr_page {
    struct mr_buffer text;
    struct mr_error *err;
    int status;
};

/* Adds to the page. */
__attribute__((format(printf, 2, 3))) void mr_page_printf(struct mr_page *page, const char *format,
                                                          ...);
void mr_page_put(struct mr_page *page, const char *text);

/* Adds text with some characters replaced: each character of `from` that stands in `text` becomes
 * the string at its place in `to`. */
void mr_page_escape(struct mr_page *page, const char *text, const char *from,
                    const char *const *to);

/* Adds spaces up to `column` of the current line, at least one where the line is longer. */
void mr_page_indent(struct mr_page *page, unsigned column);

/* Adds words, broken at MR_PAGE_COLUMNS, where lines but the first start at `column`; ends the
 * line. A '\n' in the text begins a new paragraph, without a gap. */
void mr_page_wrap(struct mr_page *page, unsigned column, const char *text);

/* The sticky status; and writing everything to a descriptor that `name` stands for in errors. */
MR_MUST_USE int mr_page_status(const struct mr_page *page);
MR_MUST_USE int mr_page_write(struct mr_page *page, int fd, const char *name);
void mr_page_fini(struct mr_page *page);

#endif
