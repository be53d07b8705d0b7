/* What process.c and engine.c need of a thread's end. */
#ifndef FT_ENGINE_THREADS_H
#define FT_ENGINE_THREADS_H

#include "engine/engine.h"

/* The destructor of a thread's record: runs without the GIL, as the thread ends. */
void ft_thread_ended(void *thread);

/* The type of the object that says when a thread state goes. */
extern PyType_Spec ft_guard_spec;

#endif
