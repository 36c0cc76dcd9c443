/* SPDX-License-Identifier: MIT */
#include "tests/posternctl/sample.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mail.h"

static ProtobufCBinaryData binary(struct arena *arena, const char *text)
{
	return (ProtobufCBinaryData){ strlen(text),
		(uint8_t *)arena_string(arena, slice_of(text)) };
}

Postern__Mail *sample_mail(struct arena *arena, const char *id)
{
	static const char *const recipients[] = { "ann@customer.example",
		"bob@customer.example" };
	Postern__Mail mail = POSTERN__MAIL__INIT;
	Postern__Envelope envelope = POSTERN__ENVELOPE__INIT;
	Postern__Submission submission = POSTERN__SUBMISSION__INIT;
	Postern__Verdict verdict = POSTERN__VERDICT__INIT;
	Postern__Step step = POSTERN__STEP__INIT, *steps[] = { &step };
	Postern__Recipient list[2], *pointers[] = { &list[0], &list[1] };
	for (size_t i = 0; i < 2; i++) {
		postern__recipient__init(&list[i]);
		list[i].address = (char *)recipients[i];
	}
	envelope.from = (char *)"bounces@shop.example";
	envelope.n_recipients = 2;
	envelope.recipients = pointers;
	submission.received_us = 1700000000000000;
	ProtobufCBinaryData headers[] = { binary(arena, "DKIM-Signature: v=1\r\n"),
		binary(arena, "Received: from x\r\n") };
	mail.version = RECORD_VERSION;
	mail.content_sha256 = (ProtobufCBinaryData){ 32, (uint8_t[32]){ 1 } };
	mail.id = (char *)id;
	mail.app = (char *)"shop";
	mail.lane = POSTERN__LANE__LANE_URGENT;
	mail.envelope = &envelope;
	mail.submission = &submission;
	mail.verdict = &verdict;
	mail.content = binary(arena, "Subject: hi\r\n\r\nHello\r\n");
	mail.n_headers = 2;
	mail.headers = headers;
	mail.header_from = (char *)"orders@shop.example";
	mail.subject = (char *)"hi";
	mail.n_steps = 1;
	mail.steps = steps;
	/* A copy of which the arena owns every part. */
	return mail_decode(arena, record_encode(arena, &mail.base), NULL);
}

static void take(char *target, size_t room, FILE *file, char **text)
{
	fclose(file);
	ck_assert_uint_lt(strlen(*text), room);
	memcpy(target, *text, strlen(*text) + 1);
	free(*text);
}

void run_words(struct outcome *outcome, const char *where, const char *input,
	const char *const *words)
{
	char *argv[32] = { (char *)"posternctl", (char *)"--bus", (char *)where };
	int argc = 3;
	for (; *words; words++)
		argv[argc++] = (char *)*words;
	char *out_text = NULL, *error_text = NULL;
	size_t out_size, error_size;
	FILE *out = open_memstream(&out_text, &out_size);
	FILE *errors = open_memstream(&error_text, &error_size);
	FILE *in = fmemopen(
		(char *)(*input ? input : "\n"), *input ? strlen(input) : 1, "r");
	outcome->status = command_run(argc, argv, in, out, errors);
	fclose(in);
	take(outcome->out, sizeof(outcome->out), out, &out_text);
	take(outcome->errors, sizeof(outcome->errors), errors, &error_text);
}
