"""Captions: a small grammar that tells a scene in English or Chinese, and says exactly what it told.

First a plan picks which attributes to name; then a writer puts exactly these into words, as a list of
tags, a noun phrase or sentences. Colours, counts and places always stand beside their own noun.
Where a companion is named, it is the thing that stands left or right *of the object*; the converse
('two houses to the right of a tent') is only said where the object's place or number tells the roles.
The words are in `mjcourse.data.words`. Chapters 01 and 05.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from mjcourse.config import UserError
from mjcourse.data import words as w
from mjcourse.data.scenes import AFLOAT, ATTRIBUTES, Scene

LANGUAGES = ("en", "zh")
_PARTS = {"body": ("body_color", "body_place"), "object": ("color", "place", "count")}
_OPPOSITE = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class Caption:
    """A text and exactly the attributes that it names (name → value as in `scenes.ATTRIBUTES`)."""

    text: str
    language: str
    named: dict[str, str]


class _Dice:
    """A stream of random choices from one generator, drawn in blocks because single draws are slow."""

    def __init__(self, rng: np.random.Generator):
        self.rng, self.pool = rng, []

    def number(self) -> float:
        if not self.pool:
            self.pool = self.rng.random(64).tolist()
        return self.pool.pop()

    def chance(self, p: float) -> bool:
        return self.number() < p

    def pick(self, options):
        return options[int(self.number() * len(options))]

    def word(self, options):
        """Pick one of the options, the first about half of the time."""
        return options[0] if self.number() < 0.4 else self.pick(options)

    def shuffled(self, items: list) -> list:
        return [item for _, item in sorted(((self.number(), item) for item in items), key=lambda p: p[0])]


def caption(scene: Scene, language: str, rng: np.random.Generator, full: bool = False) -> Caption:
    """Tell a scene in words, with attributes left unsaid at random.

    Args:
        scene: what to tell.
        language: ``en`` or ``zh``.
        rng: the caption is a pure function of the scene, the language and this generator's state.
        full: name every attribute that is not ``none``.

    Raises:
        UserError: an unknown language.
    """
    if language not in LANGUAGES:
        raise UserError(f"there are no captions in {language!r}; allowed are {', '.join(LANGUAGES)}.")
    dice = _Dice(rng)
    return _write(scene, language, _plan(scene, dice, full), dice)


def caption_pair(scene: Scene, rng: np.random.Generator, full: bool = False) -> tuple[Caption, Caption]:
    """Return an English and a Chinese caption that name the same attributes (chapters 05 and 06).

    Args:
        scene: what to tell.
        rng: the pair is a pure function of the scene and this generator's state.
        full: name every attribute that is not ``none``.
    """
    dice = _Dice(rng)
    said = _plan(scene, dice, full)
    return _write(scene, "en", said, dice), _write(scene, "zh", said, dice)


def _write(scene: Scene, language: str, said: frozenset[str], dice: _Dice) -> Caption:
    writer = _English if language == "en" else _Chinese
    text = writer(scene, said, dice).text()
    return Caption(text, language, {name: getattr(scene, name) for name in ATTRIBUTES if name in said})


def _plan(scene: Scene, dice: _Dice, full: bool) -> frozenset[str]:
    """Choose which attributes to name: from a single thing up to nearly everything."""
    share = 1.0 if full else dice.pick((0.2, 0.35, 0.5, 0.7, 0.95))
    detail = 1.0 if full else dice.pick((0.3, 0.65, 0.95))
    said: set[str] = set()
    while not said:
        for name in ("style", "time", "mood", "weather", "ground"):
            if dice.chance(share):
                said.add(name)
        for name in ("body", "background", "water", "object"):
            there = getattr(scene, name) != "none"
            if dice.chance(share * (1.0 if there else 0.03) + (0.15 if name == "object" and there else 0)):
                said.add(name)
                if there:
                    said.update(part for part in _PARTS.get(name, ()) if dice.chance(detail))
    if "object" in said and scene.companion != "none" and dice.chance(max(share, 0.5)):
        said.update(("companion", "relation"))
        if dice.chance(detail):
            said.add("companion_color")
    return frozenset(said)


class _Writer:
    """What both languages share: the scene, the plan and which things the text may touch on."""

    def __init__(self, scene: Scene, said: frozenset[str], dice: _Dice):
        self.s, self.said, self.d = scene, said, dice
        self.has = {n for n in said if getattr(scene, n) != "none"}
        self.nothing = [n for n in ("body", "background", "water", "object") if n in said - self.has]
        self.sea = scene.water != "none" and "water" not in said and dice.chance(0.35)  # water, not which
        self.afloat = scene.object in AFLOAT or ("companion" in said and scene.companion in AFLOAT)
        self.converse = "place" in said or ("count" in said and scene.count != "one")

    def say(self, table: w.Table, name: str) -> str:
        """Return a word for the scene's value of an attribute; shores only where there is water."""
        options = table[getattr(self.s, name)]
        text = self.d.word(options)
        dry = self.s.water == "none" and any(sea in text for sea in ("shore", "海滩", "礁石"))
        return options[0] if dry else text


def _a(noun: str) -> str:
    return ("an " if noun[0] in "aeiou8" else "a ") + noun


def _bare(phrase: str) -> str:
    return re.sub(r"^(a|an|the) ", "", phrase)


def _and(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


class _English(_Writer):
    def text(self) -> str:
        telegraphic = "object" in self.has and "count" not in self.said
        form = self.d.number()
        if form < 0.35 or telegraphic or not self.has - {"style", "time", "mood", "weather"}:
            return self.tags()
        return self.phrase() if form < 0.68 else self.sentences()

    # --- things -------------------------------------------------------------------------------

    def body(self, article: str = "") -> str:
        noun = self.say(w.EN_BODY, "body")
        if "body_color" in self.said:
            noun = f"{self.say(w.EN_COLOR, 'body_color')} {noun}"
        return {"a": _a(noun), "the": f"the {noun}", "": noun}[article]

    def body_there(self, article: str = "") -> str:
        place = self.say(w.EN_SKY_PLACE, "body_place") if "body_place" in self.said else ""
        return f"{self.body(article)} {place}".rstrip()

    def thing(self, article: bool) -> tuple[str, bool]:
        """The object with its colour and number, and whether it is plural."""
        noun = self.say(w.EN_OBJECT, "object")
        color = self.say(w.EN_COLOR, "color") + " " if "color" in self.said else ""
        if "count" not in self.said:
            return color + noun, False
        if self.s.count == "one":
            number = "a" if article and self.d.chance(0.7) else self.say(w.EN_COUNT, "count")
            return (_a(color + noun) if number == "a" else f"{number} {color}{noun}"), False
        return f"{self.s.count} {color}{noun}s", True

    def companion(self, article: bool) -> str:
        noun = self.say(w.EN_OBJECT, "companion")
        if "companion_color" in self.said:
            noun = f"{self.say(w.EN_COLOR, 'companion_color')} {noun}"
        return _a(noun) if article else noun

    def group(self, article: bool) -> str:
        """The object with its place and, where it is named, its companion."""
        thing, plural = self.thing(article)
        placed = "place" in self.said
        there = f"{thing} {self.say(w.EN_PLACE, 'place')}" if placed else thing
        if "companion" not in self.said:
            return there
        other = self.companion(article or thing.startswith(("a ", "an ")))
        side, back = self.s.relation, _OPPOSITE[self.s.relation]
        if self.converse and self.d.chance(0.25):
            return f"{there}, {self.d.pick(w.EN_SIDE[back])} {other}"
        if "count" not in self.said:
            if placed:
                return f"{there}, {self.d.pick(w.EN_SIDE[back])} {other}"
            return f"{other} {self.d.pick(w.EN_SIDE[side])} {thing}"
        if placed or self.d.chance(0.5):
            its, it = ("their", "them") if plural else ("its", "it")
            return self.d.pick(
                (f"{there} with {other} to {its} {side}", f"{there}, with {other} {side} of {it}")
            )
        return f"{other} {self.d.pick(w.EN_SIDE[side])} {thing}"

    def nothings(self) -> list[str]:
        return [self.d.pick(w.EN_NONE[name]) for name in self.nothing]

    # --- forms --------------------------------------------------------------------------------

    def tags(self) -> str:
        """'sunset, sea, two red houses on the left, watercolor'."""
        article = "count" in self.said and self.d.chance(0.4)
        tables = {"time": w.EN_TIME, "weather": w.EN_WEATHER, "ground": w.EN_GROUND}
        tables |= {"background": w.EN_BACKGROUND, "water": w.EN_WATER}
        items = [_bare(self.say(table, name)) for name, table in tables.items() if name in self.has]
        if "mood" in self.said:
            mood = self.say(w.EN_MOOD, "mood")
            if self.d.chance(0.5):
                mood = ("calm" if self.s.mood == "calm" and self.d.chance(0.3) else mood) + " "
                mood += self.d.pick(("mood", "scene", "atmosphere"))
            items.append(mood)
        if "body" in self.has:
            items.append(self.body_there("a" if article else ""))
        if "object" in self.has:
            items.append(self.group(article))
        if self.sea:
            items.append(_bare(self.d.pick(w.EN_SEA)))
        items = self.d.shuffled(items) + self.nothings()
        if "style" in self.said:
            style = self.say(w.EN_STYLE, "style")
            at = self.d.pick((len(items), len(items), 0, int(self.d.number() * (len(items) + 1))))
            items.insert(at, style)
        single = all(" " not in item for item in items) and len(items) <= 4
        text = (" " if single and self.d.chance(0.4) else ", ").join(items)
        return text[0].upper() + text[1:] if self.d.chance(0.12) else text

    def setting(self) -> tuple[list[str], list[str]]:
        """Phrases that follow the head, and things for a closing 'with …'."""
        near, with_ = [], []
        thing = "object" in self.has
        if "ground" in self.said:
            on = thing and self.s.object != "balloon" and not self.afloat and self.d.chance(0.75)
            (near if on else with_).append(self.say(w.EN_GROUND_ON if on else w.EN_GROUND, "ground"))
        by = self.d.pick(("by", "near", "beside") if thing else ("over", "above"))
        sky = "body" in self.has
        if "water" in self.has:
            water, on = self.say(w.EN_WATER, "water"), (thing or sky) and self.d.chance(0.6)
            (near if on else with_).append(f"{by} {water}" if on else water)
        elif self.sea:
            sea = self.d.pick(w.EN_SEA)
            (near if thing or sky else with_).append(f"{by} {sea}" if thing or sky else sea)
        if "background" in self.has:
            back, on = self.say(w.EN_BACKGROUND, "background"), thing and self.d.chance(0.5)
            far = self.d.pick(("in the background", "in the distance", "far away"))
            (near if on else with_).append(f"in front of {back}" if on else f"{back} {far}")
        if sky and thing:
            body, on = self.body_there(self.d.pick(("a", "a", "the"))), self.d.chance(0.6)
            (near if on else with_).append(f"{self.d.pick(('under', 'beneath'))} {body}" if on else body)
        return self.d.shuffled(near), self.d.shuffled(with_)

    def phrase(self) -> str:
        """'a gloomy watercolor of a red house on the left, by the sea, at night'."""
        mood = self.say(w.EN_MOOD, "mood") if "mood" in self.said else ""
        style_first = "style" in self.said and self.d.chance(0.6)
        if "object" in self.has:
            head = self.group(True)
        elif "body" in self.has:
            head = self.body_there("a")
        else:
            head = self.d.pick(("landscape", "scene", "view"))
            head, mood = (_a(head), mood) if style_first or not mood else (_a(f"{mood} {head}"), "")
        if style_first:
            style = self.say(w.EN_STYLE_OF, "style")
            head, mood = f"{_a(f'{mood} {style}'.strip())} of {head}", ""
        near, with_ = self.setting()
        if near:
            comma = ", " if "," in head or "companion" in self.said or self.d.chance(0.3) else " "
            head += comma + ", ".join(near)
        ends = [self.say(w.EN_TIME_AT, "time")] if "time" in self.said else []
        if "weather" in self.said:
            ends.append(self.say(w.EN_WEATHER_AT, "weather"))
        if ends:
            head += self.d.pick((" ", ", ")) + " ".join(self.d.shuffled(ends))
        if with_:
            bare = head.endswith(("landscape", "scene", "view"))
            head += (" with " if bare else self.d.pick((", with ", ", with ", ", "))) + _and(with_)
        parts = [head, *([f"{mood} {self.d.pick(('mood', 'atmosphere'))}"] if mood else []), *self.nothings()]
        if "style" in self.said and not style_first:
            parts.append(self.say(self.d.pick((w.EN_STYLE, w.EN_STYLE_IN)), "style"))
        text = ", ".join(parts)
        text = text[0].upper() + text[1:] if self.d.chance(0.35) else text
        return text + "." if self.d.chance(0.2) else text

    def object_clause(self) -> str:
        """A sentence about the object, its place, its ground and its companion."""
        thing, plural = self.thing(True)
        verb = self.d.pick(w.EN_VERB[self.s.object]) + ("" if plural else "s")
        place = self.say(w.EN_PLACE, "place") if "place" in self.said else ""
        where = []
        if self.grounded:
            where.append(self.say(w.EN_GROUND_ON, "ground"))
        elif self.sea:
            where.append(f"{self.d.pick(('by', 'near'))} {self.d.pick(w.EN_SEA)}")
        there = "there are" if plural else "there is"
        text = f"{there} {thing}" if self.d.chance(0.35) or not (where or place) else f"{thing} {verb}"
        first = place and (where or self.d.chance(0.3))
        text = " ".join([text, *where]) if first or not place else f"{text} {place}"
        text = f"{place}, {text}" if first else text
        if "companion" in self.said:
            other, side = self.companion(True), self.s.relation
            its, it = ("their", "them") if plural else ("its", "it")
            ways = [f" with {other} to {its} {side}", f", and to {its} {side} there is {other}"]
            ways.append(f", with {other} {side} of {it}")
            if self.converse:
                ways.append(f", {self.d.pick(w.EN_SIDE[_OPPOSITE[side]])} {other}")
            text += self.d.pick(ways)
        return text

    def sentences(self) -> str:
        """'Two blue cats sit on the beach while a red moon rises on the left.'"""
        clauses = []
        thing = "object" in self.has
        on = "ground" in self.said and thing and self.s.object != "balloon" and not self.afloat
        self.grounded = on and self.d.chance(0.75)
        if thing:
            clauses.append(self.object_clause())
        if "body" in self.has:
            body = self.body(self.d.pick(("a", "the")))
            body += " " + self.d.pick(w.EN_BODY_VERB[self.s.body])
            placed = "body_place" in self.said
            body += f" {self.say(w.EN_SKY_PLACE, 'body_place') if placed else 'in the sky'}"
            over = self.sea and (self.grounded or not thing)
            clauses.append(body + (f" over {self.d.pick(w.EN_SEA)}" if over else ""))
        if "background" in self.has:
            back = self.say(w.EN_BACKGROUND, "background")
            be = "is" if back.startswith("a ") else "are"
            clauses.append(f"there {be} {back} in the {self.d.pick(('background', 'distance'))}")
        if "water" in self.has:
            clauses.append(self.say(w.EN_WATER_IS, "water"))
        if "ground" in self.said and not self.grounded:
            clauses.append(self.say(w.EN_GROUND_IS, "ground"))
        time = self.say(w.EN_TIME_IS, "time") if "time" in self.said else ""
        mood = self.say(w.EN_MOOD, "mood") if "mood" in self.said else ""
        if time and mood and time in ("morning", "evening", "night") and self.d.chance(0.6):
            clauses.append(f"it is {_a(f'{mood} {time}')}")
        else:
            clauses += [f"it is {time}"] if time else []
            clauses += [f"the {self.d.pick(('mood', 'atmosphere', 'scene'))} is {mood}"] if mood else []
        if "weather" in self.said:
            clauses.append(self.say(w.EN_WEATHER_IS, "weather"))
        clauses += [f"there is {nothing}" for nothing in self.nothings()]
        return self.joined(self.d.shuffled(clauses))

    def joined(self, clauses: list[str]) -> str:
        """One or more sentences, with the style before or after them."""
        sentences = []
        while clauses:
            two = len(clauses) > 1 and "," not in clauses[0] and self.d.chance(0.6)
            link = self.d.pick((" while ", " and ", ", and ")) if two and "," not in clauses[1] else ", and "
            sentences.append(link.join(clauses[:2]) if two else clauses[0])
            clauses = clauses[2 if two else 1 :]
        many = len(sentences) > 1
        style = self.say(w.EN_STYLE, "style") if "style" in self.said else ""
        end, before = many or self.d.chance(0.6), self.d.chance(0.4)
        if many or self.d.chance(0.7):
            sentences = [s[0].upper() + s[1:] for s in sentences]
            style = style[:1].upper() + style[1:] if before or end else style
        text = ". ".join(sentences)
        if style and before:
            text = f"{style}{self.d.pick((': ', '. ') if end else (': ',))}{text}"
        elif style:
            text = f"{text}. {style}" if end else f"{text}, {style}"
        return text + "." if end else text


class _Chinese(_Writer):
    def text(self) -> str:
        scenery = self.has - {"style", "time", "mood", "weather"}
        return self.tags() if self.d.chance(0.4) or not scenery else self.clauses()

    # --- things -------------------------------------------------------------------------------

    def colored(self, attribute: str, noun: str) -> str:
        if attribute not in self.said:
            return noun
        *long, short = w.ZH_COLOR[getattr(self.s, attribute)]
        if noun in w.ZH_SHORT and (noun != "太阳" or short == "红") and self.d.chance(0.35):
            return short + noun
        return self.d.pick(long) + ("的" if len(noun) == 1 or self.d.chance(0.6) else "") + noun

    def body(self, measure: bool) -> str:
        noun = self.say(w.ZH_BODY, "body")
        red = "body_color" in self.said and self.s.body_color == "red"
        if red and noun == "太阳" and self.d.chance(0.25):
            return "一轮红日" if measure else "红日"
        return ("一弯" if noun == "月牙" else "一轮") * measure + self.colored("body_color", noun)

    def thing(self, attribute: str, measure: bool) -> tuple[str, str]:
        """The object or the companion, and its noun alone; the object's number only where it is planned."""
        noun, measures = self.d.word(w.ZH_OBJECT[getattr(self.s, attribute)])
        text = self.colored("color" if attribute == "object" else "companion_color", noun)
        number = w.ZH_COUNT[self.s.count if attribute == "object" else "one"][0]
        return (number + self.d.word(measures) + text if measure else text), noun

    def group(self, where: str) -> str:
        """Clauses about the object, the ground or shore it is on, and its companion."""
        thing, noun = self.thing("object", "count" in self.said)
        place = self.say(w.ZH_PLACE, "place") if "place" in self.said else ""
        sides = "左右" if self.s.relation == "left" else "右左"
        side, back = (s + self.d.pick("边侧边") for s in sides)
        other = self.thing("companion", self.d.chance(0.75))[0] if "companion" in self.said else ""
        if other and not place and not where and self.d.chance(0.6):
            ways = [f"{thing}的{side}有{other}", f"{thing}{side}是{other}", f"{other}在{thing}的{side}"]
            ways += [f"{other}的{back}有{thing}"] * self.converse
            return self.d.pick(ways)
        verb = self.d.word(w.ZH_VERB[self.s.object]) if where and self.d.chance(0.6) else "有"
        if place:
            spot = f"{place}的{where}" if where else place
            text = self.d.pick((f"{spot}{verb}{thing}", f"{spot}{verb}{thing}", f"{spot}是{thing}"))
            if not where and self.d.chance(0.3):
                text = f"{thing}在{place}"
        elif where:
            text = f"{where}{verb}{thing}" if self.d.chance(0.7) else f"{where}的{thing}"
        else:
            text = f"有{thing}" if self.d.chance(0.3) and "count" in self.said else thing
        if other:
            ways = [f"，{noun}的{side}有{other}", f"，{noun}{side}是{other}"]
            if "count" in self.said:
                ways.append(f"，{'它' if self.s.count == 'one' else '它们'}的{side}有{other}")
            ways += [f"，位于{other}的{back}"] * self.converse
            text += self.d.pick(ways)
        return text

    def sky(self) -> str:
        """A clause about sun or moon."""
        if "body_place" not in self.said:
            return self.d.pick((f"天上挂着{self.body(True)}", f"{self.body(False)}挂在天上", self.body(True)))
        place = self.say(w.ZH_SKY_PLACE, "body_place")
        if self.d.chance(0.4):
            return f"{self.body(False)}{self.d.pick(('在', '挂在'))}{place}"
        return f"{place}{self.d.pick(('有', '挂着', '悬着'))}{self.body(True)}"

    # --- forms --------------------------------------------------------------------------------

    def tags(self) -> str:
        """'太阳沙滩大海' or '夜晚，左边的红房子，大海，水彩'."""
        tables = {"time": w.ZH_TIME, "weather": w.ZH_WEATHER, "ground": w.ZH_GROUND}
        tables |= {"background": w.ZH_BACKGROUND, "water": w.ZH_WATER}
        items = [self.say(table, name) for name, table in tables.items() if name in self.has]
        if "mood" in self.said:
            mood = self.say(w.ZH_MOOD, "mood")
            items.append(self.d.pick((mood, f"气氛{mood}", f"{mood}的气氛", f"{mood}氛围")))
        placed = bool(self.said & {"place", "body_place", "relation"})
        if "body" in self.has:
            place = f"{self.say(w.ZH_SKY_PLACE, 'body_place')}的" if "body_place" in self.said else ""
            items.append(place + self.body(self.d.chance(0.2)))
        if "object" in self.has:
            if "companion" in self.said:
                items.append(self.group(""))
            else:
                place = f"{self.say(w.ZH_PLACE, 'place')}的" if "place" in self.said else ""
                items.append(place + self.thing("object", "count" in self.said)[0])
        if self.sea:
            items.append(self.d.word(w.ZH_SEA))
        items = self.d.shuffled(items) + [self.d.pick(w.ZH_NONE[name]) for name in self.nothing]
        if "style" in self.said:
            items.insert(self.d.pick((len(items), len(items), 0)), self.say(w.ZH_STYLE, "style"))
        run_on = not placed and len(items) <= 6 and self.d.chance(0.5)
        between = "" if run_on else self.d.pick("，，， " if placed else "，，、 ")
        return between.join(items)

    def clauses(self) -> str:
        """'夜晚，海边有一座红色的灯塔，远处是群山，水彩画。'"""
        items = []
        on = "ground" in self.said and "object" in self.has and self.s.object != "balloon" and not self.afloat
        where = self.say(w.ZH_GROUND_ON, "ground") if on and self.d.chance(0.75) else ""
        if "ground" in self.said and not where:
            items.append(self.say(w.ZH_GROUND_IS, "ground"))
        if "object" in self.has:
            at_sea = self.s.object in AFLOAT
            if (self.sea or at_sea) and not where and self.d.chance(0.7):
                where = self.d.pick(("海上", "水上") if at_sea else ("海边", "水边"))
                self.sea = False
            items.append(self.group(where))
        if "body" in self.has:
            items.append(self.sky())
        if "background" in self.has:
            back = self.say(w.ZH_BACKGROUND, "background")
            items.append(self.d.pick(("远处是", "背景是", "远处有", "远方是")) + back)
        if "water" in self.has:
            water = self.d.pick(("旁边是", "眼前是", "近处是")) + self.say(w.ZH_WATER, "water")
            items.append(water if self.d.chance(0.5) else self.say(w.ZH_WATER_IS, "water"))
        if self.sea:
            items.append(self.d.pick(("旁边是", "眼前是")) + self.d.pick(w.ZH_SEA[::2]))
        time = self.say(w.ZH_TIME, "time") if "time" in self.said else ""
        mood = self.say(w.ZH_MOOD, "mood") if "mood" in self.said else ""
        if time and mood and self.d.chance(0.5):
            time, mood = f"{mood}的{time}", ""
        if mood:
            items.append(self.d.pick((f"气氛{mood}", f"{mood}的气氛", f"画面{mood}")))
        if "weather" in self.said:
            items.append(self.say(w.ZH_WEATHER_IS, "weather"))
        items = self.d.shuffled(items)
        if time:
            items.insert(0 if self.d.chance(0.8) else len(items), time)
        items += [self.d.pick(w.ZH_NONE[name]) for name in self.nothing]
        before = "style" in self.said and self.d.chance(0.5)
        if "style" in self.said and not before:
            items.append(self.say(w.ZH_STYLE, "style"))
        text = "，".join(items)
        if before:
            text = self.say(w.ZH_STYLE_OF, "style") + self.d.pick("：，，") + text
        return text + "。" if self.d.chance(0.35) else text


def vocabulary() -> dict[str, set[str]]:
    """Return all words that captions can say, ``en`` and ``zh`` (chapter 05).

    English words are lower-case, one by one; Chinese ones are the grammar's own pieces.
    """
    found: dict[str, set[str]] = {"en": set(w.EN_GLUE.split()), "zh": set(w.ZH_GLUE.split())}
    for name, table in vars(w).items():
        if name.startswith("EN_") and name != "EN_GLUE":
            for text in (" ".join(_flat(table))).lower().split():
                found["en"].add(text)
        elif name.startswith("ZH_") and name not in ("ZH_GLUE", "ZH_VERB"):
            found["zh"].update(_flat(table))
    found["en"].update(f"{verb}s" for verbs in w.EN_VERB.values() for verb in verbs)
    found["en"].update(f"{noun.split()[-1]}s" for nouns in w.EN_OBJECT.values() for noun in nouns)
    found["zh"].update(_flat(w.ZH_VERB))
    return found


def _flat(table) -> list[str]:
    if isinstance(table, str):
        return [table]
    values = table.values() if isinstance(table, dict) else table
    return [text for value in values for text in _flat(value)]
