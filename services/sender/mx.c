/* SPDX-License-Identifier: MIT */
#include "services/sender/mx.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int compare(const void *a, const void *b)
{
	const struct rdata_mx *left = a, *right = b;
	if (left->preference != right->preference)
		return left->preference < right->preference ? -1 : 1;
	return strcmp(left->host, right->host);
}

/* Keeps the list sorted, and drops the least preferred when it is full. */
static void add(struct mx_list *list, const struct rdata_mx *row)
{
	size_t at = list->count;
	while (at > 0 && compare(row, &list->rows[at - 1]) < 0)
		at--;
	if (at > 0 && compare(row, &list->rows[at - 1]) == 0)
		return;
	if (at == MX_MAX)
		return;
	if (list->count < MX_MAX)
		list->count++;
	memmove(&list->rows[at + 1], &list->rows[at],
		(list->count - at - 1) * sizeof(*row));
	list->rows[at] = *row;
}

/* RFC 5321 5.1: a host that finds itself among them may only go on to better ones. */
static bool drop_ourselves(struct mx_list *list, const char *helo, struct reply *ret_why)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcasecmp(list->rows[i].host, helo) != 0)
			continue;
		while (i > 0 && list->rows[i - 1].preference == list->rows[i].preference)
			i--;
		list->count = i;
		if (i > 0)
			return true;
		reply_set(ret_why, 554, "5.4.6",
			"mail loops: the best mail host of the domain is %s, which is us",
			helo);
		return false;
	}
	return true;
}

static bool read_records(struct mx_list *list, const struct dns_answer *answer,
	const char *helo, struct reply *ret_why)
{
	bool is_null = false, is_damaged = false;
	for (size_t i = 0; i < answer->count; i++) {
		struct rdata_mx row;
		if (!rdata_mx(answer->data[i], &row))
			is_damaged = true;
		else if (!*row.host)
			is_null = true;
		else
			add(list, &row);
	}
	if (list->count)
		return drop_ourselves(list, helo, ret_why);
	if (is_null)
		reply_set(ret_why, 556, "5.1.10", "the domain takes no mail (null MX)");
	else if (is_damaged)
		reply_set(ret_why, 451, "4.4.3", "the domain's MX records are damaged");
	return !is_null && !is_damaged;
}

bool mx_list_read(struct mx_list *list, const struct dns_answer *answer, const char *helo,
	struct reply *ret_why)
{
	list->count = 0;
	switch (answer->outcome) {
	case DNS_FOUND:
		return read_records(list, answer, helo, ret_why);
	case DNS_NO_DATA:
		return true;
	case DNS_NO_NAME:
		reply_set(ret_why, 550, "5.1.2", "the domain does not exist");
		return false;
	case DNS_FAILED:
		break;
	}
	reply_set(ret_why, 451, "4.4.3", "the domain's mail hosts can't be looked up: %s",
		answer->why ? answer->why : "no answer");
	return false;
}

void mx_list_shuffle(struct mx_list *list, uint32_t (*chance)(uint32_t below))
{
	for (size_t from = 0, to; from < list->count; from = to) {
		for (to = from + 1; to < list->count; to++)
			if (list->rows[to].preference != list->rows[from].preference)
				break;
		for (size_t i = to - 1; i > from; i--) {
			size_t j = from + chance((uint32_t)(i - from + 1));
			struct rdata_mx row = list->rows[i];
			list->rows[i] = list->rows[j];
			list->rows[j] = row;
		}
	}
}
