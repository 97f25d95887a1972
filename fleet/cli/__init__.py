"""The command line: arguments in, exit code out; a module a command, and `app.py` has the table of them."""
