/* SPDX-License-Identifier: MIT */
#include "lib/service_options.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/version.h"

#define FIELD_AT(field) offsetof(struct service_options, field)

static const struct setting common_settings[] = {
	{ "POSTERN_BUS", SETTING_TEXT, FIELD_AT(bus), "local:/var/lib/postern", 0, 0,
		"Where the topics are: local:FOLDER or kafka:HOST:PORT[,HOST:PORT…]." },
	{ "POSTERN_INSTANCE", SETTING_TEXT, FIELD_AT(instance), "", 0, 0,
		"Name of this copy, unique among the living copies of the service; "
		"host name and process id where not set." },
	{ "POSTERN_HTTP", SETTING_ADDRESS, FIELD_AT(http), "", 0, 0,
		"Where /healthz, /readyz and /metrics are served; nowhere where not "
		"set." },
	{ "POSTERN_LOG_LEVEL", SETTING_CHOICE, FIELD_AT(log_level), "info", 0, 0,
		"Least level of the lines that are logged to stderr.",
		"debug info warning error" },
	{ "POSTERN_DRAIN_TIMEOUT", SETTING_DURATION, FIELD_AT(drain_timeout_ms), "25s", 0,
		3600000,
		"How long work in hand may go on after SIGTERM; what is not done by then "
		"is redelivered." },
	{ 0 },
};

static int print_help(const struct service *service)
{
	printf("%s: %s\n\n"
	       "Usage: %s [--help | --help-config[=markdown] | --check-config | "
	       "--version]\n\n"
	       "All settings are environment variables; --help-config lists them, "
	       "--check-config\n"
	       "says whether they are good. SIGTERM drains and ends, SIGHUP reads "
	       "certificates,\n"
	       "keys and the like again.\n",
		service->name, service->summary, service->name);
	return STATUS_GOOD;
}

static int print_config(const struct service *service)
{
	settings_print(service->settings, stdout);
	settings_print(common_settings, stdout);
	return STATUS_GOOD;
}

static int print_markdown(const struct service *service)
{
	printf("## %s\n\n%s\n\n", service->name, service->summary);
	settings_print_markdown(service->settings, stdout);
	printf("\n## Every service\n\nThese settings are common to all services.\n\n");
	settings_print_markdown(common_settings, stdout);
	return STATUS_GOOD;
}

static int print_version(const struct service *service)
{
	printf("%s %s\n", service->name, POSTERN_VERSION);
	return STATUS_GOOD;
}

static int run(const struct service *service)
{
	(void)service;
	return STATUS_RUN;
}

static const struct argument {
	const char *name;
	int (*act)(const struct service *service);
	bool needs_settings;
} arguments[] = {
	{ "--help", print_help },
	{ "--help-config", print_config },
	{ "--help-config=markdown", print_markdown },
	{ "--version", print_version },
	{ "--check-config", run, true },
};

static const struct argument *argument_find(int argc, char **argv)
{
	static const struct argument none = { "", run, true };
	if (argc <= 1)
		return &none;
	for (size_t i = 0; argc == 2 && i < sizeof(arguments) / sizeof(*arguments); i++)
		if (strcmp(argv[1], arguments[i].name) == 0)
			return &arguments[i];
	return NULL;
}

static const char *instance_default(struct arena *arena)
{
	char host[HOST_NAME_MAX + 1] = "";
	gethostname(host, HOST_NAME_MAX);
	return arena_printf(arena, "%s-%d", *host ? host : "host", (int)getpid());
}

static bool load(const struct service *service, struct service_options *options,
	struct process *process)
{
	void *config = arena_zalloc(process->arena, service->config_size);
	bool is_good = settings_load(common_settings, options, process->arena, stderr);
	if (!settings_load(service->settings, config, process->arena, stderr) || !is_good)
		return false;
	enum log_level level;
	if (log_level_parse(options->log_level, &level))
		log_set_level(level);
	if (!*options->instance)
		options->instance = instance_default(process->arena);
	process->instance = options->instance;
	process->config = config;
	return true;
}

int service_options_load(int argc, char **argv, const struct service *service,
	struct service_options *ret_options, struct process *process)
{
	const struct argument *argument = argument_find(argc, argv);
	if (!argument) {
		fprintf(stderr, "%s: unknown argument \"%s\"; try --help\n",
			service->name, argv[argc > 2 ? 2 : 1]);
		return STATUS_USAGE;
	}
	int status = argument->act(service);
	if (!argument->needs_settings)
		return status;
	if (!load(service, ret_options, process)) {
		fprintf(stderr,
			"%s: the settings above are wrong; --help-config lists "
			"them all\n",
			service->name);
		return STATUS_USAGE;
	}
	if (!*argument->name)
		return STATUS_RUN;
	service_options_warn(service, &process->log);
	printf("%s: the settings are good\n", service->name);
	return STATUS_GOOD;
}

static void warn(void *with, const char *name, const char *nearest)
{
	log_warning(with, "unknown setting, ignored", FIELD("name", name),
		FIELD("nearest", nearest));
}

void service_options_warn(const struct service *service, const struct log *log)
{
	settings_unknown(service->settings, warn, (void *)log);
	settings_unknown(common_settings, warn, (void *)log);
}
