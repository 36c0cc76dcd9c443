/* SPDX-License-Identifier: MIT */
#include "lib/mail.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/id.h"
#include "lib/topics.h"

/* Unpacking takes a small multiple of the record; past that it is an attack on memory.
 * Tens of thousands of short addresses take the base. */
#define EXPANSION      8
#define EXPANSION_BASE ((size_t)4 << 20)

/* Protocol Buffers, Encoding: the low bits of a field's tag. */
#define WIRE_VARINT  0
#define WIRE_FIXED64 1
#define WIRE_BYTES   2
#define WIRE_FIXED32 5
#define VARINT_MOST  10
#define CONTENT_TAG  (8 << 3 | WIRE_BYTES)

struct budget {
	struct arena *arena;
	size_t left;
};

static void *budget_alloc(void *with, size_t size)
{
	struct budget *budget = with;
	if (size > budget->left)
		return NULL;
	budget->left -= size;
	return arena_alloc(budget->arena, size);
}

static void budget_free(void *with, void *pointer)
{
	(void)with, (void)pointer;
}

void *record_decode(struct arena *arena, const ProtobufCMessageDescriptor *type,
	struct slice record, struct fault *fault)
{
	struct budget budget = { arena, record.size * EXPANSION + EXPANSION_BASE };
	ProtobufCAllocator allocator = { budget_alloc, budget_free, &budget };
	void *message = protobuf_c_message_unpack(
		type, &allocator, record.size, (const uint8_t *)record.data);
	if (!message)
		fault_permanent(fault, "not a %s record (%zu bytes)", type->short_name,
			record.size);
	return message;
}

static bool is_known(const ProtobufCEnumDescriptor *type, int value)
{
	return protobuf_c_enum_descriptor_get_value(type, value) != NULL;
}

static bool check_version(uint32_t version, struct fault *fault)
{
	return version == RECORD_VERSION ||
	       fault_permanent(fault, "record version %u is not known here", version);
}

static bool check_verdict(const Postern__Verdict *verdict, struct fault *fault)
{
	if (!verdict)
		return true;
	if (!is_known(&postern__decision__descriptor, verdict->decision))
		return fault_permanent(
			fault, "unknown decision %d", (int)verdict->decision);
	for (size_t i = 0; i < verdict->n_findings; i++)
		if (!is_known(&postern__decision__descriptor,
			    verdict->findings[i]->decision))
			return fault_permanent(
				fault, "unknown decision in finding %zu", i);
	return true;
}

static bool check_mail(const Postern__Mail *mail, struct fault *fault)
{
	if (!check_version(mail->version, fault) || !check_verdict(mail->verdict, fault))
		return false;
	if (!id_is_valid(slice_of(mail->id)))
		return fault_permanent(fault, "mail without a valid id");
	if (!lane_name(mail->lane))
		return fault_permanent(fault, "unknown lane %d", (int)mail->lane);
	if (!mail->envelope || mail->envelope->n_recipients == 0)
		return fault_permanent(fault, "mail without recipients");
	if (!mail->submission || mail->content.len == 0 || !*mail->app)
		return fault_permanent(fault, "mail without submission, content or app");
	/* With the content, which is written last: a record that is cut off between two
	 * fields is well-formed, and has lost its headers, its verdict or its policy. */
	if (mail->content_sha256.len != 32)
		return fault_permanent(fault, "mail without the hash of its content");
	return true;
}

static bool take_varint(struct slice *rest, uint64_t *ret_number)
{
	*ret_number = 0;
	for (unsigned shift = 0; rest->size && shift < 64; shift += 7) {
		unsigned char byte = (unsigned char)rest->data[0];
		*rest = slice_skip(*rest, 1);
		*ret_number |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

/* The bytes of a field after its tag (Protocol Buffers, Encoding); those of one with a
 * length in `ret_bytes`. */
static bool take_field(struct slice *rest, uint64_t tag, struct slice *ret_bytes)
{
	uint64_t number;
	*ret_bytes = (struct slice){ 0 };
	switch (tag & 7) {
	case WIRE_VARINT:
		return take_varint(rest, &number);
	case WIRE_FIXED64:
		number = 8;
		break;
	case WIRE_BYTES:
		if (!take_varint(rest, &number) || number > rest->size)
			return false;
		*ret_bytes = slice_head(*rest, number);
		break;
	case WIRE_FIXED32:
		number = 4;
		break;
	default:
		return false;
	}
	if (number > rest->size)
		return false;
	*rest = slice_skip(*rest, number);
	return true;
}

/* Cuts the content off the end of the record. False if something else is there: it may
 * still be a record, of a writer that orders its fields otherwise, or a damaged one. */
static bool cut_content(struct slice *record, struct slice *ret_content)
{
	struct slice rest = *record, field = rest;
	uint64_t tag = 0;
	while (rest.size) {
		field = rest;
		if (!take_varint(&rest, &tag) || !take_field(&rest, tag, ret_content))
			return false;
	}
	record->size -= field.size;
	return tag == CONTENT_TAG;
}

Postern__Mail *mail_decode(struct arena *arena, struct slice record, struct fault *fault)
{
	struct slice rest = record, content = { 0 };
	bool is_cut = cut_content(&rest, &content);
	Postern__Mail *mail = record_decode(
		arena, &postern__mail__descriptor, is_cut ? rest : record, fault);
	if (mail && is_cut)
		mail->content = (ProtobufCBinaryData){ content.size,
			(uint8_t *)content.data };
	return mail && check_mail(mail, fault) ? mail : NULL;
}

void mail_encode(
	struct arena *arena, const Postern__Mail *mail, struct bus_record *ret_record)
{
	Postern__Mail rest = *mail;
	rest.content = (ProtobufCBinaryData){ 0 };
	size_t size = protobuf_c_message_get_packed_size(&rest.base);
	uint8_t *bytes = arena_alloc(arena, size + 1 + VARINT_MOST);
	protobuf_c_message_pack(&rest.base, bytes);
	bytes[size++] = CONTENT_TAG;
	uint64_t left = mail->content.len;
	for (; left >= 0x80; left >>= 7)
		bytes[size++] = (uint8_t)(left | 0x80);
	bytes[size++] = (uint8_t)left;
	ret_record->value = (struct slice){ (char *)bytes, size };
	ret_record->body = (struct slice){ (char *)mail->content.data,
		mail->content.len };
}

Postern__Event *event_decode(
	struct arena *arena, struct slice record, struct fault *fault)
{
	Postern__Event *event = record_decode(
		arena, &postern__event__descriptor, record, fault);
	if (!event || !check_version(event->version, fault) ||
		!check_verdict(event->verdict, fault))
		return NULL;
	if (!is_known(&postern__event_kind__descriptor, event->kind) ||
		!is_known(&postern__lane__descriptor, event->lane)) {
		fault_permanent(fault, "event of unknown kind or lane");
		return NULL;
	}
	return event;
}

Postern__DeadRecord *dead_record_decode(
	struct arena *arena, struct slice record, struct fault *fault)
{
	Postern__DeadRecord *dead = record_decode(
		arena, &postern__dead_record__descriptor, record, fault);
	return dead && check_version(dead->version, fault) ? dead : NULL;
}

static bool check_policy(const Postern__Policy *policy)
{
	const ProtobufCEnumDescriptor *decision = &postern__decision__descriptor;
	bool known = is_known(decision, policy->malware) &&
		     is_known(decision, policy->encrypted) &&
		     is_known(decision, policy->unscannable) &&
		     (!policy->spam || is_known(decision, policy->spam->unavailable));
	for (size_t i = 0; i < policy->n_rules; i++)
		known = known && is_known(decision, policy->rules[i]->decision);
	return known;
}

static bool check_object(const Postern__Object *object, struct fault *fault)
{
	if (!check_version(object->version, fault))
		return false;
	bool known = true;
	switch (object->kind_case) {
	case POSTERN__OBJECT__KIND_APP:
		known = is_known(&postern__app_state__descriptor, object->app->state) &&
			is_known(&postern__lane__descriptor, object->app->lane);
		break;
	case POSTERN__OBJECT__KIND_POLICY:
		known = check_policy(object->policy);
		break;
	case POSTERN__OBJECT__KIND_ROUTE:
		known = is_known(&postern__tls_mode__descriptor, object->route->tls);
		break;
	case POSTERN__OBJECT__KIND_DOMAIN:
	case POSTERN__OBJECT__KIND_POOL:
	case POSTERN__OBJECT__KIND_CREDENTIAL:
		break;
	case POSTERN__OBJECT__KIND__NOT_SET:
	default:
		return fault_permanent(fault, "control object of unknown kind");
	}
	return known ||
	       fault_permanent(fault, "control object with a value not known here");
}

Postern__Object *object_decode(
	struct arena *arena, struct slice record, struct fault *fault)
{
	Postern__Object *object = record_decode(
		arena, &postern__object__descriptor, record, fault);
	return object && check_object(object, fault) ? object : NULL;
}

struct slice record_encode(struct arena *arena, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	char *bytes = arena_alloc(arena, size ? size : 1);
	protobuf_c_message_pack(message, (uint8_t *)bytes);
	return (struct slice){ bytes, size };
}

/* Field 1 is `version`, a varint that fits one byte; field 2 is `id`. A writer that
 * orders its fields otherwise (none of ours does) just isn't peeked into. */
struct slice mail_peek_id(struct slice record)
{
	if (record.size < 4 + ID_LENGTH || record.data[0] != 0x08 ||
		record.data[2] != 0x12 || record.data[3] != ID_LENGTH)
		return (struct slice){ 0 };
	struct slice id = { record.data + 4, ID_LENGTH };
	return id_is_valid(id) ? id : (struct slice){ 0 };
}

void mail_prepend(struct arena *arena, Postern__Mail *mail, struct slice header)
{
	ProtobufCBinaryData *list = ARENA_ARRAY(
		arena, ProtobufCBinaryData, mail->n_headers + 1);
	if (mail->n_headers)
		memcpy(list + 1, mail->headers, mail->n_headers * sizeof(*list));
	list[0] = (ProtobufCBinaryData){ header.size, (uint8_t *)header.data };
	mail->headers = list;
	mail->n_headers++;
}

void mail_drop_headers(struct arena *arena, Postern__Mail *mail, struct slice name)
{
	ProtobufCBinaryData *list = ARENA_ARRAY(
		arena, ProtobufCBinaryData, mail->n_headers + 1);
	size_t count = 0;
	for (size_t i = 0; i < mail->n_headers; i++) {
		struct slice header = { (char *)mail->headers[i].data,
			mail->headers[i].len };
		if (!slice_has_prefix_nocase(header, name) || header.size == name.size ||
			header.data[name.size] != ':')
			list[count++] = mail->headers[i];
	}
	mail->headers = list;
	mail->n_headers = count;
}

void mail_add_step(
	struct arena *arena, Postern__Mail *mail, const char *stage, int64_t started_us)
{
	Postern__Step *step = ARENA_NEW(arena, Postern__Step);
	postern__step__init(step);
	step->stage = (char *)stage;
	step->started_us = started_us;
	step->finished_us = clock_unix_us();
	Postern__Step **list = ARENA_ARRAY(arena, Postern__Step *, mail->n_steps + 1);
	if (mail->n_steps)
		memcpy(list, mail->steps, mail->n_steps * sizeof(*list));
	list[mail->n_steps++] = step;
	mail->steps = list;
}

const char *mail_hold_key(struct arena *arena, const Postern__Mail *mail)
{
	unsigned number = 1;
	for (size_t i = 0; i < mail->n_steps; i++)
		number += strcmp(mail->steps[i]->stage, STEP_QUARANTINE) == 0;
	return number == 1 ? mail->id : arena_printf(arena, "%s/%u", mail->id, number);
}

size_t mail_size(const Postern__Mail *mail)
{
	size_t size = mail->content.len;
	for (size_t i = 0; i < mail->n_headers; i++)
		size += mail->headers[i].len;
	return size;
}

/* The shard keeps one busy app from being bound to a single Kafka partition; what is
 * accepted in the same moment stays together, as many as possible in one request. */
struct slice mail_key(struct arena *arena, const Postern__Mail *mail)
{
	bool has_moment = strlen(mail->id) >= ID_MOMENT;
	return slice_of(arena_printf(
		arena, "%s/%c", mail->app, has_moment ? mail->id[ID_MOMENT - 1] : '0'));
}
