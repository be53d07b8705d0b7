"""`-m test WORDS`, with test_monitoring made to accept that another tool's events are on.

Its setUp asserts that no tool has any, and takes the ids 2, 3 and 4; so run as it is, every test in
it would fail for that one reason, and nothing would be learnt of how two tools get on. Here it
takes three ids that are free, and does not see the events of ids that are not.
"""

import sys
import unittest

from test import test_monitoring
from test.libregrtest.main import main

FREE = [tool for tool in range(1, 6) if sys.monitoring.get_tool(tool) is None]
TOOLS = FREE[:3]
MASK = sum(1 << tool for tool in FREE)
all_events = sys.monitoring._all_events


def events_of_free_tools() -> dict[str, int]:
    return {name: tools & MASK for name, tools in all_events().items() if tools & MASK}


def set_up(self: unittest.TestCase) -> None:
    for tool in TOOLS:
        sys.monitoring.use_tool_id(tool, f"test {type(self).__name__}")


def tear_down(self: unittest.TestCase) -> None:
    for tool in TOOLS:
        sys.monitoring.set_events(tool, 0)
        sys.monitoring.free_tool_id(tool)


sys.monitoring._all_events = events_of_free_tools
test_monitoring.TEST_TOOL, test_monitoring.TEST_TOOL2, test_monitoring.TEST_TOOL3 = TOOLS
test_monitoring.MonitoringTestBase.setUp = set_up
test_monitoring.MonitoringTestBase.tearDown = tear_down
main()
