/* What process.c needs of a thread's end. */
#ifndef FT_ENGINE_THREADS_H
#define FT_ENGINE_THREADS_H

#include "engine/engine.h"

/* The destructor of a thread's record: runs without the GIL, as the thread ends. */
void ft_thread_ended(void *thread);

#endif
