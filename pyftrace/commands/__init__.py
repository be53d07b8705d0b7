"""The verbs of the command line, one file each: ``parser()`` says what a verb takes, for help,
shells and the manual page, and ``main(words)`` does it; what they share is in ``_common``."""
