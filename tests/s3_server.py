"""An object store on loopback: moto's S3, whose server can go away, be slow, or refuse."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.backends import get_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

REFUSAL = b'<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>'


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        pass


class Server:
    """A bucket and its server; what is in it outlives `stop`.

    Attributes:
        uri: of the bucket, with all that is needed to reach it.
        requests: how many of each method were answered.
        delay: seconds before an answer.
        refuse: gives status and code of an error for a request's method and path, or None to answer it.
    """

    def __init__(self, bucket: str) -> None:
        self.requests: Counter[str] = Counter()
        self.delay = 0.0
        self.refuse: Callable[[str, str], tuple[str, str] | None] | None = None
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        for regions in get_backend("s3").values():
            for backend in regions.values():
                backend.reset()
        self.port = 0
        self.start()
        self.endpoint = f"127.0.0.1:{self.port}"
        self.uri = f"s3://key:secret@{bucket}?endpoint_override={self.endpoint}&scheme=http&region=us-east-1"
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://{self.endpoint}",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket=bucket)

    def start(self) -> None:
        """Answer again, at the same port."""
        self._server = make_server("127.0.0.1", self.port, self._answer, threaded=True, request_handler=_Quiet)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Be gone: connections are refused."""
        assert self._server is not None
        assert self._thread is not None
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        time.sleep(self.delay)
        self.requests[method] += 1
        if self.refuse is not None and (refusal := self.refuse(method, path)) is not None:
            status, code = refusal
            start_response(status, [("Content-Type", "application/xml")])
            return [REFUSAL % (code.encode(), code.encode())]
        return self._app(environ, start_response)


@contextmanager
def running(bucket: str) -> Iterator[Server]:
    """Run the store."""
    server = Server(bucket)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def serve(bucket: str) -> Iterator[str]:
    """Run the store; gives the URI of a bucket."""
    with running(bucket) as server:
        yield server.uri
