/* SPDX-License-Identifier: MIT */
#include "lib/turns.h"

#include <stdlib.h>

#include "lib/memory.h"
#include "lib/table.h"
#include "lib/topics.h"

struct app {
	struct app *next; /* in its lane's line, while some of it wait there */
	struct turn *first, **last;
	size_t open; /* of it: they wait, or were taken and have not ended */
};

struct lane {
	struct table *apps;
	struct app *first, **last;
	struct turn *newcomers, **last_newcomer;
	size_t open;    /* as of its apps */
	unsigned share; /* left */
};

struct turns {
	struct lane lanes[LANES];
	size_t count; /* that wait */
};

struct turns *turns_new(void)
{
	struct turns *turns = NEW(struct turns);
	for (size_t i = 0; i < LANES; i++) {
		struct lane *lane = &turns->lanes[i];
		*lane = (struct lane){ .apps = table_new(),
			.last = &lane->first,
			.last_newcomer = &lane->newcomers };
	}
	return turns;
}

void turns_free(struct turns *turns)
{
	if (!turns)
		return;
	for (size_t i = 0; i < LANES; i++) {
		struct lane *lane = &turns->lanes[i];
		void *app;
		struct slice name;
		for (size_t at = 0; table_next(lane->apps, &at, &name, &app);)
			free(app);
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

static struct app *app_of(struct lane *lane, struct slice name)
{
	struct app *app = table_get(lane->apps, name);
	if (app)
		return app;
	app = NEW(struct app);
	app->last = &app->first;
	table_put(lane->apps, name, app);
	return app;
}

/* Others are being served, and all of them in its lane or in less urgent ones. */
static bool is_before_others(const struct turns *turns, size_t lane)
{
	size_t open = 0;
	for (size_t i = 0; i < lane; i++)
		if (turns->lanes[i].open)
			return false;
	for (size_t i = lane; i < LANES; i++)
		open += turns->lanes[i].open;
	return open > 0;
}

bool turns_add(struct turns *turns, struct turn *turn)
{
	size_t index = lane_index(turn->lane);
	struct lane *lane = &turns->lanes[index];
	struct app *app = app_of(lane, turn->app);
	bool is_newcomer = !app->open && is_before_others(turns, index);
	turn->next = NULL;
	app->open++;
	lane->open++;
	turns->count++;
	if (is_newcomer) {
		*lane->last_newcomer = turn;
		lane->last_newcomer = &turn->next;
		return true;
	}
	if (!app->first)
		line_up(lane, app);
	*app->last = turn;
	app->last = &turn->next;
	return false;
}

static struct turn *take_newcomer(struct lane *lane)
{
	struct turn *turn = lane->newcomers;
	lane->newcomers = turn->next;
	if (!lane->newcomers)
		lane->last_newcomer = &lane->newcomers;
	return turn;
}

static struct turn *take_of(struct lane *lane)
{
	if (lane->newcomers)
		return take_newcomer(lane);
	struct app *app = lane->first;
	struct turn *turn = app->first;
	lane->first = app->next;
	if (!lane->first)
		lane->last = &lane->first;
	app->first = turn->next;
	if (app->first)
		line_up(lane, app);
	else
		app->last = &app->first;
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
			if ((!lane->first && !lane->newcomers) || !lane->share)
				continue;
			lane->share--;
			return take_of(lane);
		}
		for (size_t i = 0; i < LANES; i++)
			turns->lanes[i].share = lane_weight(i);
	}
}

struct turn *turns_take_newcomer(struct turns *turns)
{
	for (size_t i = 0; i < LANES; i++)
		if (turns->lanes[i].newcomers) {
			turns->count--;
			return take_newcomer(&turns->lanes[i]);
		}
	return NULL;
}

void turns_end(struct turns *turns, const struct turn *turn)
{
	struct lane *lane = &turns->lanes[lane_index(turn->lane)];
	struct app *app = table_get(lane->apps, turn->app);
	lane->open--;
	if (--app->open > 0)
		return;
	table_remove(lane->apps, turn->app);
	free(app);
}

size_t turns_count(const struct turns *turns)
{
	return turns->count;
}
