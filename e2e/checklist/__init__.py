"""The release checklist, run in its own words.

`release-checklist.md` is CarePath's document as the release engineer has it. Its fenced blocks are taken apart into
steps (`document`), what this machine cannot have is replaced (`stand_ins`), each step is handled as a person would
handle it (`handling`) and run in one shell session (`shell`). `e2e/test_checklist.py` makes a test of each step.
"""
