/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "services/scanner/worker/detector.h"

#define IBAN_MAX 34

/* Length of each country's number: the IBAN registry of SWIFT (ISO 13616). */
static const struct country {
	char code[3];
	unsigned char length;
} countries[] = {
	/* clang-format off */
	{ "AD", 24 }, { "AE", 23 }, { "AL", 28 }, { "AT", 20 }, { "AZ", 28 }, { "BA", 20 },
	{ "BE", 16 }, { "BG", 22 }, { "BH", 22 }, { "BI", 27 }, { "BR", 29 }, { "BY", 28 },
	{ "CH", 21 }, { "CR", 22 }, { "CY", 28 }, { "CZ", 24 }, { "DE", 22 }, { "DJ", 27 },
	{ "DK", 18 }, { "DO", 28 }, { "EE", 20 }, { "EG", 29 }, { "ES", 24 }, { "FI", 18 },
	{ "FK", 18 }, { "FO", 18 }, { "FR", 27 }, { "GB", 22 }, { "GE", 22 }, { "GI", 23 },
	{ "GL", 18 }, { "GR", 27 }, { "GT", 28 }, { "HN", 28 }, { "HR", 21 }, { "HU", 28 },
	{ "IE", 22 }, { "IL", 23 }, { "IQ", 23 }, { "IS", 26 }, { "IT", 27 }, { "JO", 30 },
	{ "KW", 30 }, { "KZ", 20 }, { "LB", 28 }, { "LC", 32 }, { "LI", 21 }, { "LT", 20 },
	{ "LU", 20 }, { "LV", 21 }, { "LY", 25 }, { "MC", 27 }, { "MD", 24 }, { "ME", 22 },
	{ "MK", 19 }, { "MN", 20 }, { "MR", 27 }, { "MT", 31 }, { "MU", 30 }, { "NI", 28 },
	{ "NL", 18 }, { "NO", 15 }, { "OM", 23 }, { "PK", 24 }, { "PL", 28 }, { "PS", 29 },
	{ "PT", 25 }, { "QA", 29 }, { "RO", 24 }, { "RS", 22 }, { "RU", 33 }, { "SA", 24 },
	{ "SC", 31 }, { "SD", 18 }, { "SE", 24 }, { "SI", 19 }, { "SK", 24 }, { "SM", 27 },
	{ "SO", 23 }, { "ST", 25 }, { "SV", 28 }, { "TL", 23 }, { "TN", 24 }, { "TR", 26 },
	{ "UA", 29 }, { "VA", 22 }, { "VG", 24 }, { "XK", 20 }, { "YE", 30 },
	/* clang-format on */
};

static char upper(char byte)
{
	return byte >= 'a' && byte <= 'z' ? (char)(byte - ('a' - 'A')) : byte;
}

static const struct country *country_at(struct slice text, size_t at)
{
	for (size_t i = 0; i < sizeof(countries) / sizeof(*countries); i++)
		if (countries[i].code[0] == upper(text.data[at]) &&
			countries[i].code[1] == upper(text.data[at + 1]))
			return &countries[i];
	return NULL;
}

/* ISO 7064 MOD 97-10 with the first four characters moved to the end. */
static bool has_checksum(const char *number, size_t length)
{
	unsigned rest = 0;
	for (size_t i = 0; i < length; i++) {
		char byte = number[(i + 4) % length];
		if (is_digit(byte))
			rest = rest * 10 + (unsigned)(byte - '0');
		else
			rest = rest * 100 + (unsigned)(byte - 'A') + 10;
		rest %= 97;
	}
	return rest == 1;
}

/* Reads `length` letters and digits from `at`, in one run or in groups of four with one
 * separator between. Returns where they end, 0 if they are set otherwise. */
static size_t read_number(struct slice text, size_t at, size_t length, char *number)
{
	bool grouped = false;
	for (size_t n = 0; n < length; n++) {
		bool is_between = n > 0 && is_separator_at(text, at);
		if (n == 4)
			grouped = is_between;
		if (is_between != (grouped && n % 4 == 0 && n > 0))
			return 0;
		at += is_between;
		if (at >= text.size ||
			(!is_digit(text.data[at]) && !is_letter(text.data[at])))
			return 0;
		number[n] = upper(text.data[at++]);
	}
	return is_word_at(text, at) ? 0 : at;
}

static size_t examine_iban(
	struct slice text, unsigned pattern, size_t end, struct hits *hits)
{
	(void)pattern;
	/* The pattern has 8 characters, and one separator or none. */
	for (size_t back = 8; back <= 9 && back <= end; back++) {
		size_t at = end - back;
		const struct country *country = country_at(text, at);
		if (!country || is_word_at(text, at - 1))
			continue;
		char number[IBAN_MAX];
		size_t stop = read_number(text, at, country->length, number);
		if (!stop || !has_checksum(number, country->length))
			continue;
		char masked[IBAN_MAX + 1];
		memset(masked, '*', sizeof(masked));
		memcpy(masked, number, 2);
		memcpy(masked + country->length - 2, number + country->length - 2, 2);
		masked[country->length] = '\0';
		hits_add(hits, (struct slice){ number, country->length }, country->code,
			masked);
		return stop;
	}
	return end;
}

static const char *const patterns[] = {
	"[A-Za-z]{2}[0-9]{2}[ .-]?[A-Za-z0-9]{4}",
	NULL,
};

const struct detector iban_detector = {
	.name = "iban",
	.help = "Bank account numbers (IBAN): country, length and checksum agree",
	.patterns = patterns,
	.examine = examine_iban,
};
