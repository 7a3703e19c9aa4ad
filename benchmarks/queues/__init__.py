"""The same dial by three trusted queues and by ours, under the same kills (compare.py)."""
