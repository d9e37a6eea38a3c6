"""The command `vitpose`: one file a subcommand, with ``add_parser`` and ``run``."""
