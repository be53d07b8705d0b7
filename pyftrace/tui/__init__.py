"""``pyftrace tui``: a recording in the terminal. Needs ``textual``, the extra ``pyftrace[tui]``; a
traced process never imports this."""
