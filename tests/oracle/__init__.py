"""The oracle: the proof that the trace is right, in levels, weakest first.

- ``grammar``    L0: what every recording obeys
- ``profiled``   L1: the stream of events equals that of sys.setprofile in a run of its own
- ``known``      L2: programs whose tree is known by construction
- ``logged``     L2: programs that keep a log of their own, written into them by an AST transformer
- ``timed``      L3: with a clock that only the program moves, times are exactly as predicted
- ``related``    L4: recordings, reports and texts of one program agree with one another

``programs`` generates what runs, ``watch`` runs it and brings the events, ``checks`` judges many
programs at once. ``tests/oracle/run`` does that for as many as wanted; ``tests/oracle/mutants``
shows that an engine with a deliberate fault does not pass.
"""
