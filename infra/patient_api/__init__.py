"""Stand-in for CarePath's patient API: the one call chat-api makes of it, over synthetic patients only.

Its own Docker build context, so it imports nothing but itself.
"""
