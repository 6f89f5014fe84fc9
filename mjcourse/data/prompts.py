"""Prompts: what a person types is cleaned, its language found, and words the model never saw are named.

The vocabulary is that of `mjcourse.data.captions`. Chapters 00, 05 and 13.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from mjcourse.config import UserError
from mjcourse.data import words as w
from mjcourse.data.captions import vocabulary

MAX_PROMPT = 500  # characters
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\ufe0f"
CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"

# Words that carry no picture of their own: a prompt may use them freely.
_STOP_EN = """
    a an the and or but with without of in on at by to from for into onto over under above below near
    beside behind between before after around through across along among as is are was were be being
    been am it its he she they them their this that these those there here then than so very really some
    any one two three few many no not only just please draw paint make show me my i we us you your want
    would like can could picture pictures photo image images drawing painting painted drawn art artwork
    style styled scene view landscape scenery background foreground front back top side sides middle
    center centre left right up down far away distance close while which who where when how colored
    coloured color colour colors colours beautiful pretty nice lovely good great big small little large
    huge tiny something nothing else empty also too both each other another single pair stand stands
    standing sit sits sitting lie lies look looks looking have has having get gets do does put let sky
    ground horizon land place world weather mood atmosphere feeling old new high low
"""
_STOP_ZH = """
    的 地 得 了 着 过 和 与 及 或 在 有 是 也 都 就 还 又 很 非常 最 更 把 被 让 给 请 用 从 到 向 对 为
    以 而 但 一 二 两 三 几 许多 很多 一些 个 只 座 栋 间 棵 艘 条 头 架 顶 幅 张 轮 弯 片 朵 群 里 上
    下 中 内 外 前 后 左 右 旁 边 上面 下面 里面 旁边 前面 后面 附近 之间 这 那 这个 那个 它 它们 我
    我们 你 他 她 他们 想 要 想要 画 画出 画一幅 图 图片 图画 照片 画面 风格 风景 景色 场景 背景 前景 色
    颜色 大 小 高 低 美丽 漂亮 好看 可爱 没有 不 站 坐 站着 坐着 天 天空 地面 空中 时 时候 时分 一个
    一只 一座 一幅 一张 一片
"""

# Common words for things that the scenes show under another name.
_MEANT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("ship", "yacht", "canoe", "ferry", "vessel", "raft"), ("sailboat", "boat")),
    **dict.fromkeys(("oak",), ("palm tree", "pine tree", "forest")),
    **dict.fromkeys(("kitty", "feline", "tiger", "lion", "dog", "puppy", "animal", "pet"), ("cat", "kitten")),
    **dict.fromkeys(("home", "hut", "cabin", "building", "villa", "barn", "village"), ("house", "cottage")),
    **dict.fromkeys(("tower", "fortress", "palace", "temple"), ("castle", "lighthouse")),
    **dict.fromkeys(("fish", "dolphin", "shark"), ("whale",)),
    **dict.fromkeys(("river", "pond", "stream", "bay", "pool"), ("lake", "water", "sea")),
    **dict.fromkeys(("storm", "thunder", "drizzle", "shower"), ("rain", "rough sea", "cloudy")),
    **dict.fromkeys(("wind", "breeze"), ("windmill", "waves")),
    **dict.fromkeys(("pink", "magenta", "maroon"), ("red", "purple")),
    **dict.fromkeys(("black", "gray", "grey", "silver"), ("white", "night")),
    **dict.fromkeys(("brown", "gold"), ("golden", "orange", "yellow")),
    **dict.fromkeys(("cyan", "turquoise", "teal"), ("blue", "green")),
    **dict.fromkeys(("desert", "coast", "seaside", "island"), ("beach", "sand dunes")),
    **dict.fromkeys(("garden", "rose", "tulip", "park"), ("flowers", "meadow")),
    **dict.fromkeys(("town", "street", "buildings", "skyscraper"), ("city", "skyline")),
    **dict.fromkeys(("jungle", "wilderness"), ("forest", "woods")),
    **dict.fromkeys(("slope", "valley"), ("hills", "mountains")),
    **dict.fromkeys(("star", "stars", "galaxy"), ("night", "moon")),
    **dict.fromkeys(("scary", "spooky", "dark"), ("eerie", "gloomy", "night")),
    **dict.fromkeys(("ice", "frost", "winter"), ("snowy ground", "snowfall")),
    **dict.fromkeys(("sunny", "bright"), ("sun", "clear sky")),
    **dict.fromkeys(("origami",), ("paper cut", "paper collage")),
    **dict.fromkeys(("船", "轮船", "游艇", "渔船"), ("帆船", "小船")),
    **dict.fromkeys(("树", "大树", "树木"), ("松树", "棕榈树", "森林")),
    **dict.fromkeys(("狗", "小狗", "老虎", "动物"), ("猫", "小猫")),
    **dict.fromkeys(("屋", "楼", "房", "村庄", "木屋"), ("房子", "小屋")),
    **dict.fromkeys(("塔", "宫殿", "高塔"), ("灯塔", "城堡")),
    **dict.fromkeys(("鱼", "海豚", "鲨鱼"), ("鲸鱼",)),
    **dict.fromkeys(("河", "小河", "池塘", "溪流"), ("平静的湖面", "大海")),
    **dict.fromkeys(("伞", "雨伞"), ("遮阳伞", "阳伞")),
    **dict.fromkeys(("粉色", "粉红色"), ("红色", "紫色")),
    **dict.fromkeys(("黑色", "灰色"), ("白色", "夜晚")),
    **dict.fromkeys(("湖", "湖水", "湖泊"), ("平静的湖面",)),
    **dict.fromkeys(("夕阳", "落日", "晚霞"), ("日落", "黄昏")),
    **dict.fromkeys(("雪", "冬天", "冰"), ("下雪", "雪地")),
    **dict.fromkeys(("雨", "暴雨", "风暴"), ("下雨", "波涛")),
    **dict.fromkeys(("雪山", "山峰"), ("群山", "高山")),
    **dict.fromkeys(("花", "鲜花", "花园"), ("花田", "花海")),
    **dict.fromkeys(("夜", "夜空", "晚"), ("夜晚", "深夜")),
    **dict.fromkeys(("蓝天", "阳光"), ("晴朗", "太阳")),
    **dict.fromkeys(("浪", "大浪"), ("海浪", "波浪")),
    **dict.fromkeys(("星星", "星空", "银河"), ("夜晚", "月亮")),
    **dict.fromkeys(("沙漠", "海岸", "岛"), ("沙滩", "沙丘")),
}


@dataclass(frozen=True)
class Unknown:
    """A word of a prompt that no caption ever says, with up to three known words near it."""

    word: str
    nearest: tuple[str, ...]


def clean_prompt(text: str) -> str:
    """Return a prompt in normal form: NFKC (full-width commas become plain), single spaces, all visible.

    Args:
        text: what the user typed.

    Raises:
        UserError: an empty prompt, control characters, or more than 500 characters.
    """
    if not isinstance(text, str):
        raise UserError(f"a prompt must be text, not {type(text).__name__}; try 'a red house by the sea'.")
    _check_length(text)
    text = unicodedata.normalize("NFKC", text.translate(dict.fromkeys(map(ord, INVISIBLE))))
    text = re.sub(r"\s", lambda m: " " if m[0] in " \t\r\n\u2028\u2029" else m[0], text)
    bad = [c for c in text if unicodedata.category(c) in ("Cc", "Cs")]
    if bad:
        raise UserError(
            f"the prompt holds the control character U+{ord(bad[0]):04X}; "
            "allowed are letters, digits, spaces and punctuation: delete it or type the prompt anew."
        )
    text = re.sub(r"\s+", " ", text).strip()
    if not text:
        raise UserError("the prompt is empty; allowed are 1 to 500 characters: try 'sun, beach, sea' or 太阳沙滩大海.")
    _check_length(text)  # again, because NFKC can lengthen a text
    return text


def _check_length(text: str) -> None:
    if len(text) > MAX_PROMPT:
        raise UserError(
            f"the prompt has {len(text):,} characters; allowed are {MAX_PROMPT}: shorten it to what the picture shows."
        )


def language_of(text: str) -> str:
    """Return ``zh`` when a text has Chinese characters, else ``en``."""
    return "zh" if re.search(f"[{CJK}]", text) else "en"


def unknown_words(text: str) -> list[Unknown]:
    """Return the words of a prompt that captions never say, each once, in order (chapter 05).

    English words may be inflected (cats, shining); Chinese is cut greedily into the longest known words.

    Args:
        text: a prompt in either language or both.

    Raises:
        UserError: what `clean_prompt` refuses.
    """
    found: dict[str, Unknown] = {}
    for run in re.findall(rf"[{CJK}]+|[^\W\d_{CJK}]+(?:['’-][^\W\d_{CJK}]+)*", clean_prompt(text).casefold()):
        chinese = language_of(run) == "zh"
        for word in _cut(run) if chinese else _english(run):
            if word not in found:
                found[word] = Unknown(word, _near_zh(word) if chinese else _near_en(word))
    return list(found.values())


def describe_unknown(unknown: list[Unknown]) -> str:
    """Return one readable line about unknown words, or an empty text when there are none."""
    parts = []
    for item in unknown:
        near = f" (nearest: {', '.join(item.nearest)})" if item.nearest else ""
        parts.append(f"unknown word '{item.word}': the model never saw it{near}")
    return "; ".join(parts)


@cache
def _known_en() -> frozenset[str]:
    words = {part for word in vocabulary()["en"] for part in [word, *word.split("-")]}
    return frozenset(words) | frozenset(_STOP_EN.split())


@cache
def known_zh() -> tuple[frozenset[str], int]:
    """Return the Chinese words that captions say, or that carry no picture of their own, and the longest's length."""
    words = frozenset(vocabulary()["zh"]) | frozenset(_STOP_ZH.split())
    return words, max(map(len, words))


@cache
def _nouns() -> dict[str, tuple[str, ...]]:
    """Words worth proposing: those that name a value, not the small words between them."""
    side = ("_VERB", "_IS", "_ON", "_AT", "_OF", "_IN", "_NONE", "_PLACE", "_SIDE", "_COUNT")
    tables = [
        table
        for name, table in vars(w).items()
        if name.startswith(("EN_", "ZH_")) and isinstance(table, dict) and not name.endswith(side)
    ]
    flat = {text if isinstance(text, str) else text[0] for t in tables for v in t.values() for text in v}
    en = {word for text in flat for word in text.split() if word.isascii() and len(word) > 2}
    zh = {text for text in flat if not text.isascii() and 2 <= len(text) <= 4}
    return {"en": tuple(sorted(en - set(_STOP_EN.split()))), "zh": tuple(sorted(zh))}


def _forms(word: str) -> set[str]:
    """A word and what it may be an inflection of."""
    forms = {word, re.sub(r"['’]s?$", "", word)}
    for ending, cuts in {
        "ies": ("y",),
        "es": ("", "e"),
        "s": ("",),
        "ing": ("", "e"),
        "ed": ("", "e"),
    }.items():
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            stem = word[: -len(ending)]
            forms.update(stem + cut for cut in cuts)
            if len(stem) > 3 and stem[-1] == stem[-2]:
                forms.add(stem[:-1])
    return forms | {f"{form}s" for form in forms} | {f"{word}es"}


def _english(run: str) -> list[str]:
    if _forms(run) & _known_en():
        return []
    return [part for part in re.split(r"[-]", run) if part and not _forms(part) & _known_en()]


def _cut(run: str) -> list[str]:
    """Greedy longest match; what stays between known words is unknown, and so are the words of `_MEANT`."""
    known, longest = known_zh()
    rest, at = [""], 0
    while at < len(run):
        for size in range(min(longest, len(run) - at), 0, -1):
            word = run[at : at + size]
            if word in known or word in _MEANT:
                rest += [word if word not in known else "", ""]
                break
        else:
            size = 1
            rest[-1] += run[at]
        at += size
    return [word for word in rest if word]


def _near_en(word: str) -> tuple[str, ...]:
    for form in (word, *sorted(_forms(word))):
        if form in _MEANT:
            return _MEANT[form]
    return tuple(difflib.get_close_matches(word, _nouns()["en"], n=3, cutoff=0.7))


def _near_zh(word: str) -> tuple[str, ...]:
    if word in _MEANT:
        return _MEANT[word]
    shared = [(len(set(word) & set(known)) / len(set(word) | set(known)), known) for known in _nouns()["zh"]]
    return tuple(known for score, known in sorted(shared, key=lambda p: -p[0])[:3] if score > 0.2)
