"""An object store on loopback: as much of the S3 protocol as pyarrow speaks, kept in memory."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while size := int(stream.readline().partition(b";")[0], 16):
        yield stream.read(size)
        stream.readline()
    while stream.readline().strip():
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def log_message(self, *_: object) -> None:
        pass

    def _target(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return unquote(parts.path).lstrip("/"), query

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(_chunks(self.rfile))
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        signed = "aws-chunked" in self.headers.get("Content-Encoding", "")
        return b"".join(_chunks(io.BytesIO(body))) if signed else body

    def _answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _xml(self, text: str) -> None:
        self._answer(200, f'<?xml version="1.0"?>{text}'.encode(), Content_Type="application/xml")

    def do_HEAD(self) -> None:
        key, _ = self._target()
        if key in self.server.objects:
            self._answer(200, Content_Length=str(len(self.server.objects[key])), ETag='"1"')
        else:
            self._answer(200 if key == self.server.bucket else 404)

    def do_GET(self) -> None:
        key, query = self._target()
        if "list-type" in query:
            self._list(key.strip("/"), query.get("prefix", ""), query.get("delimiter", ""))
        elif key in self.server.objects:
            first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
            data = self.server.objects[key]
            part = data[int(first) : int(last) + 1 if last else None]
            span = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
            self._answer(206 if "Range" in self.headers else 200, part, ETag='"1"', Content_Range=span)
        else:
            self._answer(404, b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>')

    def _list(self, bucket: str, prefix: str, delimiter: str) -> None:
        files, folders = "", {}
        for key, data in sorted(self.server.objects.items()):
            inner = key.removeprefix(f"{bucket}/")
            if not key.startswith(f"{bucket}/{prefix}"):
                continue
            head, found, _ = inner[len(prefix) :].partition(delimiter) if delimiter else (inner, "", "")
            if found:
                folders[prefix + head + delimiter] = None
            else:
                files += f"<Contents><Key>{escape(inner)}</Key><Size>{len(data)}</Size></Contents>"
        common = "".join(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in folders)
        count = files.count("<Key>") + len(folders)
        self._xml(
            f"<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>{count}</KeyCount>{files}{common}"
            "</ListBucketResult>"
        )

    def do_PUT(self) -> None:
        key, query = self._target()
        if "partNumber" in query:
            self.server.parts[key, int(query["partNumber"])] = self._body()
        else:
            self.server.objects[key] = self._body()
        self._answer(200, ETag='"1"')

    def do_POST(self) -> None:
        key, query = self._target()
        self._body()
        if "uploads" in query:
            self._xml("<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
        else:
            numbers = sorted(number for name, number in self.server.parts if name == key)
            self.server.objects[key] = b"".join(self.server.parts.pop((key, number)) for number in numbers)
            self._xml("<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>")

    def do_DELETE(self) -> None:
        key, _ = self._target()
        self.server.objects.pop(key, None)
        self._answer(204)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, bucket: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bucket = bucket
        self.objects: dict[str, bytes] = {}
        self.parts: dict[tuple[str, int], bytes] = {}


@contextmanager
def serve(bucket: str) -> Iterator[str]:
    """Run the store; gives the URI of a bucket."""
    server = _Server(bucket)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"s3://key:secret@{bucket}?endpoint_override=127.0.0.1:{server.server_port}&scheme=http&region=us-east-1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
