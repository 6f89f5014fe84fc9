"""The tables of the ratings' file and the questions asked of them; `mjcourse.feedback.ratings` tells what they mean."""

from __future__ import annotations

STARS = range(1, 6)  # what a picture can get

APPLICATION, VERSION = 0x6D6A7274, 1  # "mjrt"; raise the version when the tables change
CREATE = (
    "CREATE TABLE pictures (id TEXT PRIMARY KEY, png BLOB NOT NULL, time REAL NOT NULL)",
    # The same pixels may come from two commands: 'A red sun' and 'a red sun' draw alike.
    "CREATE TABLE made (picture TEXT NOT NULL REFERENCES pictures, command TEXT NOT NULL, place INTEGER NOT NULL, "
    "prompt TEXT NOT NULL, model TEXT, seed INTEGER, UNIQUE (picture, command, place))",
    "CREATE INDEX made_by_prompt ON made (prompt)",
    # A row is either stars for `picture`, or says that `picture` is better than `other`.
    "CREATE TABLE ratings (id INTEGER PRIMARY KEY AUTOINCREMENT, rater TEXT NOT NULL, time REAL NOT NULL, "
    "picture TEXT NOT NULL REFERENCES pictures, other TEXT REFERENCES pictures, stars INTEGER, prompt TEXT NOT NULL, "
    f"undone REAL, CHECK ((stars IS NULL) = (other IS NOT NULL)), CHECK (stars BETWEEN {STARS[0]} AND {STARS[-1]}))",
    "CREATE INDEX ratings_by_rater ON ratings (rater, picture)",
)
_COUNTING = "FROM ratings WHERE rater = :rater AND undone IS NULL AND other IS"
STARRED = f"SELECT picture, stars, max(id) AS last {_COUNTING} NULL GROUP BY picture"
PAIRS = f"""
    WITH starred AS ({STARRED}), chosen AS (
        SELECT picture AS winner, other AS loser, prompt, max(id) AS last {_COUNTING} NOT NULL
        GROUP BY min(picture, other), max(picture, other), prompt)
    SELECT winner, loser, prompt, last FROM chosen
    UNION ALL
    SELECT a.picture, b.picture, min(m.prompt), max(a.last, b.last)
    FROM starred a JOIN made m ON m.picture = a.picture JOIN made n ON n.prompt = m.prompt
        JOIN starred b ON b.picture = n.picture AND b.stars < a.stars
    WHERE :from_stars AND (min(a.picture, b.picture), max(a.picture, b.picture))
        NOT IN (SELECT min(winner, loser), max(winner, loser) FROM chosen)
    GROUP BY a.picture, b.picture
    ORDER BY last, winner"""
SHARED_PROMPT = """
    SELECT a.prompt FROM made a JOIN made b ON a.prompt = b.prompt WHERE a.picture = ? AND b.picture = ?
    ORDER BY a.rowid DESC"""
EXPORT = """
    SELECT r.id, r.time, r.rater, CASE WHEN r.stars IS NULL THEN 'pair' ELSE 'stars' END AS kind, r.picture, r.other,
        r.stars, r.prompt, m.command, m.place, m.model, m.seed, r.undone
    FROM ratings r JOIN made m
        ON m.rowid = (SELECT max(rowid) FROM made WHERE picture = r.picture AND prompt = r.prompt)
    ORDER BY r.id"""
