"""Chapter 05: the readers of a caption's mood, the split by paraphrase, prompts as people write them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mjcourse.config import UserError
from mjcourse.data import optional, words
from mjcourse.data.people import KINDS, load_people
from mjcourse.data.store import SceneData
from mjcourse.models.mood import MoodConfig, mood_reader
from mjcourse.training.mood import MOODS, MoodReader, is_held_out, mood_captions, mood_labels, paraphrase

KIND = pytest.mark.parametrize("kind", ["cnn", "transformer"])


@pytest.fixture(scope="module")
def data():
    return SceneData("val", 250)


def test_both_readers_have_nearly_as_many_parameters():
    counts = [
        sum(p.numel() for p in mood_reader(MoodConfig(kind=kind)).parameters()) for kind in ("cnn", "transformer")
    ]
    assert max(counts) / min(counts) < 1.03


@KIND
def test_padding_changes_nothing(kind):
    torch.manual_seed(0)
    net = mood_reader(MoodConfig(**{**vars(MoodConfig.tiny()), "kind": kind})).eval()
    ids = F.pad(torch.randint(1, 300, (3, 7)), (0, 2))
    torch.testing.assert_close(net(ids), net(F.pad(ids, (0, 10))), atol=1e-5, rtol=1e-5)
    assert net(torch.zeros(2, 9, dtype=torch.int64)).isfinite().all()  # an empty text


def test_the_cnn_takes_the_strongest_answer_of_each_filter():
    net = mood_reader(MoodConfig(vocab_size=20, width=4, kernels=(2,), filters=3, classes=2))
    ids = torch.tensor([[3, 5, 7]])
    words_ = torch.cat([torch.zeros(1, 4), net.tokens(ids)[0], torch.zeros(1, 4)])  # padded by k - 1
    answers = [(net.convs[0].weight * words_[i : i + 2].T).sum((1, 2)) + net.convs[0].bias for i in range(4)]
    best = torch.stack(answers).relu().amax(0)
    torch.testing.assert_close(net(ids)[0], net.head(best))


def test_held_out_paraphrases_never_train_and_labels_are_those_named(data):
    known = mood_captions(data, 400, (1, 2))
    unseen = mood_captions(data, 200, (1, 3), held_out=True)
    assert not {paraphrase(c) for c in known} & {paraphrase(c) for c in unseen}
    assert all(is_held_out(paraphrase(c)) for c in unseen) and {c.language for c in unseen} == {"en", "zh"}
    assert [MOODS[k] for k in mood_labels(known)] == [c.named.get("mood", "unsaid") for c in known]
    assert [c.text for c in known] == [c.text for c in mood_captions(data, 400, (1, 2))]
    for c in unseen:
        table = words.EN_MOOD if c.language == "en" else words.ZH_MOOD
        said = [w for w in (*table[c.named["mood"]], "calm") if w in c.text.lower()]
        assert said and any(w in paraphrase(c) for w in said)


def test_the_shipped_reader_reads_paraphrases_that_never_trained(data):
    reader = MoodReader()
    for language in ("en", "zh"):
        unseen = mood_captions(data, 200, (5, 6), held_out=True, languages=(language,))
        read = reader.read([c.text for c in unseen])
        assert sum(r == c.named["mood"] for r, c in zip(read, unseen, strict=True)) / 200 >= 0.95
    assert reader.read(["忧郁的夜晚", "two red houses on the left"]) == ["gloomy", "unsaid"]


def test_people_wrote_a_hundred_prompts_in_both_languages():
    people = load_people()
    assert len(people) == 100 and {p.kind for p in people} == set(KINDS)
    assert [sum(p.language == language for p in people) for language in ("en", "zh")] == [51, 49]
    assert len({p.text for p in people}) == 100


@pytest.mark.parametrize("line", ["typo,en,a dog,object=dog", "typo,en,a dog,", "joke,en,a cat,object=cat"])
def test_a_prompt_that_means_nothing_is_refused_with_its_line(line, tmp_path):
    (tmp_path / "p.csv").write_text(f"kind,language,text,means\n{line}\n")
    with pytest.raises(UserError, match="line 2"):
        load_people(tmp_path / "p.csv")
    with pytest.raises(UserError, match="missing"):
        load_people(tmp_path / "none.csv")


def test_without_a_network_the_pretrained_encoder_is_refused_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(optional, "_hub_answers", lambda: False)
    monkeypatch.setattr(optional.config, "CACHE", tmp_path)
    with pytest.raises(UserError, match="optional") as caught:
        optional.load_pretrained_text("some/encoder")
    assert "\n" not in str(caught.value)
