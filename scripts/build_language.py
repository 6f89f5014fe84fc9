"""Write docs/language.md: the flags of the command language and the filters, from the tables that the code reads."""

from __future__ import annotations

from mjcourse import config
from mjcourse.studio.filters import filter_table
from mjcourse.studio.flags import flags_table
from mjcourse.studio.looks import LOOKS

FILE = config.ROOT / "docs" / "language.md"


def page() -> str:
    """Return the page."""
    looks = "\n".join(f"| `{name}` | `{chain}` |" for name, chain in LOOKS.items())
    return f"""# The command language

Written by `scripts/build_language.py` from the parser's own tables; do not edit by hand.

A command is a prompt, in English or Chinese, and flags: `a lighthouse, waves --ar 3:2 --seed 5`. On the command line
the flags may stand inside the quotes or outside. Unknown flags and bad values are refused, with the nearest flag and
the legal range; nothing is clamped.

- `a::2 b::-0.5` weighs parts of the prompt. The weights must sum to more than 0.
- `{{red, blue}} house` makes a command for each choice, groups multiply; `\\{{`, `\\}}` and `\\,` are the characters.
- More than four commands ask first (`--yes` on the command line); more than 40 are refused.

## Flags

{flags_table()}
## Filters

A chain of filters is their names with values, commas between: `exposure 0.5, contrast 1.2, palette sunset`. It is typed
into the box of the tab *Filters* in the studio (chapter 13), or given to `mjcourse.studio.filters.apply_filters`.

{filter_table()}

## Looks

A look is a chain with a name.

| look | chain |
|---|---|
{looks}
"""


if __name__ == "__main__":
    FILE.write_text(page(), "utf-8")
    print(f"wrote {FILE.relative_to(config.ROOT)}")
