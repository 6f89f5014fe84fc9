"""Captions in English: tags, a phrase, or sentences."""

from __future__ import annotations

import re

from mjcourse.data import words as w
from mjcourse.data.writers import Writer

OPPOSITE = {"left": "right", "right": "left"}


def _a(noun: str) -> str:
    return ("an " if noun[0] in "aeiou8" else "a ") + noun


def _bare(phrase: str) -> str:
    return re.sub(r"^(a|an|the) ", "", phrase)


def _and(items: list[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


class English(Writer):
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
        side, back = self.s.relation, OPPOSITE[self.s.relation]
        if self.converse and self.d.chance(0.25):
            return f"{there}, {self.d.pick(w.EN_SIDE[back])} {other}"
        if "count" not in self.said:
            if placed:
                return f"{there}, {self.d.pick(w.EN_SIDE[back])} {other}"
            return f"{other} {self.d.pick(w.EN_SIDE[side])} {thing}"
        if placed or self.d.chance(0.5):
            its, it = ("their", "them") if plural else ("its", "it")
            return self.d.pick((f"{there} with {other} to {its} {side}", f"{there}, with {other} {side} of {it}"))
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
                ways.append(f", {self.d.pick(w.EN_SIDE[OPPOSITE[side]])} {other}")
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
