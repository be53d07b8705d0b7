/* The formats of `dump --format` that are sinks: pyftrace/exports has them all. */
#include <string.h>

#include "pyapi/pyapi.h"
#include "sink/chrome.h"
#include "sink/dump.h"
#include "sink/perfetto.h"
#include "sink/uftrace.h"

static struct ft_sink *
open_jsonl(struct ft_output *out)
{
    return ft_dump_new(out, FT_DUMP_JSON);
}

static struct ft_sink *
open_raw(struct ft_output *out)
{
    return ft_dump_new(out, FT_DUMP_RAW);
}

static struct ft_sink *
open_csv(struct ft_output *out)
{
    return ft_dump_new(out, FT_DUMP_CSV);
}

static const struct ft_export exports[] = {
    {"jsonl", open_jsonl, NULL},
    {"raw", open_raw, NULL},
    {"csv", open_csv, NULL},
    {"chrome", ft_chrome_new, NULL},
    {"perfetto", ft_perfetto_new, NULL},
    {"uftrace", ft_uftrace_new, ft_uftrace_folder},
};

const struct ft_export *
ft_export_find(const char *name)
{
    for (size_t i = 0; i < sizeof(exports) / sizeof(exports[0]); i++) {
        if (strcmp(name, exports[i].name) == 0) {
            return &exports[i];
        }
    }
    return NULL;
}
