"""The compiled path: a fitted model to ONNX, and whether the graph answers as the native model does.

That a conversion succeeds means nothing: it is tried on held-out rows, on rows that sit at split boundaries, and on missing,
far and unseen values. A serving worker imports `engine` alone.
"""
