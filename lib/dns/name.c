/* SPDX-License-Identifier: MIT */
#include "lib/dns/name.h"

/* RFC 1035 2.3.4 */
#define LABEL_MAX 63
#define TEXT_MAX  253 /* of 255 bytes on the wire, without the root label */

static bool is_label_byte(unsigned char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
}

static bool is_label(struct slice label)
{
	if (label.size == 0 || label.size > LABEL_MAX)
		return false;
	for (size_t i = 0; i < label.size; i++)
		if (!is_label_byte(label.data[i]))
			return false;
	return true;
}

bool name_is_valid(struct slice name)
{
	if (name.size > 0 && name.data[name.size - 1] == '.')
		name.size--;
	if (name.size == 0 || name.size > TEXT_MAX)
		return false;
	struct slice label;
	while (slice_split(&name, '.', &label))
		if (!is_label(label))
			return false;
	return true;
}

static char lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

bool name_of_wire(struct slice *wire, char ret_name[static NAME_SIZE])
{
	size_t length = 0;
	for (;;) {
		if (wire->size == 0)
			return false;
		struct slice label = slice_skip(*wire, 1);
		size_t size = (unsigned char)wire->data[0];
		if (size == 0) {
			ret_name[length] = 0;
			*wire = label;
			return true;
		}
		if (size > label.size || length + (length > 0) + size > TEXT_MAX ||
			!is_label(slice_head(label, size)))
			return false;
		if (length > 0)
			ret_name[length++] = '.';
		for (size_t i = 0; i < size; i++)
			ret_name[length++] = lower(label.data[i]);
		*wire = slice_skip(label, size);
	}
}
