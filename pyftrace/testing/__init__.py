"""What tests are helped with: the pytest plugin's inside. docs/pytest.md tells how to use it."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyftrace.testing.calls import CallsFixture

__all__ = ["CallsFixture"]


def __getattr__(name: str) -> object:
    if name == "CallsFixture":  # for the annotation of a test's argument
        from pyftrace.testing.calls import CallsFixture

        return CallsFixture
    raise AttributeError(f"module 'pyftrace.testing' has no attribute '{name}'")
