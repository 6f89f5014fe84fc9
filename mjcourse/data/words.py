"""The words of the captions: how each value of each attribute is said in English and in Chinese.

`mjcourse.data.captions` puts them together. In each tuple the most ordinary word comes first and
is said most often. No word serves two attributes: 'calm' alone is water, 'snow' alone is never said,
'peaceful' is mood. Chapters 01 and 05.
"""

from __future__ import annotations

Table = dict[str, tuple[str, ...]]

EN_COLOR: Table = {
    "red": ("red", "red", "scarlet", "crimson"),
    "yellow": ("yellow", "yellow", "golden"),
    "green": ("green", "green", "emerald"),
    "blue": ("blue", "blue", "azure"),
    "purple": ("purple", "purple", "violet"),
    "white": ("white",),
    "orange": ("orange",),
}
EN_OBJECT: Table = {  # nouns with a regular plural
    "sailboat": ("sailboat", "boat", "sailing boat"),
    "whale": ("whale",),
    "lighthouse": ("lighthouse",),
    "house": ("house", "cottage"),
    "palm": ("palm tree", "palm"),
    "pine": ("pine tree", "pine", "fir tree"),
    "windmill": ("windmill",),
    "castle": ("castle",),
    "tent": ("tent",),
    "parasol": ("parasol", "umbrella"),
    "balloon": ("hot-air balloon", "balloon"),
    "cat": ("cat", "kitten"),
}
EN_VERB: Table = {  # without the third person's s
    **{name: ("stand",) for name in ("lighthouse", "house", "windmill", "castle", "tent", "parasol")},
    **{"palm": ("grow", "stand"), "pine": ("grow", "stand"), "sailboat": ("float", "sail")},
    **{"whale": ("swim", "float"), "balloon": ("float", "hover"), "cat": ("sit", "rest")},
}
EN_BODY: Table = {"sun": ("sun",), "moon": ("moon", "moon", "crescent moon", "crescent")}
EN_BODY_VERB: Table = {"sun": ("shines", "hangs", "glows"), "moon": ("rises", "hangs", "shines")}
EN_PLACE: Table = {
    "left": ("on the left", "on the left side", "at the left"),
    "center": ("in the middle", "in the center", "at the center"),
    "right": ("on the right", "on the right side", "at the right"),
}
EN_SKY_PLACE: Table = {
    "left": (*EN_PLACE["left"], "in the left of the sky"),
    "center": (*EN_PLACE["center"], "in the middle of the sky"),
    "right": (*EN_PLACE["right"], "in the right of the sky"),
}
EN_SIDE: Table = {"left": ("to the left of", "left of"), "right": ("to the right of", "right of")}
EN_COUNT: Table = {"one": ("one", "a", "a single"), "two": ("two",), "three": ("three",)}
EN_STYLE: Table = {
    "poster": ("poster", "flat poster", "flat illustration", "vector illustration"),
    "watercolor": ("watercolor", "watercolor painting", "watercolour"),
    "neon": ("neon", "neon lights", "glowing neon", "neon style"),
    "pixel": ("pixel art", "8-bit pixel art", "pixel style"),
    "ink": ("ink drawing", "pen and ink", "ink"),
    "papercut": ("paper cut", "papercut", "cut paper", "paper collage"),
}
EN_STYLE_OF: Table = {  # 'a … of a house'
    "poster": ("poster", "flat illustration", "flat vector illustration"),
    "watercolor": ("watercolor", "watercolor painting", "watercolour"),
    "neon": ("neon picture", "glowing neon picture", "neon light picture"),
    "pixel": ("pixel art picture", "pixel picture", "8-bit picture"),
    "ink": ("ink drawing", "pen and ink drawing", "ink sketch"),
    "papercut": ("paper cut", "papercut", "paper collage", "cut paper picture"),
}
EN_STYLE_IN: Table = {  # 'a house …'
    "poster": ("in poster style", "as a poster", "as a flat illustration"),
    "watercolor": ("in watercolor", "painted in watercolor", "in watercolour"),
    "neon": ("in neon lights", "in glowing neon", "in neon style"),
    "pixel": ("in pixel art", "as pixel art", "in 8-bit style"),
    "ink": ("in ink", "drawn in pen and ink", "as an ink drawing"),
    "papercut": ("as a paper cut", "in cut paper", "as a paper collage"),
}
EN_TIME: Table = {
    "morning": ("morning", "dawn", "sunrise", "early morning"),
    "day": ("daytime", "noon", "midday"),
    "sunset": ("sunset", "dusk", "evening"),
    "night": ("night", "midnight", "nighttime"),
}
EN_TIME_AT: Table = {
    "morning": ("in the morning", "at dawn", "at sunrise", "early in the morning"),
    "day": ("in the daytime", "at noon", "at midday", "by day"),
    "sunset": ("at sunset", "at dusk", "in the evening"),
    "night": ("at night", "at midnight", "by night"),
}
EN_TIME_IS: Table = {  # after 'it is'
    "morning": ("morning", "early morning", "dawn"),
    "day": ("daytime", "noon", "midday"),
    "sunset": ("evening", "dusk", "sunset"),
    "night": ("night", "midnight"),
}
EN_WEATHER: Table = {
    "clear": ("clear sky", "clear weather", "cloudless sky", "fine weather"),
    "cloudy": ("cloudy", "overcast", "cloudy sky", "clouds"),
    "rain": ("rain", "rainy", "raining", "rainy weather"),
    "snow": ("falling snow", "snowing", "snowfall", "snowflakes"),
    "fog": ("fog", "foggy", "mist", "misty"),
}
EN_WEATHER_AT: Table = {
    "clear": ("under a clear sky", "in clear weather", "under a cloudless sky", "in fine weather"),
    "cloudy": ("under a cloudy sky", "under an overcast sky", "under the clouds"),
    "rain": ("in the rain", "in rainy weather", "in pouring rain"),
    "snow": ("in falling snow", "in a snowfall", "among snowflakes"),
    "fog": ("in the fog", "in the mist", "in foggy weather"),
}
EN_WEATHER_IS: Table = {
    "clear": ("the sky is clear", "the weather is fine", "the sky is cloudless"),
    "cloudy": ("the sky is cloudy", "it is cloudy", "the sky is overcast"),
    "rain": ("it is raining", "rain is falling", "it is rainy"),
    "snow": ("it is snowing", "snowflakes are falling", "snow is falling"),
    "fog": ("it is foggy", "fog hangs in the air", "it is misty"),
}
EN_MOOD: Table = {
    "calm": ("peaceful", "serene", "tranquil", "quiet"),
    "joyful": ("joyful", "cheerful", "happy", "merry"),
    "gloomy": ("gloomy", "sad", "bleak", "melancholy"),
    "mysterious": ("mysterious", "eerie", "magical", "enchanted"),
}
EN_BACKGROUND: Table = {
    "mountains": ("mountains", "tall mountains", "a mountain range", "mountain peaks"),
    "hills": ("hills", "rolling hills", "gentle hills"),
    "city": ("a city", "a city skyline", "a skyline"),
    "forest": ("a forest", "woods", "a dense forest"),
}
EN_WATER: Table = {
    "calm": ("a calm sea", "calm water", "still water", "a smooth lake", "a calm ocean"),
    "waves": ("waves", "a rough sea", "choppy water", "rolling waves", "a wavy sea"),
}
EN_WATER_IS: Table = {
    "calm": ("the sea is calm", "the water is still", "the water is calm", "the lake is smooth"),
    "waves": ("the sea is rough", "there are waves on the sea", "waves roll in", "the water is choppy"),
}
EN_SEA = ("the sea", "the ocean", "the water")
EN_GROUND: Table = {
    "sand": ("a sandy beach", "a beach", "sand", "sand dunes", "a sandy shore"),
    "grass": ("a meadow", "grass", "a lawn", "a grassy field"),
    "snow": ("snowy ground", "snow-covered ground", "a snowfield", "a snowy field"),
    "rock": ("rocks", "rocky ground", "stony ground", "a rocky shore"),
    "flowers": ("a flower field", "a field of flowers", "flowers", "blossoms"),
}
EN_GROUND_ON: Table = {
    "sand": ("on the beach", "on a sandy beach", "on the sand", "on sand dunes", "on the sandy shore"),
    "grass": ("in a meadow", "on the grass", "on a lawn", "in a grassy field"),
    "snow": ("on snowy ground", "on snow-covered ground", "in a snowfield", "in a snowy field"),
    "rock": ("on the rocks", "on rocky ground", "on stony ground", "on a rocky shore"),
    "flowers": ("in a field of flowers", "among flowers", "in a flower field", "among blossoms"),
}
EN_GROUND_IS: Table = {
    "sand": ("the ground is sandy", "the ground is sand"),
    "grass": ("the ground is grassy", "grass covers the ground"),
    "snow": ("the ground is snowy", "the ground is covered with snow"),
    "rock": ("the ground is rocky", "rocks cover the ground"),
    "flowers": ("flowers cover the ground", "flowers bloom on the ground", "blossoms cover the ground"),
}
EN_NONE: Table = {
    "body": ("no sun or moon", "no sun and no moon"),
    "background": ("an empty horizon", "an open horizon"),
    "water": ("no water", "no sea"),
    "object": ("nothing else", "an empty landscape"),
}
EN_GLUE = (
    "a an and are as at atmosphere away background beneath beside by calm distance far front in is it its "
    "landscape left near of on over above right scene mood sea sky the their them there to two three under "
    "view while with no empty"
)

ZH_COLOR: Table = {  # the last is the one-character form
    "red": ("红色", "红色", "鲜红色", "红"),
    "yellow": ("黄色", "黄色", "金黄色", "黄"),
    "green": ("绿色", "绿色", "翠绿色", "绿"),
    "blue": ("蓝色", "蓝色", "天蓝色", "蓝"),
    "purple": ("紫色", "紫色", "紫罗兰色", "紫"),
    "white": ("白色", "白色", "纯白色", "白"),
    "orange": ("橙色", "橙色", "橘色", "橙"),
}
ZH_OBJECT: dict[str, tuple[tuple[str, str], ...]] = {  # noun and its classifiers
    "sailboat": (("帆船", "艘条"), ("小船", "艘条")),
    "whale": (("鲸鱼", "头条"), ("鲸", "头")),
    "lighthouse": (("灯塔", "座"),),
    "house": (("房子", "座栋"), ("小屋", "座间"), ("房屋", "座栋")),
    "palm": (("棕榈树", "棵"), ("椰子树", "棵"), ("棕榈", "棵")),
    "pine": (("松树", "棵"), ("杉树", "棵")),
    "windmill": (("风车", "座架"),),
    "castle": (("城堡", "座"), ("古堡", "座")),
    "tent": (("帐篷", "顶个"),),
    "parasol": (("遮阳伞", "把"), ("阳伞", "把")),
    "balloon": (("热气球", "个只"), ("气球", "个只")),
    "cat": (("猫", "只"), ("小猫", "只"), ("猫咪", "只")),
}
ZH_SHORT = frozenset(("帆船", "房子", "风车", "城堡", "帐篷", "气球", "热气球", "猫", "灯塔", "阳伞", "太阳"))
ZH_VERB: Table = {
    **{name: ("矗立着", "立着", "有") for name in ("lighthouse", "castle", "windmill")},
    **{"house": ("坐落着", "有"), "palm": ("长着", "有"), "pine": ("长着", "有"), "tent": ("搭着", "有")},
    **{"parasol": ("撑着", "有"), "balloon": ("飘着", "有"), "cat": ("坐着", "蹲着", "有")},
    **{"sailboat": ("漂着", "有"), "whale": ("游着", "有")},
}
ZH_BODY: Table = {"sun": ("太阳",), "moon": ("月亮", "月亮", "月牙")}
ZH_PLACE: Table = {
    "left": ("左边", "左侧", "左面"),
    "center": ("中间", "中央", "正中"),
    "right": ("右边", "右侧", "右面"),
}
ZH_SKY_PLACE: Table = {
    "left": ("左边", "左上方", "天空左侧", "天空左边"),
    "center": ("中间", "天空中央", "正上方", "天空正中"),
    "right": ("右边", "右上方", "天空右侧", "天空右边"),
}
ZH_COUNT: Table = {"one": ("一",), "two": ("两",), "three": ("三",)}
ZH_STYLE: Table = {
    "poster": ("海报", "扁平插画", "扁平海报", "海报风格"),
    "watercolor": ("水彩", "水彩画", "水彩风格"),
    "neon": ("霓虹", "霓虹灯", "霓虹风格"),
    "pixel": ("像素画", "像素风", "像素风格", "像素"),
    "ink": ("水墨", "水墨画", "钢笔画", "墨线画"),
    "papercut": ("剪纸", "剪纸画", "剪纸风格", "纸拼贴"),
}
ZH_STYLE_OF: Table = {  # with its classifier
    "poster": ("一张海报", "一幅扁平插画", "海报风格"),
    "watercolor": ("一幅水彩画", "一张水彩", "水彩风格"),
    "neon": ("一幅霓虹画", "霓虹风格"),
    "pixel": ("一幅像素画", "一张像素画", "像素风格"),
    "ink": ("一幅水墨画", "一幅钢笔画", "水墨风格"),
    "papercut": ("一幅剪纸", "一幅剪纸画", "剪纸风格"),
}
ZH_TIME: Table = {
    "morning": ("清晨", "早晨", "黎明", "早上", "日出时分"),
    "day": ("白天", "中午", "正午"),
    "sunset": ("黄昏", "日落", "傍晚", "日落时分"),
    "night": ("夜晚", "深夜", "夜里", "午夜", "晚上"),
}
ZH_WEATHER: Table = {
    "clear": ("晴朗", "晴天", "晴空", "万里无云"),
    "cloudy": ("多云", "阴天", "乌云", "阴云密布"),
    "rain": ("下雨", "雨天", "细雨", "雨中"),
    "snow": ("下雪", "飘雪", "雪花纷飞", "雪天"),
    "fog": ("大雾", "薄雾", "雾天", "有雾"),
}
ZH_WEATHER_IS: Table = {
    "clear": ("天气晴朗", "万里无云", "天空晴朗"),
    "cloudy": ("天空多云", "乌云密布", "云层很厚", "阴云密布"),
    "rain": ("下着雨", "细雨绵绵", "天上下着雨", "正在下雨"),
    "snow": ("下着雪", "雪花纷飞", "天上飘着雪花", "正在下雪"),
    "fog": ("大雾弥漫", "薄雾笼罩", "雾气弥漫", "雾蒙蒙"),
}
ZH_MOOD: Table = {
    "calm": ("宁静", "安静", "安宁", "祥和"),
    "joyful": ("欢快", "快乐", "愉快", "喜悦"),
    "gloomy": ("忧郁", "阴郁", "悲伤", "压抑"),
    "mysterious": ("神秘", "奇幻", "诡异", "梦幻"),
}
ZH_BACKGROUND: Table = {
    "mountains": ("群山", "高山", "山脉", "大山", "山"),
    "hills": ("小山", "丘陵", "山丘"),
    "city": ("城市", "城市天际线", "都市"),
    "forest": ("森林", "树林"),
}
ZH_WATER: Table = {
    "calm": ("平静的大海", "平静的海面", "平静的湖面", "平静的水面"),
    "waves": ("海浪", "波浪", "波涛", "起伏的波浪", "翻滚的海浪"),
}
ZH_WATER_IS: Table = {
    "calm": ("大海很平静", "水面平静", "海面平静", "湖面平静"),
    "waves": ("海浪翻滚", "水面波浪起伏", "海上有波浪", "波涛汹涌"),
}
ZH_SEA = ("大海", "海", "海水", "海洋")
ZH_GROUND: Table = {
    "sand": ("沙滩", "沙地", "沙丘", "海滩"),
    "grass": ("草地", "草坪", "草原"),
    "snow": ("雪地", "积雪", "积雪的地面"),
    "rock": ("岩石", "岩石地", "石头地", "礁石"),
    "flowers": ("花田", "花海", "花丛"),
}
ZH_GROUND_ON: Table = {
    "sand": ("沙滩上", "沙地上", "沙丘上", "海滩上"),
    "grass": ("草地上", "草坪上", "草原上"),
    "snow": ("雪地上", "雪地里", "积雪的地面上"),
    "rock": ("岩石上", "石头地上", "礁石上"),
    "flowers": ("花田里", "花海中", "花丛中"),
}
ZH_GROUND_IS: Table = {
    "sand": ("地上是沙子", "脚下是沙滩", "地面是沙地"),
    "grass": ("地上长满青草", "脚下是草地", "地面是草坪"),
    "snow": ("地上积雪", "脚下是雪地", "地面被积雪覆盖"),
    "rock": ("地上是岩石", "脚下是岩石", "地面满是岩石"),
    "flowers": ("地上开满鲜花", "脚下是花海", "地面开满鲜花"),
}
ZH_NONE: Table = {
    "body": ("没有太阳也没有月亮", "不见太阳和月亮"),
    "background": ("地平线空旷", "空旷的地平线"),
    "water": ("没有水", "没有海"),
    "object": ("空无一物", "没有别的东西"),
}
ZH_GLUE = (
    "的 和 与 在 有 里 上 下 中 是 着 一 两 三 个 只 座 栋 间 棵 艘 条 头 架 顶 把 幅 张 轮 弯 也 它 它们 "
    "旁边是 眼前是 近处是 远处是 远处有 远方是 背景是 海边 水边 海上 水上 天上 天空 挂着 挂在 悬着 位于 "
    "气氛 氛围 画面 红日 左 右 左侧 右侧 左边 右边"
)
