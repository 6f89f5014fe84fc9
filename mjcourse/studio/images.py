"""The pictures that ``--init`` and ``--sref`` name: found and opened, or refused in one line. Chapter 13."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from mjcourse.config import UserError
from mjcourse.data.pictures import BadPicture, open_picture
from mjcourse.studio.expand import normal
from mjcourse.studio.flag import shown


def find_image(path: str | Path) -> Path:
    """Return the file or folder that a path of a command means.

    A command's text is in normal form, in which ``太阳（１）.png`` is ``太阳(1).png``; so a name that is not there is
    looked for among those that have the same normal form.

    Raises:
        UserError: there is no such file, or there are several; the line has the nearest name.
    """
    try:
        return _find(Path(path).expanduser())
    except (OSError, RuntimeError) as error:  # a name too long, a folder that is closed, ~nobody
        raise UserError(f"cannot read {shown(path)}: {getattr(error, 'strerror', None) or error}.") from error


def _find(path: Path) -> Path:
    if path.exists() or path == path.parent:
        return path
    folder = _find(path.parent)
    names = {other.name: normal(other.name[:255]) for other in folder.iterdir()} if folder.is_dir() else {}
    twins = [name for name, form in names.items() if form == normal(path.name)]
    if len(twins) == 1:
        return folder / twins[0]
    if twins:
        raise UserError(f"{shown(path.name)} may be any of {len(twins)} files of {folder}: give it a name of its own.")
    near = get_close_matches(path.name, names, 1)
    raise UserError(f"there is no file {shown(path)}." + (f" Did you mean {folder / near[0]}?" if near else ""))


def open_image(path: str | Path, size: int = 64):
    """Return the picture that a path of a command means, upright and RGB.

    Args:
        path: as `Command` has it.
        size: side in pixels that will be needed.

    Raises:
        UserError: there is no such file, or it is not a picture that can be read; the line says why.
    """
    file = find_image(path)
    try:
        return open_picture(file, size)[0]
    except BadPicture as reason:
        raise UserError(f"cannot use {shown(file.name)} as a picture: {reason}; try another file.") from reason
