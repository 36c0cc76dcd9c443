/* SPDX-License-Identifier: MIT */
#include "lib/setting_value.h"

static void print_default(const struct setting *setting, const char *quote, FILE *out)
{
	if (!setting->fallback)
		fputs("must be set", out);
	else if (!*setting->fallback)
		fputs("not set", out);
	else
		fprintf(out, "%s%s%s", quote, setting->fallback, quote);
}

void settings_print(const struct setting *table, FILE *out)
{
	for (; table && table->name; table++) {
		bool is_secret = table->type == SETTING_SECRET;
		fprintf(out, "%s%s\n    %s\n    Allowed: ", table->name,
			is_secret ? " or …_FILE" : "", table->help);
		setting_print_allowed(table, out);
		fputs(". Default: ", out);
		print_default(table, "", out);
		fputs(".\n", out);
	}
}

void settings_print_markdown(const struct setting *table, FILE *out)
{
	fputs("| Setting | Default | Allowed | Meaning |\n|---|---|---|---|\n", out);
	for (; table && table->name; table++) {
		fprintf(out, "| `%s`%s | ", table->name,
			table->type == SETTING_SECRET ? " or `…_FILE`" : "");
		print_default(table, "`", out);
		fputs(" | ", out);
		setting_print_allowed(table, out);
		fprintf(out, " | %s |\n", table->help);
	}
}
