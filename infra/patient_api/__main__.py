"""Run the patient API: `python -m infra.patient_api`, in its image `python -m patient_api`."""

import argparse

import uvicorn

from .app import create_app

PORT = 8001


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="Serve synthetic patients.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    parser.add_argument("--port", default=PORT, type=int, help="port to listen on (default: %(default)s)")
    arguments = parser.parse_args()
    # Paths hold MRNs: no access log.
    uvicorn.run(create_app(), host=arguments.host, port=arguments.port, access_log=False, server_header=False)


main()
