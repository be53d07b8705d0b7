/* The walk of an event after it was judged: push or pop the thread's stack, tell the taps. Called
 * by events.c alone, with the GIL held. */
#ifndef FT_ENGINE_STACK_H
#define FT_ENGINE_STACK_H

#include "engine/engine.h"

/* A Python frame is entered; `mask` are the taps that follow the function on this thread. */
void ft_stack_enter(struct ft_engine *e, struct ft_thread *t, void *frame, struct ft_code *c,
                    PyCodeObject *code, enum ft_way way, uint32_t mask);
/* The serial of the frame's run: a new one at its start. */
uint64_t ft_stack_activation(struct ft_engine *e, void *frame, enum ft_way way);
/* A generator is thrown into that never began: what is known of its frame's address was of another
 * one, which CPython closed without an event, as it does where no handler of its own could run. */
void ft_stack_forget(struct ft_engine *e, void *frame);
/* No memory: the taps hear that an entering event is missing, and the leaving one with it. `t` may
 * be NULL. */
void ft_stack_lost(struct ft_engine *e, struct ft_thread *t, uint32_t mask);
/* The frame on top is left; `value` is what it returns, yields or raises. */
void ft_stack_leave(struct ft_engine *e, struct ft_thread *t, enum ft_way way, PyObject *value);
/* Pops what lies above `frame`, left without an event; false when it is not on the stack. */
bool ft_stack_find(struct ft_engine *e, struct ft_thread *t, void *frame);
/* `code` is the caller's. */
void ft_stack_enter_c(struct ft_engine *e, struct ft_thread *t, void *frame, PyCodeObject *code,
                      struct ft_callable *callable, uint32_t mask);
void ft_stack_leave_c(struct ft_engine *e, struct ft_thread *t, void *frame, enum ft_way way);
/* Pops to `depth` frames without events: the tap's sinks hear FT_LEFT. */
void ft_stack_cut(struct ft_engine *e, struct ft_thread *t, uint32_t depth);
/* Frames that went the short way of `tap`, the lone one so far, become like all others. */
void ft_stack_settle(struct ft_thread *t, const struct ft_tap *tap);
/* ft_thread_info.open_calls */
uint32_t ft_stack_open_calls(void *thread, const void *lane, bool leaving,
                             struct ft_open_call *calls, uint32_t most);
/* ft_thread_info.into_unshown */
uint64_t ft_stack_into_unshown(void *thread, const void *lane);

#endif
