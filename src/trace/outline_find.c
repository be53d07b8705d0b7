/* Where in an outline a time is, and the next or previous call of some functions. */
#include "trace/outline_inside.h"

uint64_t
ft_outline_place(struct ft_outline *o, uint64_t ns)
{
    size_t span = 0;
    while (span + 1 < o->n
           && ft_trace_ns(o->trace, o->thread.process, o->thread.segments[span + 1].head.first)
                  < ns) {
        span++;
    }
    if (o->n == 0 || ft_outline_load(o, span, o->spans[span].begin) == FT_STEP_END) {
        return 0;
    }
    while (o->c->seen < o->spans[span].end) {
        enum ft_step s = ft_outline_step(o);
        if (s == FT_STEP_END) {
            break;
        }
        if ((s == FT_STEP_ENTER || s == FT_STEP_LEAVE) && o->c->call.time >= ns) {
            return o->c->seen - 1;
        }
    }
    return span + 1 < o->n ? o->spans[span + 1].begin : o->spans[span].end;
}

static bool
is_wanted(const struct ft_outline *o, enum ft_step s, const uint8_t *wanted, size_t n)
{
    return s == FT_STEP_ENTER && o->c->call.func->id < n && wanted[o->c->call.func->id];
}

static uint64_t
find_back(struct ft_outline *o, const uint8_t *wanted, size_t n, uint64_t from, uint64_t upto,
          uint64_t budget, uint64_t *reached)
{
    uint64_t found = UINT64_MAX, begun = upto;
    while (upto > from && found == UINT64_MAX && begun - upto < budget) {
        const struct ft_outline_span *s = &o->spans[ft_outline_span(o, upto - 1)];
        uint64_t low = s->begin > from ? s->begin : from;
        if (upto <= s->begin) { /* nothing is kept before */
            upto = from;
            break;
        }
        bool there = ft_outline_go_to(o, low);
        while (there && o->c->seen < upto) {
            enum ft_step what = ft_outline_step(o);
            if (what == FT_STEP_END) {
                break;
            }
            if (o->c->seen <= upto && is_wanted(o, what, wanted, n)) {
                found = o->c->seen - 1;
            }
        }
        upto = low;
    }
    *reached = upto;
    return found;
}

uint64_t
ft_outline_find(struct ft_outline *o, const uint8_t *wanted, size_t nwanted, uint64_t from,
                uint64_t upto, bool backward, uint64_t budget, uint64_t *reached)
{
    if (o->n == 0) {
        *reached = backward ? from : upto;
        return UINT64_MAX;
    }
    if (backward) {
        return find_back(o, wanted, nwanted, from, upto, budget, reached);
    }
    uint64_t found = UINT64_MAX;
    *reached = upto;
    if (ft_outline_go_to(o, from)) {
        for (; o->c->seen < upto && found == UINT64_MAX; budget--) {
            if (budget == 0) {
                *reached = o->c->seen;
                break;
            }
            enum ft_step s = ft_outline_next(o, FT_OUTLINE_EVERY);
            if (s == FT_STEP_END) {
                break;
            }
            if (o->c->seen <= upto && is_wanted(o, s, wanted, nwanted)) {
                found = o->c->seen - 1;
            }
        }
    }
    return found;
}
