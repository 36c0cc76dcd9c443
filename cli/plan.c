/* SPDX-License-Identifier: MIT */
#include "cli/plan.h"

#include <errno.h>
#include <string.h>

#include "cli/session.h"
#include "lib/buffer.h"
#include "lib/mail.h"
#include "lib/memory.h"
#include "lib/table.h"

static bool read_stream(FILE *file, struct buffer *buffer)
{
	char bytes[65536];
	size_t size;
	while ((size = fread(bytes, 1, sizeof(bytes), file)) > 0)
		if (!buffer_append(buffer, (struct slice){ bytes, size }))
			return true; /* too large, which documents_read() tells */
	return !ferror(file);
}

static void read_file(
	struct command *command, struct documents *documents, const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *file = is_stdin ? command->in : fopen(path, "re");
	const char *name = is_stdin ? "stdin" : path;
	CLEANUP(buffer_done) struct buffer buffer;
	buffer_init(&buffer, DOCUMENT_CEILING + 65536);
	if (!file || !read_stream(file, &buffer))
		problem_error(documents->problems, (struct place){ name },
			"can't be read: %s", strerror(errno));
	else
		documents_read(documents, name, buffer_slice(&buffer));
	if (file && !is_stdin)
		fclose(file);
}

void plan_check_references(struct documents *documents, const struct registry *registry)
{
	static const struct {
		const char *kind, *what;
	} rows[] = {
		{ "pool", "its mail waits until a sender of that pool runs" },
		{ "policy", "its mail waits until there is" },
		{ "domain", "mail from it waits until it can be signed" },
	};
	for (const struct reference *reference = documents->first_reference; reference;
		reference = reference->next) {
		size_t i = 0;
		while (strcmp(rows[i].kind, reference->kind) != 0)
			i++;
		struct slice key = slice_of(arena_printf(
			documents->arena, "%s/%s", reference->kind, reference->name));
		bool is_default = i < 2 && strcmp(reference->name, "default") == 0;
		if (!is_default && !registry_object(registry, key) &&
			!table_get(documents->by_key, key))
			problem_warn(documents->problems, reference->place,
				"there is no %s \"%s\" yet: %s", reference->kind,
				reference->name, rows[i].what);
	}
}

static bool is_same_body(
	struct arena *arena, const Postern__Object *a, const Postern__Object *b)
{
	return slice_equal(record_encode(arena, object_body(a)),
		record_encode(arena, object_body(b)));
}

static void add_row(struct arena *arena, struct plan *plan,
	const struct registry *registry, const struct document *document)
{
	struct plan_row *row = &plan->rows[plan->count++];
	row->document = document;
	row->former = registry_object(registry, document->key);
	if (document->kind->complete)
		document->kind->complete(document->object, row->former);
	row->is_changed = !row->former ||
			  !is_same_body(arena, row->former, document->object);
}

static void fill(struct command *command, struct documents *documents,
	const struct registry *registry, struct plan *plan)
{
	plan_check_references(documents, registry);
	size_t count = 0;
	for (const struct document *d = documents->first; d; d = d->next)
		count++;
	plan->rows = ARENA_ARRAY(command->arena, struct plan_row, count + 1);
	for (const struct document *d = documents->first; d; d = d->next)
		add_row(command->arena, plan, registry, d);
}

/* False: there is no option -f. */
static bool read_files(struct command *command, struct documents *documents)
{
	const char *path;
	size_t files = 0;
	for (; (path = command_option_n(command, "file", files)); files++)
		read_file(command, documents, path);
	if (files && !documents->problems->errors && !documents->first)
		problem_error(documents->problems,
			(struct place){ command_option(command, "file") },
			"holds no objects");
	return files;
}

enum status plan_make(struct command *command, struct plan *ret_plan)
{
	struct problems problems;
	CLEANUP(documents_done) struct documents documents;
	problems_init(&problems, command->arena);
	documents_init(&documents, command->arena, &problems);
	if (!read_files(command, &documents))
		return command_misused(
			command, "say which file: -f FILE, or -f - for stdin");
	if (problems.errors) {
		problems_print(&problems, command->errors);
		return STATUS_USAGE;
	}
	struct fault fault = { 0 };
	if (!command_session(command))
		return STATUS_FAILED;
	const struct registry *registry = session_registry(command->session, &fault);
	if (!registry)
		return command_failed(command, "%s", fault.text);
	*ret_plan = (struct plan){ 0 };
	fill(command, &documents, registry, ret_plan);
	problems_print(&problems, command->errors);
	return STATUS_DONE;
}
