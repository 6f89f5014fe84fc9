"""The optional downloads: a clear line without a network, and nothing else depends on them."""

from urllib.error import URLError

import pytest
from torchvision import datasets

from mjcourse import config
from mjcourse.config import UserError
from mjcourse.data.optional import NAMES, load_optional


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("failure", [URLError("no route to host"), RuntimeError("Error downloading"), OSError("disk")])
def test_no_network_is_one_clear_line(name, failure, monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        assert kwargs["download"]
        raise failure

    monkeypatch.setattr(config, "CACHE", tmp_path)
    monkeypatch.setattr(datasets, NAMES[name], refuse)
    with pytest.raises(UserError, match=f"{name} could not be downloaded.*optional") as caught:
        load_optional(name)
    assert "\n" not in str(caught.value)


def test_unknown_name_lists_the_allowed():
    with pytest.raises(UserError, match="allowed are fashion-mnist, cifar-10, flowers-102"):
        load_optional("imagenet")


def test_parts_and_folder_are_passed_on(monkeypatch, tmp_path):
    seen = {}
    monkeypatch.setattr(config, "CACHE", tmp_path)
    monkeypatch.setattr(datasets, "Flowers102", lambda root, **options: seen.update(root=root, **options) or "data")
    assert load_optional("flowers-102", train=False) == "data"
    assert seen["split"] == "test" and seen["root"] == tmp_path / "optional"
