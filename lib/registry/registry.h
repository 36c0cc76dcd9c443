/* SPDX-License-Identifier: MIT
 *
 * The current control objects, held in memory and following the topic `control`. Lookups
 * are cheap enough for every command of every session. What they return is borrowed and
 * stays unchanged until the loop's next turn: look up again, do not keep. */
#ifndef LIB_REGISTRY_REGISTRY_H
#define LIB_REGISTRY_REGISTRY_H

#include "lib/arena.h"
#include "lib/fault.h"
#include "lib/slice.h"
#include "proto/control.pb-c.h"

struct bus;
struct log;
struct registry;

/* `ready` is called once, when every object that there was is known. Records that can't
 * be read are logged and skipped; the object keeps its last good state. */
struct registry *registry_open(struct bus *bus, const struct log *log,
	void (*ready)(void *with), void *with, struct fault *fault);
void registry_close(struct registry *registry);

/* Without a bus: empty, and its owner tells it the records. An empty value deletes. Ends
 * with registry_close() too. */
struct registry *registry_new(const struct log *log);
void registry_change(struct registry *registry, struct slice key, struct slice value);

/* The key under which an object is published: "app/shop", "credential/shop/main",
 * "route/example.com", "route/example.com/pool". Domains are lower case in it. Empty if
 * the object has no kind. */
struct slice object_key(struct arena *arena, const Postern__Object *object);

/* NULL where there is none of that name. Names of domains and routes compare without
 * case. */
const Postern__App *registry_app(const struct registry *registry, struct slice name);
const Postern__Domain *registry_domain(
	const struct registry *registry, struct slice name);
const Postern__Pool *registry_pool(const struct registry *registry, struct slice name);
/* The route for exactly that domain and pool, else for the domain, else "*" with the
 * pool, else "*", else NULL. */
const Postern__DestinationRoute *registry_route(
	const struct registry *registry, struct slice domain, struct slice pool);
/* Of an app that names it so; NULL where there is none of that name. "" means "default",
 * and where that is not written, it is built in: hold malware, encrypted and unscannable
 * content; no DLP. */
const Postern__Policy *registry_policy(
	const struct registry *registry, struct slice name);
/* The n-th credential of an app, from 0; NULL past the last. */
const Postern__Credential *registry_credential(
	const struct registry *registry, struct slice app, size_t n);

/* Any object by its key; NULL if there is none. */
const Postern__Object *registry_object(const struct registry *registry, struct slice key);

/* Called after each change with the object's key ("app/shop"), and once more for each
 * listener with the empty key when a listener is added. */
typedef void registry_changed(void *with, struct slice key);
void registry_listen(struct registry *registry, registry_changed *changed, void *with);
/* Calls `seen` with every object whose key begins with `prefix`, in the order of the
 * keys. */
void registry_each(const struct registry *registry, struct slice prefix,
	void (*seen)(void *with, struct slice key, const Postern__Object *object),
	void *with);

#endif
