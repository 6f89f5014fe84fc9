"""Pictures and their captions: drawn scenes, emoji art, the learner's own folder."""
