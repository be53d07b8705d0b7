"""What is run: names of CPython's test modules, and the suites of packages."""

from dataclasses import dataclass

# For CI: what a tracer breaks first, in little time.
SHORT = """
    test_asyncgen test_contextlib test_coroutines test_decorators test_exceptions test_frame
    test_functools test_gc test_generators test_genexps test_inspect test_iter test_monitoring
    test_property test_raise test_scope test_super test_sys_setprofile test_sys_settrace
    test_traceback test_weakref test_with test_yield_from
    test_asyncio.test_tasks test_fork1 test_threading_local
""".split()

LONG = [
    *SHORT,
    *"""
    test_abc test_argparse test_ast test_atexit test_audit test_baseexception test_bdb test_builtin
    test_call test_class test_cmd_line test_cmd_line_script test_code test_code_module
    test_collections test_contextlib_async test_context test_copy test_cprofile test_csv
    test_ctypes test_dataclasses test_defaultdict test_deque test_descr test_dict test_dis
    test_doctest test_dynamicclassattribute test_enum test_except_star test_exception_group
    test_exception_hierarchy test_exception_variations test_extcall test_faulthandler
    test_finalization test_fstring test_funcattrs test_genericclass test_grammar test_heapq
    test_import test_importlib test_index test_io test_isinstance test_iterlen test_itertools
    test_json test_keywordonlyarg test_listcomps test_logging test_metaclass
    test_named_expressions test_opcache test_operator test_ordered_dict test_patma test_pdb
    test_pickle test_positional_only_arg test_profile test_pstats test_queue test_re test_reprlib
    test_runpy test_sched test_set test_setcomps test_shelve test_signal test_site test_slice
    test_socketserver test_sort test_subclassinit test_subprocess test_symtable test_syntax test_sys
    test_sysconfig test_tempfile test_thread test_threadedtempfile test_threading
    test_threadsignals test_trace test_tracemalloc test_tuple test_type_params test_types
    test_typing test_unittest test_unpack_ex test_userdict test_venv test_warnings test_weakset
    test_zipimport
    test_asyncio.test_base_events test_asyncio.test_eager_task_factory test_asyncio.test_events
    test_asyncio.test_futures test_asyncio.test_locks test_asyncio.test_pep492
    test_asyncio.test_queues test_asyncio.test_runners test_asyncio.test_streams
    test_asyncio.test_subprocess test_asyncio.test_taskgroups test_asyncio.test_threads
    test_asyncio.test_timeouts test_asyncio.test_waitfor
    test_concurrent_futures.test_as_completed test_concurrent_futures.test_future
    test_concurrent_futures.test_init test_concurrent_futures.test_process_pool
    test_concurrent_futures.test_shutdown test_concurrent_futures.test_thread_pool
    test_concurrent_futures.test_wait
    test_multiprocessing_fork.test_misc test_multiprocessing_fork.test_threads
    test_multiprocessing_forkserver.test_misc test_multiprocessing_main_handling
    test_multiprocessing_spawn.test_misc test_multiprocessing_spawn.test_threads
    test__interpreters test_interpreters test_interpreters.test_api
    test_profiling.test_tracing_profiler
    """.split(),
]


@dataclass(frozen=True)
class Suite:
    """A package's own tests: the sdist that carries them, what they need, pytest's words."""

    name: str
    version: str
    needs: tuple[str, ...]
    words: tuple[str, ...]
    short: bool = False


SUITES = (
    Suite("attrs", "26.1.0", ("hypothesis", "cloudpickle"), ("--hypothesis-seed=0", "tests")),
    Suite("sqlglot", "30.30.0", (), ("tests",)),
)
