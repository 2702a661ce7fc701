"""CarePath's chat-api: answers triage questions with a language model on CPUs, inside a deadline it keeps.

The package is the Docker build context, so it may import only itself and what requirements.txt names; the
gate judges it from outside and is never imported here.
"""

__version__ = "2.0.0"
