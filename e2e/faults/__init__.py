"""The fault matrix: the app broken on purpose on the real cluster, and what acceptance says about it, and when."""
