/* SPDX-License-Identifier: MIT
 *
 * What `apply` would do: the documents of the given files against the objects that there
 * are. Nothing is in a plan unless every document is good. */
#ifndef CLI_PLAN_H
#define CLI_PLAN_H

#include "cli/command.h"
#include "cli/document.h"
#include "lib/registry/registry.h"

struct plan {
	struct plan_row {
		const struct document *document; /* its object completed */
		const Postern__Object *former;   /* NULL: it is new; borrowed */
		bool is_changed;
	} * rows;
	size_t count;
};

/* Reads the files of the options -f. Unless STATUS_DONE, what is wrong has been printed.
 */
enum status plan_make(struct command *command, struct plan *ret_plan);

/* Warns of names that neither the registry nor the documents have. */
void plan_check_references(struct documents *documents, const struct registry *registry);

#endif
