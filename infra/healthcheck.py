#!/opt/venv/bin/python -I
"""Exit with 0 if the service of this container answers ``GET /health`` with 200, else with 1."""

from http.client import HTTPConnection

connection = HTTPConnection("127.0.0.1", 8000, timeout=2)
connection.request("GET", "/health")
raise SystemExit(connection.getresponse().status != 200)
