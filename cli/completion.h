/* completion: shell completions, made from the tables of commands, options and parameters. */
#ifndef MR_CLI_COMPLETION_H
#define MR_CLI_COMPLETION_H

#include "cli/page.h"

/* Each adds a whole completion script to the page. The scripts hold everything they need: pressing
 * TAB starts no process of ours. */
void mr_completion_bash(struct mr_page *page);
void mr_completion_zsh(struct mr_page *page);
void mr_completion_fish(struct mr_page *page);

#endif
