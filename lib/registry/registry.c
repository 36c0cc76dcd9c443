/* SPDX-License-Identifier: MIT */
#include "lib/registry/registry.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bus/bus.h"
#include "lib/log.h"
#include "lib/mail.h"
#include "lib/memory.h"
#include "lib/table.h"
#include "lib/topics.h"

/* "credential/", 255 bytes of name, a slash and 128 bytes of pool fit. */
#define KEY_CEILING 512

/* The credentials of one app, in the order of their keys' arrival. */
struct bunch {
	Postern__Credential **credentials;
	size_t count;
};

struct listener {
	struct listener *next;
	registry_changed *changed;
	void *with;
};

struct registry {
	const struct log *log;
	struct bus_follower *follower; /* NULL: the owner tells the records */
	void (*ready)(void *with);
	void *with;
	struct table *objects; /* key: Postern__Object */
	struct table *bunches; /* app's name: struct bunch */
	/* What the last change replaced, freed by the next one: whoever looked up in this
	 * turn of the loop may still hold it. */
	Postern__Object *retired;
	struct listener *listeners;
	struct arena *scratch;
};

static char lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

static const char *fold(struct arena *arena, const char *text)
{
	char *folded = arena_string(arena, slice_of(text));
	for (char *byte = folded; *byte; byte++)
		*byte = lower(*byte);
	return folded;
}

struct slice object_key(struct arena *arena, const Postern__Object *object)
{
	const char *key = NULL;
	switch (object->kind_case) {
	case POSTERN__OBJECT__KIND_APP:
		key = arena_printf(arena, "app/%s", object->app->name);
		break;
	case POSTERN__OBJECT__KIND_DOMAIN:
		key = arena_printf(arena, "domain/%s", fold(arena, object->domain->name));
		break;
	case POSTERN__OBJECT__KIND_POOL:
		key = arena_printf(arena, "pool/%s", object->pool->name);
		break;
	case POSTERN__OBJECT__KIND_ROUTE:
		key = arena_printf(arena, "route/%s%s%s",
			fold(arena, object->route->domain),
			*object->route->pool ? "/" : "", object->route->pool);
		break;
	case POSTERN__OBJECT__KIND_POLICY:
		key = arena_printf(arena, "policy/%s", object->policy->name);
		break;
	case POSTERN__OBJECT__KIND_CREDENTIAL:
		key = arena_printf(arena, "credential/%s/%s", object->credential->app,
			object->credential->name);
		break;
	case POSTERN__OBJECT__KIND__NOT_SET:
	default:
		break;
	}
	return slice_of(key);
}

/* What a name is looked up by: "kind/", name, and for some routes "/" and a pool. */
struct wanted {
	const char *kind;
	struct slice name;
	bool folds_case;
	struct slice pool;
};

static size_t append(char *buffer, size_t at, struct slice bytes, bool folds_case)
{
	for (size_t i = 0; i < bytes.size; i++)
		buffer[at++] = folds_case ? lower(bytes.data[i]) : bytes.data[i];
	return at;
}

/* What does not fit the buffer can't be the name of an object. */
static const Postern__Object *look_up(
	const struct registry *registry, const struct wanted *wanted)
{
	char buffer[KEY_CEILING];
	struct slice kind = slice_of(wanted->kind);
	if (wanted->name.size > 255 || wanted->pool.size > 128)
		return NULL;
	size_t size = append(buffer, 0, kind, false);
	size = append(buffer, size, wanted->name, wanted->folds_case);
	if (wanted->pool.size) {
		size = append(buffer, size, SLICE("/"), false);
		size = append(buffer, size, wanted->pool, false);
	}
	return table_get(registry->objects, (struct slice){ buffer, size });
}
const Postern__App *registry_app(const struct registry *registry, struct slice name)
{
	const Postern__Object *object = look_up(
		registry, &(struct wanted){ "app/", name });
	return object ? object->app : NULL;
}

const Postern__Domain *registry_domain(const struct registry *registry, struct slice name)
{
	const Postern__Object *object = look_up(
		registry, &(struct wanted){ "domain/", name, true });
	return object ? object->domain : NULL;
}

const Postern__Pool *registry_pool(const struct registry *registry, struct slice name)
{
	const Postern__Object *object = look_up(
		registry, &(struct wanted){ "pool/", name });
	return object ? object->pool : NULL;
}

static const Postern__DestinationRoute *route_of(
	const struct registry *registry, struct slice domain, struct slice pool)
{
	const Postern__Object *object = NULL;
	if (pool.size)
		object = look_up(
			registry, &(struct wanted){ "route/", domain, true, pool });
	if (!object)
		object = look_up(registry, &(struct wanted){ "route/", domain, true });
	return object ? object->route : NULL;
}

const Postern__DestinationRoute *registry_route(
	const struct registry *registry, struct slice domain, struct slice pool)
{
	const Postern__DestinationRoute *route = NULL;
	if (domain.size && !memchr(domain.data, '/', domain.size))
		route = route_of(registry, domain, pool);
	return route ? route : route_of(registry, SLICE("*"), pool);
}

static const Postern__Policy *built_in_policy(void)
{
	static Postern__Policy policy = POSTERN__POLICY__INIT;
	policy.name = (char *)"built-in";
	policy.malware = POSTERN__DECISION__DECISION_HOLD;
	policy.encrypted = POSTERN__DECISION__DECISION_HOLD;
	policy.unscannable = POSTERN__DECISION__DECISION_HOLD;
	return &policy;
}

const Postern__Policy *registry_policy(const struct registry *registry, struct slice name)
{
	bool is_default = !name.size || slice_equal(name, SLICE("default"));
	const Postern__Object *object = look_up(registry,
		&(struct wanted){ "policy/", is_default ? SLICE("default") : name });
	if (object)
		return object->policy;
	return is_default ? built_in_policy() : NULL;
}

const Postern__Credential *registry_credential(
	const struct registry *registry, struct slice app, size_t n)
{
	const struct bunch *bunch = table_get(registry->bunches, app);
	return bunch && n < bunch->count ? bunch->credentials[n] : NULL;
}

const Postern__Object *registry_object(const struct registry *registry, struct slice key)
{
	return table_get(registry->objects, key);
}

static void bunch_free(struct bunch *bunch)
{
	free(bunch->credentials);
	free(bunch);
}

static void bunch_drop(struct registry *registry, const Postern__Credential *credential)
{
	struct slice app = slice_of(credential->app);
	struct bunch *bunch = table_get(registry->bunches, app);
	size_t kept = 0;
	for (size_t i = 0; i < bunch->count; i++)
		if (bunch->credentials[i] != credential)
			bunch->credentials[kept++] = bunch->credentials[i];
	bunch->count = kept;
	if (!kept) {
		table_remove(registry->bunches, app);
		bunch_free(bunch);
	}
}

static void bunch_add(struct registry *registry, Postern__Credential *credential)
{
	struct slice app = slice_of(credential->app);
	struct bunch *bunch = table_get(registry->bunches, app);
	if (!bunch) {
		bunch = NEW(struct bunch);
		table_put(registry->bunches, app, bunch);
	}
	bunch->credentials = memory_resize(
		bunch->credentials, (bunch->count + 1) * sizeof(*bunch->credentials));
	bunch->credentials[bunch->count++] = credential;
}

static void object_free(Postern__Object *object)
{
	if (object)
		postern__object__free_unpacked(object, NULL);
}

/* `object` NULL: deleted. False if there is nothing to delete. */
static bool replace(struct registry *registry, struct slice key, Postern__Object *object)
{
	Postern__Object *former = object ? table_put(registry->objects, key, object)
					 : table_remove(registry->objects, key);
	if (former && former->kind_case == POSTERN__OBJECT__KIND_CREDENTIAL)
		bunch_drop(registry, former->credential);
	if (object && object->kind_case == POSTERN__OBJECT__KIND_CREDENTIAL)
		bunch_add(registry, object->credential);
	object_free(registry->retired);
	registry->retired = former;
	return former || object;
}

/* Checked in an arena, then unpacked by itself: an arena's block would be several times
 * the size of most objects. NULL: FAULT_PERMANENT. */
static Postern__Object *read_object(struct registry *registry, struct slice key,
	struct slice value, struct fault *fault)
{
	arena_clear(registry->scratch);
	Postern__Object *checked = object_decode(registry->scratch, value, fault);
	if (!checked)
		return NULL;
	struct slice own = object_key(registry->scratch, checked);
	if (!slice_equal(own, key)) {
		fault_permanent(fault, "it holds %.*s", SLICE_ARG(own));
		return NULL;
	}
	Postern__Object *object = postern__object__unpack(
		NULL, value.size, (const uint8_t *)value.data);
	if (!object)
		fault_permanent(fault, "it can't be unpacked");
	return object;
}

void registry_change(struct registry *registry, struct slice key, struct slice value)
{
	Postern__Object *object = NULL;
	struct fault fault = { 0 };
	if (value.size && !(object = read_object(registry, key, value, &fault))) {
		log_warning(registry->log,
			"control record skipped, the object keeps its state",
			SLICE_FIELD("key", key), FIELD("why", fault.text));
		return;
	}
	if (!replace(registry, key, object))
		return;
	for (struct listener *listener = registry->listeners; listener;
		listener = listener->next)
		listener->changed(listener->with, key);
}

struct registry *registry_new(const struct log *log)
{
	struct registry *registry = NEW(struct registry);
	registry->log = log;
	registry->objects = table_new();
	registry->bunches = table_new();
	registry->scratch = arena_new();
	return registry;
}

static void follow_changed(void *with, struct slice key, struct slice value)
{
	registry_change(with, key, value);
}

static void follow_caught_up(void *with)
{
	struct registry *registry = with;
	if (registry->ready)
		registry->ready(registry->with);
}

struct registry *registry_open(struct bus *bus, const struct log *log,
	void (*ready)(void *with), void *with, struct fault *fault)
{
	static const struct bus_follow_calls calls = { follow_changed, follow_caught_up };
	struct registry *registry = registry_new(log);
	registry->ready = ready;
	registry->with = with;
	registry->follower = bus_follow(bus, TOPIC_CONTROL, &calls, registry, fault);
	if (registry->follower)
		return registry;
	registry_close(registry);
	return NULL;
}

void registry_close(struct registry *registry)
{
	if (!registry)
		return;
	bus_unfollow(registry->follower);
	struct slice key;
	void *value;
	for (size_t i = 0; table_next(registry->bunches, &i, &key, &value);)
		bunch_free(value);
	table_free(registry->bunches);
	for (size_t i = 0; table_next(registry->objects, &i, &key, &value);)
		object_free(value);
	table_free(registry->objects);
	object_free(registry->retired);
	while (registry->listeners) {
		struct listener *next = registry->listeners->next;
		free(registry->listeners);
		registry->listeners = next;
	}
	arena_free(registry->scratch);
	free(registry);
}

void registry_listen(struct registry *registry, registry_changed *changed, void *with)
{
	struct listener **end = &registry->listeners;
	while (*end)
		end = &(*end)->next;
	*end = NEW(struct listener);
	**end = (struct listener){ NULL, changed, with };
	changed(with, (struct slice){ 0 });
}

static int compare_keys(const void *a, const void *b)
{
	const struct slice *left = a, *right = b;
	size_t shorter = left->size < right->size ? left->size : right->size;
	int order = memcmp(left->data, right->data, shorter);
	return order ? order : (left->size > right->size) - (left->size < right->size);
}

void registry_each(const struct registry *registry, struct slice prefix,
	void (*seen)(void *with, struct slice key, const Postern__Object *object),
	void *with)
{
	struct slice *keys = NEW_ARRAY(struct slice, table_size(registry->objects) + 1);
	size_t count = 0;
	struct slice key;
	void *object;
	for (size_t i = 0; table_next(registry->objects, &i, &key, &object);)
		if (slice_equal(slice_head(key, prefix.size), prefix))
			keys[count++] = key;
	qsort(keys, count, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < count; i++)
		seen(with, keys[i], table_get(registry->objects, keys[i]));
	free(keys);
}
