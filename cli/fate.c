/* SPDX-License-Identifier: MIT */
#include "cli/fate.h"

#include <string.h>

#include "cli/quantity.h"

#define KIND(name) POSTERN__EVENT_KIND__EVENT_##name

/* How an event changes the state of those it concerns. */
static const struct turn {
	Postern__EventKind kind;
	const char *state;
	bool is_final, is_resting;
	bool moves_final; /* also those that were final */
} turns[] = {
	{ KIND(ACCEPTED), "accepted" },
	{ KIND(CLEARED), "on its way" },
	{ KIND(SIGNED), "on its way" },
	{ KIND(HELD), "held", .is_resting = true },
	{ KIND(RELEASED), "on its way" },
	{ KIND(RESCAN), "on its way" },
	{ KIND(REPLAYED), "on its way" },
	{ KIND(DEFERRED), "deferred" },
	{ KIND(DEAD), "in the dead-letter topic", .is_resting = true },
	{ KIND(DUPLICATE), "delivered", .is_final = true },
	{ KIND(DELIVERED), "delivered", .is_final = true, .moves_final = true },
	{ KIND(BOUNCED), "bounced", .is_final = true, .moves_final = true },
	{ KIND(EXPIRED), "expired", .is_final = true, .moves_final = true },
	{ KIND(DISCARDED), "discarded", .is_final = true },
};

void fate_init(struct fate *fate, struct arena *arena)
{
	*fate = (struct fate){ .arena = arena };
}

static struct fate_recipient *find(struct fate *fate, const char *address)
{
	for (size_t i = 0; i < fate->count; i++)
		if (strcmp(fate->recipients[i].address, address) == 0)
			return &fate->recipients[i];
	if (fate->count == fate->room) {
		fate->room = fate->room ? fate->room * 2 : 8;
		struct fate_recipient *grown = ARENA_ARRAY(
			fate->arena, struct fate_recipient, fate->room);
		if (fate->count)
			memcpy(grown, fate->recipients, fate->count * sizeof(*grown));
		fate->recipients = grown;
	}
	fate->recipients[fate->count].address = address;
	return &fate->recipients[fate->count++];
}

static const char *state_text(
	struct arena *arena, const struct turn *turn, const Postern__Event *event)
{
	const char *text = turn->state;
	if (event->due_us)
		text = arena_printf(
			arena, "%s until %s", text, moment_print(arena, event->due_us));
	if (*event->reason && (turn->is_final || turn->is_resting || event->due_us))
		text = arena_printf(arena, "%s: %s", text, event->reason);
	if (event->reply && event->reply->code)
		text = arena_printf(
			arena, "%s: %u %s", text, event->reply->code, event->reply->text);
	return text;
}

static void turn_one(struct fate *fate, struct fate_recipient *recipient,
	const struct turn *turn, const Postern__Event *event)
{
	if (recipient->is_final && !turn->moves_final)
		return;
	recipient->state = state_text(fate->arena, turn, event);
	recipient->is_final = turn->is_final;
	recipient->is_resting = turn->is_resting;
}

void fate_add(struct fate *fate, const Postern__Event *event)
{
	const struct turn *turn = NULL;
	for (size_t i = 0; i < sizeof(turns) / sizeof(*turns); i++)
		if (turns[i].kind == event->kind)
			turn = &turns[i];
	if (!turn)
		return;
	if (event->accepted)
		for (size_t i = 0; i < event->accepted->n_recipients; i++)
			find(fate, event->accepted->recipients[i]);
	if (*event->recipient) {
		turn_one(fate, find(fate, event->recipient), turn, event);
		return;
	}
	for (size_t i = 0; i < fate->count; i++)
		turn_one(fate, &fate->recipients[i], turn, event);
}

bool fate_is_settled(const struct fate *fate)
{
	for (size_t i = 0; i < fate->count; i++)
		if (!fate->recipients[i].is_final && !fate->recipients[i].is_resting)
			return false;
	return fate->count;
}
