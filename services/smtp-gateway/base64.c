/* SPDX-License-Identifier: MIT */
#include "services/smtp-gateway/base64.h"

#include <stdint.h>

static int value_of(char digit)
{
	if (digit >= 'A' && digit <= 'Z')
		return digit - 'A';
	if (digit >= 'a' && digit <= 'z')
		return digit - 'a' + 26;
	if (digit >= '0' && digit <= '9')
		return digit - '0' + 52;
	return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

static bool decode_group(const char *group, size_t digits, char *bytes)
{
	uint32_t bits = 0;
	for (size_t i = 0; i < 4; i++) {
		int value = i < digits ? value_of(group[i]) : 0;
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
	}
	for (size_t i = 0; i < digits - 1; i++)
		bytes[i] = (char)(bits >> (16 - 8 * i));
	return digits == 4 || (bits & ((1u << (24 - 8 * (digits - 1))) - 1)) == 0;
}

bool base64_decode(struct slice text, char *ret_bytes, size_t *ret_size)
{
	size_t size = 0;
	if (text.size % 4)
		return false;
	for (size_t i = 0; i < text.size; i += 4) {
		bool is_last = i + 4 == text.size;
		size_t digits = 4;
		if (is_last && text.data[i + 3] == '=')
			digits = text.data[i + 2] == '=' ? 2 : 3;
		if (!decode_group(text.data + i, digits, ret_bytes + size))
			return false;
		size += digits - 1;
	}
	*ret_size = size;
	return true;
}
