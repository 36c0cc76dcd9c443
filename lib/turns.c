/* SPDX-License-Identifier: MIT */
#include "lib/turns.h"

#include <stdlib.h>

#include "lib/memory.h"
#include "lib/table.h"
#include "lib/topics.h"

struct app {
	struct app *next;
	struct turn *first, **last;
};

struct lane {
	struct table *apps; /* that wait */
	struct app *first, **last;
	unsigned share; /* left */
};

struct turns {
	struct lane lanes[LANES];
	size_t count;
};

struct turns *turns_new(void)
{
	struct turns *turns = NEW(struct turns);
	for (size_t i = 0; i < LANES; i++) {
		struct lane *lane = &turns->lanes[i];
		*lane = (struct lane){ .apps = table_new(), .last = &lane->first };
	}
	return turns;
}

void turns_free(struct turns *turns)
{
	if (!turns)
		return;
	for (size_t i = 0; i < LANES; i++) {
		struct lane *lane = &turns->lanes[i];
		while (lane->first) {
			struct app *next = lane->first->next;
			free(lane->first);
			lane->first = next;
		}
		table_free(lane->apps);
	}
	free(turns);
}

static void line_up(struct lane *lane, struct app *app)
{
	app->next = NULL;
	*lane->last = app;
	lane->last = &app->next;
}

void turns_add(struct turns *turns, struct turn *turn)
{
	struct lane *lane = &turns->lanes[lane_index(turn->lane)];
	struct app *app = table_get(lane->apps, turn->app);
	if (!app) {
		app = NEW(struct app);
		app->last = &app->first;
		table_put(lane->apps, turn->app, app);
		line_up(lane, app);
	}
	turn->next = NULL;
	*app->last = turn;
	app->last = &turn->next;
	turns->count++;
}

static struct turn *take_of(struct lane *lane)
{
	struct app *app = lane->first;
	struct turn *turn = app->first;
	lane->first = app->next;
	if (!lane->first)
		lane->last = &lane->first;
	app->first = turn->next;
	if (app->first) {
		line_up(lane, app);
		return turn;
	}
	table_remove(lane->apps, turn->app);
	free(app);
	return turn;
}

struct turn *turns_take(struct turns *turns)
{
	if (!turns->count)
		return NULL;
	turns->count--;
	for (;;) {
		for (size_t i = 0; i < LANES; i++) {
			struct lane *lane = &turns->lanes[i];
			if (!lane->first || !lane->share)
				continue;
			lane->share--;
			return take_of(lane);
		}
		for (size_t i = 0; i < LANES; i++)
			turns->lanes[i].share = lane_weight(i);
	}
}

size_t turns_count(const struct turns *turns)
{
	return turns->count;
}
