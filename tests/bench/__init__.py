"""`make bench`: how fast the practicals are beside what a student would write without them, as ratios."""
