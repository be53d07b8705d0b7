"""`-m test WORDS` with a tool that does nothing on every event that pyftrace uses.

It tells whose a difference is: what differs under this too is CPython's doing for any tool.
    python tests/others/a_tool.py -v test.test_dis
    python tests/others/a_tool.py beside_a_tool.py -v test.test_monitoring
"""

import runpy
import sys
from pathlib import Path

EVENTS = "PY_START PY_RESUME PY_THROW PY_RETURN PY_YIELD PY_UNWIND CALL C_RETURN C_RAISE"
TOOL = 3
ask = sys.monitoring

ask.use_tool_id(TOOL, "does nothing")
for name in EVENTS.split():
    ask.register_callback(TOOL, getattr(ask.events, name), lambda *_: None)
ask.set_events(TOOL, sum(getattr(ask.events, name) for name in EVENTS.split()[:7]))

if sys.argv[1:2] and sys.argv[1].endswith(".py"):
    del sys.argv[0]
    runpy.run_path(str(Path(__file__).parent / sys.argv[0]), run_name="__main__")
else:
    from test.libregrtest.main import main

    main()
