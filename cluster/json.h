/* json: members of JSON objects, added to a page. */
#ifndef MR_CLUSTER_JSON_H
#define MR_CLUSTER_JSON_H

#include "cli/page.h"

#include <mr/bytes.h>
#include <stdint.h>

/* Add `"name": value`, behind a comma unless the page ends with an opening bracket. Text that is
 * not UTF-8 is shown as Latin-1, so that nothing is lost; NULL is null. */
void mr_json_text(struct mr_page *page, const char *name, const char *text);
void mr_json_bytes(struct mr_page *page, const char *name, struct mr_bytes bytes);
void mr_json_number(struct mr_page *page, const char *name, uint64_t value);
void mr_json_seconds(struct mr_page *page, const char *name, uint64_t microseconds);
/* Opens an object or a list (`bracket`: { or [), as a member or, without a name, as an item. */
void mr_json_open(struct mr_page *page, const char *name, char bracket);
void mr_json_close(struct mr_page *page, char bracket);

#endif
