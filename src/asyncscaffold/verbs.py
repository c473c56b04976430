"""What there is to call: the verbs, the exit codes, and the help that names them."""

VERBS = {
    "new": "ask, show the verdict and a preview, and render a project at PATH",
    "decide": "the five questions and the verdict with its reasons; writes nothing",
    "add": "give an existing project more capabilities",
    "remove": "take capabilities from an existing project",
    "update": "move an existing project to a newer template version, or to other answers",
    "undo": "put back the tree as it was before the last add, remove or update",
}

EXITS = """\
exit codes: 0 done; 1 refused or failed, nothing changed; 2 wrong usage; 3 done, but conflicts are
left in the tree; 5 `update --check`: a newer version exists; 130 cancelled, nothing changed"""

HELP = f"""\
usage: asyncscaffold VERB …

Asks whether to go async at all, renders the Rust project that fits, and follows it for years
without losing an edit.

verbs (each takes --help):
{chr(10).join(f"  {verb:<6}  {does}" for verb, does in VERBS.items())}

options:
  -h, --help  this text
  --version   the version

{EXITS}"""
