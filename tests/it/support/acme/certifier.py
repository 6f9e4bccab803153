"""Serves acme2certifier over HTTPS: its application for WSGI, with the server of Python's standard library.

Arguments: its address, its port, a folder with `server.crt` and `server.key`, and the port of the name server, which has
the same address. The folder gets `requests`, with every request as a line of JSON.
"""

import base64
import io
import json
import socketserver
import ssl
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import dns.resolver

ADDRESS, PORT, FOLDER, RESOLVER, RESOLVER_PORT = sys.argv[1:]

# acme2certifier's own option for name servers has no port.
dns.resolver.default_resolver = dns.resolver.Resolver(configure=False)
dns.resolver.default_resolver.nameservers = [RESOLVER]
dns.resolver.default_resolver.port = int(RESOLVER_PORT)

# It reads its configuration as soon as it is imported.
from acme2certifier.share.acme2certifier_wsgi import application  # noqa: E402

# Its database is a file, and each request opens it.
ONE_AT_A_TIME = threading.Lock()


def payload(body):
    """What a signed request (RFC 7515 section 7.2.2) contains."""
    text = json.loads(body)["payload"] if body else ""
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))) if text else None


def recorded(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    # The server does not know that TLS is below it.
    environ["wsgi.url_scheme"] = "https"
    request = {"method": environ["REQUEST_METHOD"], "path": environ["PATH_INFO"], "payload": payload(body)}
    with ONE_AT_A_TIME:
        answer = list(application(environ, start_response))
        with open(f"{FOLDER}/requests", "a", encoding="utf-8") as requests:
            requests.write(json.dumps(request) + "\n")
    return answer


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """One thread for each connection: a client may keep one open that it does not use yet."""

    daemon_threads = True


server = Server((ADDRESS, int(PORT)), WSGIRequestHandler)
server.set_app(recorded)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(f"{FOLDER}/server.crt", f"{FOLDER}/server.key")
# Handshakes belong to the threads of connections.
server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
