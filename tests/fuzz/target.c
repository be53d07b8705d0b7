/* A fuzz target: any bytes as the files of a recording, opened and walked as the verbs do it.
 *
 * What must hold, beyond what the sanitizers see: opening gives an errno that is documented or a
 * recording; every event costs at least a byte of a file; a call is left at the depth at which it
 * was entered; two walks tell the same. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "sink/chrome.h"
#include "sink/dump.h"
#include "sink/output.h"
#include "sink/perfetto.h"
#include "sink/select.h"
#include "sink/sums.h"
#include "sink/table.h"
#include "sink/tail.h"
#include "sink/text.h"
#include "sink/uftrace.h"
#include "trace/walker.h"

#define DAMAGE_MAX (4096 + 512)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The plan's bits; the lowest two are two of those that choose the sink. */
enum plan {
    PLAN_SINK = 3,
    PLAN_MERGED = 1 << 2,
    PLAN_SINCE = 1 << 3,
    PLAN_UNTIL = 1 << 4,
    PLAN_SELECT = 1 << 5,
    PLAN_LEAST = 1 << 6,
    PLAN_OTHER = 1 << 7, /* colours, paths, C calls */
};

/* ---- a sink that judges ---------------------------------------------------------------------- */

struct judge {
    struct ft_sink base;     /* first */
    uint64_t events, opens, losses, begun, ended;
};

struct judged {
    uint32_t depth;          /* open calls */
    bool known;              /* false: at the beginning and behind a gap */
};

static void *
judge_begin(struct ft_sink *sink, const struct ft_thread_info *info)
{
    MUST(info->serial > 0 && info->name.s != NULL);
    ((struct judge *)sink)->begun++;
    return calloc(1, sizeof(struct judged));
}

static void
judge_end(struct ft_sink *sink, void *lane)
{
    ((struct judge *)sink)->ended++;
    free(lane);
}

static void
judge_call(const struct ft_call *call)
{
    MUST(call->func != NULL && call->func->name.s != NULL && call->way <= FT_LEFT);
    MUST(call->args.s == NULL || ft_str_is_printable(call->args));
    MUST(call->value.s == NULL || ft_str_is_printable(call->value));
    MUST(call->task == NULL || ft_str_is_printable(call->task->name));
}

static void
judge_enter(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct judged *lane = opaque;
    ((struct judge *)sink)->events++;
    judge_call(call);
    MUST(call->way <= FT_C_CALL);
    MUST(!lane->known || call->depth == lane->depth);
    lane->depth = call->depth + 1;
    lane->known = true;
}

static void
judge_leave(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct judged *lane = opaque;
    ((struct judge *)sink)->events++;
    judge_call(call);
    MUST(call->way >= FT_RETURN);
    MUST(!lane->known || call->depth + 1 == lane->depth);
    lane->depth = call->depth;
    lane->known = true;
}

static void
judge_open(struct ft_sink *sink, void *opaque, const struct ft_call *call)
{
    struct judged *lane = opaque;
    ((struct judge *)sink)->opens++;
    MUST(call->func != NULL);
    lane->known = false;
}

static void
judge_lost(struct ft_sink *sink, void *opaque, uint64_t n)
{
    struct judged *lane = opaque;
    ((struct judge *)sink)->losses++;
    MUST(n > 0);
    lane->known = false;
}

static void
judge_close(struct ft_sink *sink)
{
    (void)sink;
}

static const struct ft_sink_ops judge_ops = {
    .name = "judge",
    .locked = true,
    .thread_begin = judge_begin,
    .thread_end = judge_end,
    .enter = judge_enter,
    .leave = judge_leave,
    .open = judge_open,
    .lost = judge_lost,
    .close = judge_close,
};

/* The judge's verdict on one walk; the events told. */
static uint64_t
judge_walk(struct ft_trace *t, const struct ft_walk *part, size_t size)
{
    struct judge judge = {.base = {.ops = &judge_ops}};
    struct ft_walk walk = *part;
    MUST(ft_walk(t, &judge.base, &walk) == 0);
    MUST(judge.begun == judge.ended);
    MUST(walk.events == judge.events && judge.events <= size);
    /* A call in a segment's head takes three bytes; one found open by a seek, one. */
    MUST(judge.opens <= 2 * size);
    MUST(judge.losses <= size);
    MUST(walk.events == 0 || walk.first <= walk.last);
    return judge.events;
}

/* ---- the sinks that there are ---------------------------------------------------------------- */

static uint64_t
walk_selected(struct ft_trace *t, struct ft_sink *sink, const struct ft_walk *part, unsigned plan)
{
    static const struct ft_str function[] = {{"*f*", 3}}, exclude[] = {{"*g", 2}},
                               hide[] = {{"h", 1}};
    bool matched[3];
    struct ft_select select = {.function = function,
                               .exclude = exclude,
                               .hide = hide,
                               .function_matched = &matched[0],
                               .exclude_matched = &matched[1],
                               .hide_matched = &matched[2]};
    select.nfunction = select.nhide = select.nexclude = (plan & PLAN_SELECT) != 0;
    select.depth = plan & PLAN_SELECT ? 3 : 0;
    select.least = plan & PLAN_LEAST ? 2000 : 0;
    struct ft_walk walk = *part;
    struct ft_sink *through = ft_select_is_all(&select) ? sink : ft_select_new(&select, sink);
    MUST(through != NULL && ft_walk(t, through, &walk) == 0);
    if (through != sink) {
        through->ops->close(through);
    }
    return walk.events;
}

static void
render(struct ft_sink *sink, const struct ft_walk *walk, unsigned plan)
{
    struct ft_table_rows rows;
    struct ft_table_style style = {.format = plan & PLAN_OTHER ? FT_FORMAT_JSON : FT_FORMAT_TABLE,
                                   .sort = {FT_KEY_P99, FT_KEY_NAME},
                                   .nsort = 2,
                                   .columns = UINT32_MAX,
                                   .footer = true};
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    ft_table_set_span(sink, walk->since, walk->until);
    MUST(ft_table_collect(sink, &rows) == 0);
    ft_table_sort(&rows, &style);
    ft_table_render(&rows, &style, &b, NULL, NULL);
    ft_table_rows_free(&rows);
    ft_strbuf_fini(&b);
}

/* Two bits are the plan's, two of the input's length. */
enum which { TEXT, TABLE, TREE, JSON, TAIL, EDGES, UFTRACE, CSV, RAW, CHROME, PERFETTO, NSINKS };

static struct ft_sink *
sink_of(enum which which, unsigned plan, struct ft_output *out)
{
    bool other = (plan & PLAN_OTHER) != 0;
    struct ft_text_options options = {.args = true,
                                      .values = true,
                                      .time = true,
                                      .paths = other,
                                      .color = other,
                                      .ccalls = true,
                                      .callers = true};
    switch (which) {
    case TABLE:
        return ft_table_new(true);
    case TREE:
        return ft_chains_new();
    case EDGES:
        return ft_pairs_new();
    case JSON:
        return ft_dump_new(out, FT_DUMP_JSON);
    case CSV:
        return ft_dump_new(out, FT_DUMP_CSV);
    case RAW:
        return ft_dump_new(out, FT_DUMP_RAW);
    case CHROME:
        return ft_chrome_new(out);
    case PERFETTO:
        return ft_perfetto_new(out);
    default:
        return ft_text_new(&options, out);
    }
}

/* Lines, and nothing that a terminal acts on. Coverage of it would cost more than the reader. */
__attribute__((no_sanitize("coverage"))) static bool
is_lines(const char *text, size_t len)
{
    for (size_t at = 0; at < len; at++) {
        if ((unsigned char)text[at] < ' ' && text[at] != '\n') {
            return false;
        }
    }
    return true;
}

/* A folder that looks at what it is given. */
static void
look_at(struct ft_folder *folder, const char *name, struct ft_str bytes)
{
    (void)folder;
    MUST(name[strspn(name, "abcdefghijklmnopqrstuvwxyzC0123456789-.")] == '\0');
    MUST(strstr(name, ".dat") != NULL || strcmp(name, "info") == 0 || is_lines(bytes.s, bytes.len));
}

static uint64_t
uftrace_walk(struct ft_trace *t, const struct ft_walk *walk, unsigned plan)
{
    struct ft_folder folder = {.append = look_at};
    struct ft_sink *sink = ft_uftrace_new(&folder.out);
    MUST(sink != NULL);
    uint64_t events = walk_selected(t, sink, walk, plan);
    sink->ops->flush(sink);
    MUST(sink->unkept == 0 && folder.out.lost_lines == 0);
    sink->ops->close(sink);
    return events;
}

/* The last lines of a tree. */
static uint64_t
tail_walk(struct ft_trace *t, const struct ft_walk *walk, unsigned plan)
{
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    struct ft_output *out = ft_output_memory(&b);
    struct ft_tail *tail = ft_tail_new(1 + plan % 13, plan % 3);
    MUST(out != NULL && tail != NULL);
    struct ft_sink *text = sink_of(TEXT, 0, ft_tail_output(tail));
    MUST(text != NULL);
    struct ft_sink *sink = ft_tail_sink(tail, text, walk->since, (plan & PLAN_OTHER) != 0);
    uint64_t events = walk_selected(t, sink, walk, plan);
    ft_tail_write(tail, out);
    text->ops->close(text);
    ft_tail_free(tail);
    out->close(out);
    MUST(is_lines(b.data, b.len));
    ft_strbuf_fini(&b);
    return events;
}

static void
look_at_nodes(struct ft_sink *sink)
{
    size_t n;
    const struct ft_sum *nodes = ft_sums_all(sink, &n);
    for (size_t i = 1; i < n; i++) {
        MUST(nodes[i].parent < i && nodes[i].func != NULL);
    }
}

static void
look_at_edges(struct ft_sink *sink)
{
    size_t n;
    const struct ft_sum *edges = ft_sums_all(sink, &n);
    for (size_t i = 1; i < n; i++) {
        MUST(edges[i].func != NULL && edges[i].first <= edges[i].calls);
    }
}

static uint64_t
sink_walk(struct ft_trace *t, const struct ft_walk *walk, unsigned plan, enum which which)
{
    struct ft_strbuf b;
    ft_strbuf_init(&b);
    struct ft_output *out = ft_output_memory(&b);
    struct ft_sink *sink = sink_of(which, plan, out);
    MUST(out != NULL && sink != NULL);
    if (which == TABLE) {
        ft_table_want_percentiles(sink);
    }
    uint64_t events = walk_selected(t, sink, walk, plan);
    switch (which) {
    case TABLE:
        render(sink, walk, plan);
        break;
    case TREE:
        look_at_nodes(sink);
        break;
    case EDGES:
        look_at_edges(sink);
        break;
    default:
        break;
    }
    sink->ops->close(sink);
    out->close(out);
    if (which == CHROME || (which == TEXT && !(plan & PLAN_OTHER))) {
        MUST(is_lines(b.data, b.len));
    }
    MUST(which != CHROME || (b.len > 4 && memcmp(b.data + b.len - 4, "\n]}\n", 4) == 0));
    ft_strbuf_fini(&b);
    return events;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ft_trace *t;
    if (size == 0) {
        return 0;
    }
    unsigned plan = data[0];
    int error = ft_trace_open(fuzz_files(data, size), &t);
    if (error) {
        MUST(error == ENOENT || error == EINVAL);
        return 0;
    }
    MUST(t->damage.len <= DAMAGE_MAX);
    MUST(t->nthreads <= size);
    struct ft_walk walk = {.merged = (plan & PLAN_MERGED) != 0,
                           .since = plan & PLAN_SINCE ? 50000 : 0,
                           .until = plan & PLAN_UNTIL ? 2000000 : 0};
    uint64_t events = judge_walk(t, &walk, size);
    enum which which = ((plan & PLAN_SINK) | (size & 3) << 2) % NSINKS;
    uint64_t told = which == UFTRACE ? uftrace_walk(t, &walk, plan)
                    : which == TAIL  ? tail_walk(t, &walk, plan)
                                     : sink_walk(t, &walk, plan, which);
    MUST(told == events);
    MUST(t->damage.len <= DAMAGE_MAX);
    ft_trace_free(t);
    return 0;
}
