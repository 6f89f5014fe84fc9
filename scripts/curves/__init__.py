"""The runs whose curves exercise 5 shows, a file a chapter; `scripts/record_curves.py` records them."""
