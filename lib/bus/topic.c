/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "lib/bus/engine.h"

const struct bus_topic *bus_topic_find(const struct bus_topic *topics, const char *topic)
{
	for (; topics && topics->name; topics++) {
		size_t length = strlen(topics->name);
		bool is_family = length && topics->name[length - 1] == '*';
		if (is_family ? strncmp(topics->name, topic, length - 1) == 0
			      : strcmp(topics->name, topic) == 0)
			return topics;
	}
	return NULL;
}

bool bus_topic_check(const char *topic, struct fault *fault)
{
	size_t length = strspn(topic,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	bool is_good = length >= 1 && length <= 200 && topic[length] == '\0' &&
		       strcmp(topic, ".") != 0 && strcmp(topic, "..") != 0;
	return is_good || fault_permanent(fault, "\"%.200s\" is not a topic name", topic);
}
