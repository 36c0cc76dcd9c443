/* SPDX-License-Identifier: MIT */
#include "tests/chaos/powerloss/player/player.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bus/bus.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/memory.h"

enum { TOPIC_ONE, TOPIC_TWO, TOPIC_BRIEF, TOPIC_CONTROL, TOPICS };
static const char *const names[TOPICS] = { "mail.one", "mail.two", "brief", "control" };
static const struct bus_topic rules[] = {
	{ .name = "control", .compacted = true },
	{ .name = "brief", .retention_ms = 1 },
	{ 0 },
};

#define VALUE_CEILING 300000
#define KEYS          4 /* of each publisher in the compacted topic */
#define HELD_FOR_EVER 3

struct player {
	struct loop *loop;
	struct bus *bus;
	const char *name;
	uint64_t random;
	unsigned long next, count, window, under_way;
	unsigned held;
	char *value;
};

struct asked {
	struct player *player;
	const char *topic;
	char id[64];
};

void mark(const char *format, ...)
{
	static void (*powerloss_mark)(const char *text);
	if (!powerloss_mark)
		powerloss_mark = (void (*)(const char *))dlsym(
			RTLD_DEFAULT, "powerloss_mark");
	char text[768];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (powerloss_mark)
		powerloss_mark(text);
	else
		puts(text);
}

/* splitmix64 */
static uint64_t draw(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* FNV-1a */
static uint64_t hash(struct slice bytes)
{
	uint64_t sum = 0xcbf29ce484222325u;
	for (size_t i = 0; i < bytes.size; i++)
		sum = (sum ^ (unsigned char)bytes.data[i]) * 0x100000001b3u;
	return sum;
}

/* The id, a space, noise. */
static struct slice make_value(struct player *player, const char *id)
{
	static const uint32_t bounds[] = { 500, 500, 2000, 2000, 8000, 20000, 40000,
		VALUE_CEILING };
	uint64_t random = draw(&player->random);
	size_t size = 64 + (random >> 8) % (bounds[random % 8] - 64);
	int head = snprintf(player->value, VALUE_CEILING, "%s ", id);
	for (size_t i = head; i < size; i++)
		player->value[i] = (char)((random = random * 6364136223846793005u + 1) >>
					  56);
	return (struct slice){ player->value, size };
}

static void publish_more(void *with);

static void note_published(void *with, const struct fault *fault)
{
	struct asked *asked = with;
	struct player *player = asked->player;
	mark("%c %s %s%s%s", fault ? 'F' : 'A', asked->topic, asked->id, fault ? " " : "",
		fault ? fault->text : "");
	free(asked);
	player->under_way--;
	publish_more(player);
}

static void publish_one(struct player *player)
{
	uint64_t random = draw(&player->random);
	int topic = "\0\0\0\1\1\1\2\3"[random % 8];
	struct asked *asked = NEW(struct asked);
	unsigned long number = player->next++;
	char key[64];
	asked->player = player;
	asked->topic = names[topic];
	if (topic == TOPIC_CONTROL)
		snprintf(key, sizeof(key), "%s-k%lu", player->name, number % KEYS);
	else
		snprintf(key, sizeof(key), "app%" PRIu64 "/0", (random >> 16) % 5);
	snprintf(asked->id, sizeof(asked->id), "%s-%06lu", player->name, number);
	struct bus_record record = { .topic = asked->topic, .key = slice_of(key) };
	if (topic != TOPIC_CONTROL || (random >> 24) % 4)
		record.value = make_value(player, asked->id);
	if (topic == TOPIC_TWO && (random >> 32) % 8 == 0)
		record.due_ms = clock_unix_ms() + 30;
	mark("P %s %s %s %zu %016" PRIx64, asked->topic, asked->id, key,
		record.value.size, hash(record.value));
	record.body = slice_skip(record.value, sizeof(asked->id));
	record.value = slice_head(record.value, sizeof(asked->id));
	player->under_way++;
	bus_publish(player->bus, &record, note_published, asked);
}

static void publish_more(void *with)
{
	struct player *player = with;
	while (player->under_way < player->window && player->next < player->count)
		publish_one(player);
	if (!player->under_way)
		loop_stop(player->loop);
}

static struct slice id_of(struct slice value)
{
	const char *end = value.size ? memchr(value.data, ' ', value.size) : NULL;
	bool is_good = end && end - value.data < 64;
	return is_good ? slice_head(value, end - value.data) : slice_of("-");
}

static void take(void *with, struct bus_delivery *delivery)
{
	struct player *player = with;
	unsigned luck = draw(&player->random) % 16;
	struct slice id = id_of(delivery->value);
	mark("T %s %.*s", delivery->topic, SLICE_ARG(id));
	if (luck < 3) {
		bus_return(delivery, clock_unix_ms() + 20);
		return;
	}
	if (luck == 3 && player->held++ < HELD_FOR_EVER)
		return;
	mark("S %s %.*s", delivery->topic, SLICE_ARG(id));
	bus_settle(delivery);
}

static struct bus_reader *subscribe(
	struct player *player, bus_taken *taken, bool is_brief)
{
	const struct bus_source mail[] = { { names[TOPIC_ONE], 2 },
		{ names[TOPIC_TWO], 1 }, { 0 } };
	const struct bus_source brief[] = { { names[TOPIC_BRIEF], 1 }, { 0 } };
	return bus_subscribe(player->bus,
		&(struct bus_subscription){ .group = "g",
			.sources = is_brief ? brief : mail,
			.window = 8,
			.window_bytes = 1 << 20 },
		taken, player, NULL);
}

static void stop(void *with, unsigned what)
{
	loop_stop(with);
}

static void run_take(struct player *player)
{
	struct watch *on_stop = watch_signal(player->loop, SIGTERM, stop, player->loop);
	struct bus_reader *mail = subscribe(player, take, false);
	struct bus_reader *brief = subscribe(player, take, true);
	loop_run(player->loop);
	bus_unsubscribe(mail);
	bus_unsubscribe(brief);
	watch_free(on_stop);
}

struct look {
	const char *topic;
	struct bus_browser *browser;
};

static void note_seen(
	void *with, const struct bus_delivery *delivery, const struct fault *fault)
{
	struct look *look = with;
	if (!delivery) {
		printf("E %s %s\n", look->topic, fault ? fault->text : "-");
		return;
	}
	struct slice id = id_of(delivery->value);
	printf("B %s %.*s %.*s %zu %016" PRIx64 "\n", look->topic,
		SLICE_ARG(delivery->key), SLICE_ARG(id), delivery->value.size,
		hash(delivery->value));
}

static void note_one_more(void *with, const struct fault *fault)
{
	printf("Q %s %s\n", (const char *)with, fault ? fault->text : "-");
}

static void note_taken(void *with, struct bus_delivery *delivery)
{
	struct slice id = id_of(delivery->value);
	printf("T %s %.*s\n", delivery->topic, SLICE_ARG(id));
	bus_settle(delivery);
}

struct late {
	struct player *player;
	struct bus_reader *reader;
};

static void come_late(void *with)
{
	struct late *late = with;
	late->reader = subscribe(late->player, note_taken, true);
}

static void run_check(struct player *player, int64_t late_ms)
{
	struct look looks[TOPICS];
	struct late late = { player, NULL };
	struct timer *timer = timer_new(player->loop, come_late, &late);
	struct watch *on_end = watch_new(player->loop, 0, LOOP_READ, stop, player->loop);
	for (int i = 0; i < TOPICS; i++) {
		looks[i].topic = names[i];
		struct bus_range range = { .topic = names[i] };
		looks[i].browser = bus_browse(
			player->bus, &range, note_seen, &looks[i], NULL);
		bus_publish(player->bus,
			&(struct bus_record){ .topic = names[i],
				.key = SLICE("one-more"),
				.value = SLICE("one-more ") },
			note_one_more, (void *)names[i]);
	}
	struct bus_reader *mail = subscribe(player, note_taken, false);
	timer_start(timer, late_ms);
	loop_run(player->loop);
	for (int i = 0; i < TOPICS; i++)
		bus_unbrowse(looks[i].browser);
	bus_unsubscribe(mail);
	if (late.reader)
		bus_unsubscribe(late.reader);
	timer_free(timer);
	watch_free(on_end);
}

int play_bus(int argc, char **argv)
{
	static char value[VALUE_CEILING];
	const bool is_check = argc == 4;
	struct player player = { .value = value,
		.loop = loop_new(),
		.name = is_check ? "check" : argv[3],
		.random = is_check ? 0 : strtoull(argv[4], NULL, 10) };
	struct fault fault;
	char where[512];
	snprintf(where, sizeof(where), "local:%s", argv[2]);
	player.bus = bus_open(
		&(struct bus_options){
			.where = where, .instance = player.name, .topics = rules },
		player.loop, &fault);
	if (!player.bus) {
		fprintf(stderr, "powerloss-player: %s\n", fault.text);
		return 1;
	}
	if (is_check) {
		run_check(&player, strtol(argv[3], NULL, 10));
	} else if (argc == 7) {
		player.count = strtoul(argv[5], NULL, 10);
		player.window = strtoul(argv[6], NULL, 10);
		publish_more(&player);
		loop_run(player.loop);
	} else {
		run_take(&player);
	}
	bus_close(player.bus);
	loop_free(player.loop);
	return 0;
}
