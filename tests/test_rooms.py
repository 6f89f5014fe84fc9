"""The rooms of the package: who may import whom."""

import ast
from pathlib import Path

import mjcourse

PACKAGE = Path(mjcourse.__file__).parent
# A room imports from itself and from rooms on lower floors only.
FLOORS = (
    {"config"},
    {"files"},
    {"data"},
    {"weights", "viz", "models"},
    {"metrics"},
    {"training"},
    {"feedback"},
    {"studio"},
    {"evaluate", "learn", "doctor"},
    {"classroom"},
    {"cli", "__init__", "__main__"},
)
FLOOR = {room: k for k, rooms in enumerate(FLOORS) for room in rooms}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Return all modules that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= (
                {f"{node.module}.{name.name}" for name in node.names} if node.module == "mjcourse" else {node.module}
            )
    return found


def wrong_ways() -> list[str]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for module in sorted(name for name in imported(path) if name.startswith("mjcourse.")):
            here, there = room(path), module.split(".")[1]
            if here != there and FLOOR.get(there, 0) >= FLOOR[here]:
                found.append(f"{path.relative_to(PACKAGE)} imports {module}")
    return found


def test_every_room_has_a_floor():
    assert {room(path) for path in PACKAGE.rglob("*.py")} <= set(FLOOR)


def test_imports_run_one_way():
    assert wrong_ways() == []


def test_models_import_only_torch_and_their_own_blocks():
    for path in (PACKAGE / "models").glob("*.py"):
        for module in imported(path):
            assert not module.startswith("mjcourse.") or module.startswith("mjcourse.models."), f"{path.name}: {module}"
