"""The command `vitpose`: one file per subcommand, with `add_parser` and `run`."""
