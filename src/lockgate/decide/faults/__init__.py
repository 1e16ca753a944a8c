"""Hard faults: what breaks at once and can be named, judged on the counts of an hour against a reference profile.

`hour` is what is looked at, `usual` what the model's own hours have been like, `fault` what is found; one file for each
family of faults, and `look` asks them all.
"""
