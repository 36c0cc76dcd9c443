/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <string.h>

#include "services/scanner/worker/detector.h"

#define DIGITS_MIN 13
#define DIGITS_MAX 19
#define GROUPS_MAX 5

#define LENGTHS(from, to) ((2u << (to)) - (1u << (from)))

/* Issuers by the first six digits (ISO/IEC 7812; EMVCo and the networks' own pages). */
static const struct issuer {
	uint32_t from, to;
	uint32_t lengths; /* bit n: n digits */
	const char *name;
} issuers[] = {
	{ 220000, 220499, LENGTHS(16, 19), "Mir" },
	{ 222100, 272099, LENGTHS(16, 16), "Mastercard" },
	{ 300000, 305999, LENGTHS(14, 14), "Diners Club" },
	{ 309500, 309599, LENGTHS(14, 14), "Diners Club" },
	{ 340000, 349999, LENGTHS(15, 15), "American Express" },
	{ 352800, 358999, LENGTHS(16, 19), "JCB" },
	{ 360000, 369999, LENGTHS(14, 19), "Diners Club" },
	{ 370000, 379999, LENGTHS(15, 15), "American Express" },
	{ 380000, 399999, LENGTHS(14, 14), "Diners Club" },
	{ 400000, 499999, LENGTHS(13, 13) | LENGTHS(16, 16) | LENGTHS(19, 19), "Visa" },
	{ 510000, 559999, LENGTHS(16, 16), "Mastercard" },
	{ 601100, 601199, LENGTHS(16, 19), "Discover" },
	{ 620000, 629999, LENGTHS(16, 19), "UnionPay" },
	{ 630400, 630499, LENGTHS(16, 19), "Maestro" },
	{ 644000, 659999, LENGTHS(16, 19), "Discover" },
	{ 675900, 675999, LENGTHS(16, 19), "Maestro" },
	{ 676100, 676399, LENGTHS(16, 19), "Maestro" },
	{ 810000, 817199, LENGTHS(16, 19), "UnionPay" },
	{ 0 },
};

struct number {
	char digits[DIGITS_MAX];
	size_t n_digits;
	size_t groups[GROUPS_MAX]; /* digits in each */
	size_t n_groups;
};

static const char *issuer_of(const struct number *number)
{
	if (number->n_digits < DIGITS_MIN)
		return NULL;
	uint32_t prefix = 0;
	for (size_t i = 0; i < 6; i++)
		prefix = prefix * 10 + (uint32_t)(number->digits[i] - '0');
	for (const struct issuer *row = issuers; row->name; row++)
		if (prefix >= row->from && prefix <= row->to &&
			(row->lengths >> number->n_digits & 1))
			return row->name;
	return NULL;
}

static bool has_luhn_checksum(const struct number *number)
{
	unsigned sum = 0;
	for (size_t i = 0; i < number->n_digits; i++) {
		unsigned digit =
			(unsigned)(number->digits[number->n_digits - 1 - i] - '0');
		if (i % 2)
			digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
		sum += digit;
	}
	return sum % 10 == 0;
}

/* One run of digits, or groups as cards show them: 4 4 4 4, 4 4 4 4 3, 4 6 5, 4 6 4. */
static bool is_grouped_like_a_card(const struct number *number)
{
	const size_t *groups = number->groups;
	switch (number->n_groups) {
	case 1:
		return true;
	case 3:
		return groups[0] == 4 && groups[1] == 6 && groups[2] >= 4 &&
		       groups[2] <= 5;
	case 4:
	case 5:
		return groups[0] == 4 && groups[1] == 4 && groups[2] == 4 &&
		       groups[3] <= 4 &&
		       (number->n_groups == 4 || (groups[3] == 4 && groups[4] <= 3));
	default:
		return false;
	}
}

/* A hyphen or full stop with more digits behind it: part of something longer. */
static bool is_joined(struct slice text, size_t mark, size_t digit)
{
	return mark < text.size && digit < text.size &&
	       (text.data[mark] == '-' || text.data[mark] == '.') &&
	       is_digit(text.data[digit]);
}

static void report(const struct number *number, const char *issuer, struct hits *hits)
{
	char masked[DIGITS_MAX + 1];
	memset(masked, '*', sizeof(masked));
	memcpy(masked, number->digits, 6);
	memcpy(masked + number->n_digits - 4, number->digits + number->n_digits - 4, 4);
	masked[number->n_digits] = '\0';
	hits_add(
		hits, (struct slice){ number->digits, number->n_digits }, issuer, masked);
}

/* Adds the run of digits at `at`; 0 if that makes too many. */
static size_t add_group(struct slice text, size_t at, struct number *number)
{
	size_t begin = at;
	while (at < text.size && is_digit(text.data[at])) {
		if (number->n_digits == DIGITS_MAX)
			return 0;
		number->digits[number->n_digits++] = text.data[at++];
	}
	number->groups[number->n_groups++] = at - begin;
	return at;
}

static bool is_card(struct slice text, size_t end, const struct number *number)
{
	return is_grouped_like_a_card(number) && !is_word_at(text, end) &&
	       !is_joined(text, end, end + 1) && has_luhn_checksum(number);
}

/* `at` is the first digit of a run. Takes run after run as long as the same separator
 * joins them; returns the end of the card number that begins here, else 0. */
static size_t take_card(struct slice text, size_t at, struct hits *hits)
{
	struct number number = { .n_groups = 0 };
	if (is_word_at(text, at - 1) || is_joined(text, at - 1, at - 2))
		return 0;
	char separator = 0;
	while (number.n_groups < GROUPS_MAX) {
		at = add_group(text, at, &number);
		if (!at)
			return 0;
		const char *issuer = issuer_of(&number);
		if (issuer && is_card(text, at, &number)) {
			report(&number, issuer, hits);
			return at;
		}
		if (!is_separator_at(text, at) ||
			(separator && text.data[at] != separator) ||
			at + 1 >= text.size || !is_digit(text.data[at + 1]))
			return 0;
		separator = text.data[at++];
	}
	return 0;
}

/* Where the digits and single separators begin that end at `end`. */
static size_t find_start(struct slice text, size_t end)
{
	size_t start = end;
	while (start > 0) {
		size_t mark = is_separator_at(text, start - 1) ? 1 : 0;
		if (start == mark || !is_digit(text.data[start - mark - 1]))
			break;
		start -= mark + 1;
	}
	return start;
}

static size_t examine_card_number(
	struct slice text, unsigned pattern, size_t end, struct hits *hits)
{
	(void)pattern;
	size_t at = find_start(text, end);
	while (at < text.size && is_digit(text.data[at])) {
		size_t taken = take_card(text, at, hits);
		if (taken)
			at = taken;
		while (at < text.size && is_digit(text.data[at]))
			at++;
		if (is_separator_at(text, at))
			at++;
	}
	return at > end ? at : end;
}

static const char *const patterns[] = {
	"[2-68][0-9]{3}[ .-]?[0-9]{4}",
	NULL,
};

const struct detector card_number_detector = {
	.name = "card_number",
	.help = "Payment card numbers: issuer, length, grouping and Luhn checksum agree",
	.patterns = patterns,
	.examine = examine_card_number,
};
