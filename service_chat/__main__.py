"""Run the service: `python -m service_chat`."""

import sys

from service_chat.server import main

sys.exit(main())
