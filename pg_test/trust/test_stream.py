"""The programs of examples/stream: a file, standard input and an HTTP answer go into an inbox in pieces; one that breaks off
leaves nothing."""

import http.server
import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "stream"
CLIENTS = {
    "python": [sys.executable, str(EXAMPLES / "load.py")],
    "node": [os.environ["TRUST_NODE"], str(EXAMPLES / "load.js")],
    "java": ["java", "-cp", os.environ["TRUST_PGJDBC"], str(EXAMPLES / "Load.java")],
}
# More than a piece, and than a part.
CITIES = json.dumps([{"id": number, "name": f"Zürich {number} \u2028"} for number in range(20_000)], ensure_ascii=False).encode()
LOADED = "20000 received, 20000 inserted, 0 updated, 0 rejected"


class Relay(socketserver.BaseRequestHandler):
    """Between a client that knows no Unix sockets and a server that listens on nothing else."""

    def handle(self):
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(f"{os.environ['PGHOST']}/.s.PGSQL.{os.environ.get('PGPORT', '5432')}")
            back = threading.Thread(target=self.pump, args=(server, self.request))
            back.start()
            self.pump(self.request, server)
            back.join()

    @staticmethod
    def pump(source, target):
        while received := source.recv(1 << 16):
            target.sendall(received)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def address():
    """Host and port of the server."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as relay:
        relay.daemon_threads = True
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        yield {"PGHOST": "127.0.0.1", "PGPORT": str(relay.server_address[1])}
        relay.shutdown()


@pytest.fixture(params=CLIENTS)
def load(request, connect, database):
    """Runs the program with the document's place, and what comes through standard input."""
    environment = {**os.environ, "PGDATABASE": database}
    if request.param == "java":
        if not os.environ["TRUST_PGJDBC"]:
            pytest.skip("no Java here that runs a source file")
        environment.update(request.getfixturevalue("address"))
    session = connect()
    session.run("CREATE TABLE city (id int PRIMARY KEY, name text); SELECT create_inbox('\"City in\"', 'city')")
    session.run(f"ALTER DATABASE {database} SET pg_opus.stream_memory = '256kB'")

    def run(*place, given=b""):
        command = [*CLIENTS[request.param], "City in", *place]
        done = subprocess.run(command, input=given, capture_output=True, env=environment)
        # A name is what it was, wherever it was cut.
        assert session.value("SELECT count(*) FROM city WHERE name <> 'Zürich ' || id || U&' \\2028'") == 0
        return done.returncode, done.stdout.decode().strip(), done.stderr.decode(), session.value("SELECT count(*) FROM city")

    return run


@pytest.fixture
def served():
    """An address that answers with the cities, or breaks off in the middle of them."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CITIES)))
            self.end_headers()
            # A record ends there: what has come could be read.
            end = CITIES.index(b"}", len(CITIES) // 2) + 1 if self.path == "/broken" else None
            self.wfile.write(CITIES[:end])

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_file(load, tmp_path):
    path = tmp_path / "cities.json"
    path.write_bytes(CITIES)
    assert load(str(path)) == (0, LOADED, "", 20_000)


def test_standard_input(load):
    assert load(given=CITIES) == (0, LOADED, "", 20_000)


def test_url(load, served):
    assert load(f"{served}/whole") == (0, LOADED, "", 20_000)


def test_url_that_breaks_off(load, served):
    code, told, error, count = load(f"{served}/broken")
    assert (code != 0, told, count) == (True, "", 0) and error


def test_bad_record(load):
    code, told, error, count = load(given=CITIES.replace(b'"id": 19999', b'"id": "x"'))
    assert (code != 0, told, count) == (True, "", 0) and 'invalid input syntax for type integer: "x"' in error
