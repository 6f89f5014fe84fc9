"""Captions in Chinese: tags, a phrase, or sentences."""

from __future__ import annotations

from mjcourse.data import words as w
from mjcourse.data.scenes import AFLOAT
from mjcourse.data.writers import Writer


class Chinese(Writer):
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
