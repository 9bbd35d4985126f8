"""What attackers do to a server, each under a name.

An attack is a class. `work` is what one of `crowd` attackers does again and again until the time is over; it may end by
any error of the network, for the server may close on it, but an answer that must come has to come, and no 5xx without
`Retry-After` may.
"""

import asyncio
import collections
import json
import random
import signal
import subprocess
import sys

import raw
from raw import Connection, Hang, head, initialize, legacy, message, modern, modern_fields, tool

KIB, MIB = 1 << 10, 1 << 20
MAX_REQUEST = MIB
ENDS = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError)


class Attack:
    """`crowd` attackers on as many addresses, and principals, as `addresses`."""

    server = "bench"
    arguments = ()
    crowd = 16
    addresses = 3
    # A flag of `torpor serve` that the attack is about: where it is missing, the attack is left out.
    needs = None
    # Whether it may run with `--auth none`, where addresses are told apart in place of principals.
    may_be_anonymous = True
    # Whether the server is expected to end by itself, with a status other than 0 and an explanation.
    ends_server = False
    memory_limit = 256 * MIB

    def __init__(self, server, tokens, seed):
        self.target = server
        self.tokens = tokens
        self.seed = seed
        self.statuses = collections.Counter()
        self.findings = collections.Counter()

    async def run(self, seconds):
        """Attacks for so long, then lets go of everything."""
        self.over = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, self.over.set)
        async with asyncio.TaskGroup() as group:
            for number in range(self.crowd):
                group.create_task(self._attacker(number))

    async def _attacker(self, number):
        choices = random.Random(self.seed * 1_000 + number)
        while not self.over.is_set():
            try:
                await self.work(number, choices)
            except Hang as hang:
                self.findings[f"hang: {hang}"] += 1
            except ENDS as end:
                self.statuses[type(end).__name__] += 1
                if self.target.process.poll() is not None:
                    return
                await asyncio.sleep(0)

    async def work(self, number, choices):
        raise NotImplementedError

    # What attackers have

    def address(self, number):
        return f"127.0.0.{2 + number % self.addresses}"

    def fields(self, number):
        token = self.tokens.get(f"mallory-{number % self.addresses}")
        return {"Authorization": f"Bearer {token}"} if token else {}

    def connect(self, number, **arguments):
        return Connection.open(self.target.port, self.address(number), **arguments)

    def note(self, answer):
        """Counts an answer, and finds fault with it."""
        self.statuses[str(answer.status)] += 1
        if answer.status in (429, 503) and "retry-after" not in answer.headers:
            self.findings[f"{answer.status} without Retry-After: {answer.body[:100]!r}"] += 1
        elif answer.status >= 500 and answer.status != 503:
            self.findings[f"status {answer.status}: {answer.body[:100]!r}"] += 1
        return answer

    async def ask(self, connection, data):
        return self.note(await connection.ask(data))

    async def session(self, connection, number, capabilities=None):
        answer = await self.ask(connection, initialize(self.fields(number), capabilities))
        return answer.headers.get("mcp-session-id")

    async def idle(self):
        """Does nothing until the time is over."""
        await self.over.wait()

    async def unless_over(self, awaitable):
        """What `awaitable` gives, or `None` as soon as the time is over."""
        task, over = asyncio.ensure_future(awaitable), asyncio.create_task(self.over.wait())
        await asyncio.wait((task, over), return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if not self.over.is_set():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None

    @property
    def refused(self):
        return sum(count for status, count in self.statuses.items() if status.isdigit() and status[0] in "45")


class Initialize(Attack):
    """Opens sessions and leaves them, deletes some, and hangs up on others."""

    async def work(self, number, choices):
        async with await self.connect(number) as connection:
            for _ in range(choices.randrange(1, 50)):
                session = await self.session(connection, number)
                if session and choices.random() < 0.3:
                    fields = raw.session_fields(session) | self.fields(number)
                    await self.ask(connection, head(fields, "DELETE", length=0))
                if self.over.is_set():
                    return
            if choices.random() < 0.5:
                await connection.send(initialize(self.fields(number)))
                connection.reset()


class Bodies(Attack):
    """Giant bodies, up to the limit and over it, with lengths that lie, and chunks without end."""

    crowd = 8

    async def work(self, number, choices):
        fields = modern_fields("tools/call", "echo") | self.fields(number)
        async with await self.connect(number) as connection:
            match choices.randrange(7):
                case 0 | 1:
                    await self.sized(connection, fields, MAX_REQUEST + choices.choice((-1, 0, 1, 1_000)))
                case 2:
                    length = choices.choice((MAX_REQUEST * 1_000, 1 << 62, 1 << 64, -1, "1, 1", "+5", "0x10"))
                    await connection.send(head(fields, length=length))
                    await self.refusal(connection)
                case 3:  # claims more than it sends, and goes
                    await connection.send(head(fields, length=MAX_REQUEST) + b"{" * choices.randrange(MAX_REQUEST))
                    choices.choice((connection.close, connection.reset))()
                case 4:  # claims less than it sends: the rest is no request
                    await connection.send(head(fields, length=10) + b"[" * 100_000)
                    self.note(await connection.answer())
                    await self.refusal(connection)
                case 5:
                    await connection.send(head(fields | {"Transfer-Encoding": "chunked"}))
                    await self.endless(connection, choices.choice((1, 10, 100, 10_000)))
                case 6:
                    await connection.send(head(fields | {"Transfer-Encoding": "chunked"}))
                    size = choices.choice((b"ffffffffffffffffff", b"-1", b"zz", b"1;" + b"x" * 10_000, b""))
                    await connection.send(size + b"\r\nx\r\n")
                    await self.refusal(connection)

    async def sized(self, connection, fields, size):
        body = message("tools/call", {"name": "echo", "arguments": {"message": ""}, "_meta": raw.META})
        body = body.replace(b'"message": ""', b'"message": "' + b"x" * (size - len(body)) + b'"')
        answer = await self.ask(connection, head(fields, length=size) + body)
        allowed = {200, 503, 429} if size <= MAX_REQUEST else {413}
        if answer.status not in allowed:
            self.findings[f"a body of {size} bytes was answered {answer.status}"] += 1

    async def refusal(self, connection):
        answer = self.note(await connection.answer())
        if not 400 <= answer.status < 500:
            self.findings[f"a malformed body was answered {answer.status}"] += 1
        await connection.ended()

    async def endless(self, connection, size):
        chunk = f"{size:x}\r\n".encode() + b"x" * size + b"\r\n"
        many = chunk * max(1, 65_536 // len(chunk))
        for _ in range(2 + 64 * MAX_REQUEST // len(many)):
            await connection.send(many)
            await asyncio.sleep(0)  # sending alone may not let the loop look for an answer
            if connection.reader.at_eof() or connection.reader._buffer:
                break
        else:
            self.findings["a body without end was taken"] += 1
        await self.refusal(connection)


class Nesting(Attack):
    """JSON that is nested deeply, in the message and in the arguments."""

    crowd = 8

    async def work(self, number, choices):
        depth = choices.choice((60, 64, 65, 100, 10_000, 100_000, MAX_REQUEST // 6))
        opening, closing = choices.choice(((b"[", b"]"), (b'{"":', b"}")))
        value = opening * depth + b"0" + closing * (depth if choices.random() < 0.8 else depth - 1)
        body = choices.choice((
            value,
            b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + value + b"}",
            message("tools/call", {"name": "echo", "arguments": {"message": 7}, "_meta": raw.META})
            .replace(b"7", value),
        ))
        async with await self.connect(number) as connection:
            fields = modern_fields("tools/call", "echo") | self.fields(number)
            answer = await self.ask(connection, head(fields, length=len(body)) + body)
            if depth >= 100 and answer.status not in (400, 413):
                self.findings[f"JSON of depth {depth} was answered {answer.status}"] += 1


class SlowReaders(Attack):
    """Asks for large answers and does not read them."""

    crowd = 64

    async def work(self, number, choices):
        async with await self.connect(number, receive_bytes=4_096) as connection:
            size, count = choices.choice(((100_000, 1), (100_000, 20), (MIB, 1), (4 * MIB, 1)))
            await connection.send(tool("bytes", self.fields(number), count=size) * count)
            if choices.random() < 0.5:
                # Reads a little now and then.
                while await self.unless_over(connection.reader.read(64)):
                    await asyncio.sleep(0.01)
            else:
                await self.idle()
            connection.reset()


class SlowWriters(Attack):
    """Sends heads and bodies byte by byte."""

    crowd = 64

    async def work(self, number, choices):
        async with await self.connect(number) as connection:
            request = tool("echo", self.fields(number), message="x" * 2_000)
            cut = choices.choice((0, 0, request.index(b"\r\n\r\n") + 4))
            await connection.send(request[:cut])
            for place in range(cut, len(request)):
                if self.over.is_set() or connection.reader._buffer:
                    break
                await connection.send(request[place:place + 1])
                await asyncio.sleep(0.02)
            connection.close()


class Streams(Attack):
    """Opens streams of both eras, and calls that talk, and leaves them in every way there is."""

    crowd = 24

    async def work(self, number, choices):
        async with await self.connect(number) as connection:
            fields = self.fields(number)
            match choices.randrange(3):
                case 0:
                    await connection.send(listening(fields))
                case 1:
                    session = await self.session(connection, number)
                    await connection.send(head(raw.session_fields(session) | fields, "GET"))
                case 2:
                    session = await self.session(connection, number)
                    talk = {"name": "talk", "arguments": {"messages": 100, "bytes": 10_000, "pause": 20}}
                    await connection.send(legacy(session, "tools/call", talk, fields))
            if self.note(await connection.head()).status != 200:
                return
            await self.unless_over(connection.reader.read(choices.choice((1, 100, 20_000))))
            choices.choice((connection.close, connection.reset, connection.vanish))()


class FrozenStreams(Attack):
    """Processes that open streams and calls that talk, and then are stopped: their sockets take nothing any more."""

    crowd = 4

    async def work(self, number, choices):
        fields = self.fields(number)
        talk = tool("talk", fields, messages=10_000, bytes=10_000, pause=0)
        talk = talk.replace(b'"_meta": {', b'"_meta": {"io.modelcontextprotocol/logLevel": "debug", "progressToken": 1, ')
        body = talk.split(b"\r\n\r\n", 1)[1]
        talk = head(modern_fields("tools/call", "talk") | fields, length=len(body)) + body
        request = choices.choice((talk, listening(fields)))
        process = subprocess.Popen(
            [sys.executable, raw.__file__, str(self.target.port), self.address(number), "10"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        try:
            process.stdin.write(request)
            process.stdin.close()
            await asyncio.to_thread(process.stdout.readline)
            process.send_signal(signal.SIGSTOP)
            await self.idle()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


class Asking(Attack):
    """Lets itself be asked, in both eras, and never answers."""

    server = "conformance"
    crowd = 40

    async def work(self, number, choices):
        async with await self.connect(number) as connection:
            fields = self.fields(number)
            if number % 2:
                name = "test_input_required_result_elicitation"
                await self.ask(connection, tool(name, fields))
                return
            session = await self.session(connection, number, {"elicitation": {}})
            call = {"name": "test_elicitation", "arguments": {"message": "Who?"}}
            await connection.send(legacy(session, "tools/call", call, fields))
            self.note(await connection.head())
            if choices.random() < 0.5:
                await self.idle()
            choices.choice((connection.close, connection.reset, connection.vanish))()


class StateFull(Attack):
    """Makes objects and fills them until it is refused, and goes on."""

    crowd = 9
    arguments = ("--resident-memory", "16MiB", "--principal-objects", "1000")

    async def work(self, number, choices):
        async with await self.connect(number) as connection:
            fields = self.fields(number)
            session = await self.session(connection, number) if choices.random() < 0.5 else None
            handle = None
            if session is None:
                answer = await self.ask(connection, tool("create", fields))
                handle = ((answer.message or {}).get("result") or {}).get("structuredContent", {}).get("handle")
                if handle is None:
                    return
            for key in range(choices.randrange(1, 30)):
                if self.over.is_set():
                    break
                text = choices.randbytes(choices.choice((50, 5_000, 100_000))).hex()
                arguments = {"key": f"k{key}", "value": text} | ({"handle": handle} if handle else {})
                if session:
                    call = {"name": "put", "arguments": arguments}
                    answer = await self.ask(connection, legacy(session, "tools/call", call, fields))
                else:
                    answer = await self.ask(connection, tool("put", fields, **arguments))
                if ((answer.message or {}).get("result") or {}).get("isError"):
                    self.statuses["tool error"] += 1
                    return


class DiskFull(StateFull):
    """The same with little room on disk, by as many as may not fill it together: each may take a quarter."""

    arguments = ("--storage", "8MiB")
    may_be_anonymous = False


class Allocate(Attack):
    """Calls that take 2 GiB in all, at once and in one piece."""

    needs = "--memory-limit"
    crowd = 32

    async def work(self, number, choices):
        size = 2_048 * MIB if number == 0 else 64 * MIB
        async with await self.connect(number) as connection:
            await self.ask(connection, tool("allocate", self.fields(number), bytes=size, milliseconds=500))


class Leak(Attack):
    """A tool that never gives its memory back, until the server ends itself."""

    needs = "--memory-limit"
    crowd = 2
    ends_server = True

    async def work(self, number, choices):
        async with await self.connect(number) as connection:
            await self.ask(connection, tool("leak", self.fields(number), bytes=2 * MIB))


class Spin(Attack):
    """Keeps every thread of the handlers busy."""

    crowd = 12

    async def work(self, number, choices):
        async with await self.connect(number) as connection:
            await self.ask(connection, tool("spin", self.fields(number), milliseconds=choices.choice((1, 20, 100))))


class HeavyCalls(Attack):
    """More work than the machine does in the time, in calls that each take a second or so."""

    # Calls take turns where there is a governor; without one the first who came keep the rest waiting.
    needs = "--memory-limit"
    crowd = 48

    async def work(self, number, choices):
        async with await self.connect(number) as connection:
            if choices.random() < 0.5:
                await self.ask(connection, tool("spin", self.fields(number), milliseconds=1_000))
            else:
                await connection.send(tool("bytes", self.fields(number), count=16 * MIB))
                await self.unless_over(connection.head())
                connection.reset()


class Sleepers(Attack):
    """Calls that take long, cancelled in every way there is, up to the most of one caller and over it."""

    crowd = 60

    async def work(self, number, choices):
        async with await self.connect(number) as connection:
            await connection.send(tool("sleep", self.fields(number), milliseconds=choices.choice((10, 300, 60_000))))
            if choices.random() < 0.5:
                self.note(await connection.answer())
            else:
                await asyncio.sleep(choices.random() * 0.1)
                choices.choice((connection.close, connection.reset))()


class Connections(Attack):
    """As many connections as one address may have, and more, and nothing said on them."""

    crowd = 200
    addresses = 2

    async def work(self, number, choices):
        async with await self.connect(number) as connection:
            # Who is turned away is told at once.
            if await self.unless_over(connection.reader.readexactly(12)):
                self.statuses["turned away"] += 1
                await self.unless_over(connection.ended())


class Pipelined(Attack):
    """Thousands of requests in one piece; some read the answers, some do not."""

    crowd = 12

    async def work(self, number, choices):
        async with await self.connect(number, receive_bytes=65_536) as connection:
            count = choices.choice((10, 500, 2_000))
            name = choices.choice(("echo", "echo_async"))
            request = tool(name, self.fields(number), message="x" * choices.choice((1, 1_000)))
            sending = asyncio.create_task(connection.send(request * count))
            try:
                if choices.random() < 0.6:
                    for _ in range(count):
                        self.note(await connection.answer())
                        if self.over.is_set():
                            break
                else:
                    await asyncio.wait_for(self.over.wait(), choices.random())
            except TimeoutError:
                pass
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                connection.reset()


class Subscriptions(Attack):
    """Subscribes as often as it may, hears and does not listen, while changes are announced."""

    crowd = 50

    async def work(self, number, choices):
        fields = self.fields(number)
        async with await self.connect(number, receive_bytes=4_096) as connection:
            if number < 4:
                change = choices.choice(("tools", "prompts", "resources", "bench://about"))
                await self.ask(connection, tool("announce", fields, change=change, times=20_000))
                return
            await connection.send(listening(fields, uris=choices.choice((0, 10, 900, 1_100))))
            answer = self.note(await connection.head())
            if answer.status == 200 and choices.random() < 0.7:
                await self.idle()
            connection.reset()


class Preferences(Attack):
    """Sessions that want something kept: a log level, subscriptions."""

    async def work(self, number, choices):
        fields = self.fields(number)
        async with await self.connect(number) as connection:
            for _ in range(20):
                session = await self.session(connection, number)
                await self.ask(connection, legacy(session, "logging/setLevel", {"level": "debug"}, fields))
                uris = {"uri": "bench://about"}
                await self.ask(connection, legacy(session, "resources/subscribe", uris, fields))
                # Ended, so that what is measured afterwards does not hang on how many there were.
                await self.ask(connection, head(raw.session_fields(session) | fields, "DELETE", length=0))
                if self.over.is_set():
                    return


class Garbage(Attack):
    """What is no HTTP, no JSON, or no request."""

    async def work(self, number, choices):
        async with await self.connect(number) as connection:
            match choices.randrange(4):
                case 0:
                    await connection.send(choices.randbytes(choices.choice((1, 100, 100_000))))
                    connection.writer.write_eof()
                    await connection.ended()
                case 1:
                    body = choices.randbytes(1_000)
                    await self.ask(connection, head(self.fields(number), length=len(body)) + body)
                case 2:
                    request = bytearray(tool("echo", self.fields(number), message="x"))
                    for _ in range(3):
                        request[choices.randrange(len(request))] = choices.randrange(256)
                    await connection.send(bytes(request))
                    connection.writer.write_eof()
                    await connection.ended()
                case 3:
                    values = [None, 7, [], {}, "x", [[]], [{}] * 101, {"jsonrpc": "2.0"}, [{"jsonrpc": "2.0"}] * 100]
                    body = json.dumps(choices.choice(values)).encode()
                    await self.ask(connection, head(self.fields(number), length=len(body)) + body)


class HTTP2(Attack):
    """Frames of HTTP/2 in floods: streams that are reset at once, pings, settings, heads without end, empty data."""

    crowd = 8
    DATA, HEADERS, RESET, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9

    async def work(self, number, choices):
        async with await self.connect(number) as connection:
            await connection.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(self.SETTINGS, 0, 0))
            kind = choices.choice(("reset", "ping", "settings", "continuation", "data", "windows"))
            reading = asyncio.create_task(connection.ended(raw.ANSWER_LIMIT))
            try:
                for piece in range(2_000):
                    if self.over.is_set() or reading.done():
                        break
                    await connection.send(self.flood(kind, piece, number))
                self.statuses["closed" if reading.done() else "borne"] += 1
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                connection.reset()

    def flood(self, kind, piece, number):
        """The frames of one step, on streams of their own."""
        streams = [1 + 2 * (piece * 10 + each) for each in range(10)]
        begin = hpack({":method": "POST", ":scheme": "http", ":path": "/mcp", ":authority": "127.0.0.1"})
        begin += hpack({name.lower(): value for name, value in self.fields(number).items()})
        match kind:
            case "reset":
                reset = (8).to_bytes(4)
                return b"".join(frame(self.HEADERS, 4, s, begin) + frame(self.RESET, 0, s, reset) for s in streams)
            case "windows":
                return b"".join(frame(self.HEADERS, 4, stream, begin) for stream in streams)
            case "ping":
                return frame(self.PING, 0, 0, bytes(8)) * 100
            case "settings":
                return frame(self.SETTINGS, 0, 0, bytes((0, 4, 0, 0, 255, 255))) * 100
            case "continuation":
                first = frame(self.HEADERS, 0, 1, begin) if piece == 0 else b""
                return first + frame(self.CONTINUATION, 0, 1, hpack({"x-fill": "y" * 1_000})) * 10
            case "data":
                first = frame(self.HEADERS, 4, 1, begin) if piece == 0 else b""
                return first + frame(self.DATA, 0, 1) * 100


def frame(kind, flags, stream, payload=b""):
    """A frame of HTTP/2."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def hpack(fields):
    """Fields as literals that nobody remembers."""
    return b"".join(b"\x00" + string(name.encode()) + string(value.encode()) for name, value in fields.items())


def string(data):
    """A string of HPACK, as it is: its length in 7 bits, or in more bytes of 7 bits each."""
    if len(data) < 127:
        return bytes((len(data),)) + data
    rest, digits = len(data) - 127, []
    while rest >= 128:
        digits.append(rest % 128 + 128)
        rest //= 128
    return bytes((127, *digits, rest)) + data


def listening(fields, uris=0):
    """A request for a stream of changes."""
    wanted = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}
    if uris:
        wanted["resourceSubscriptions"] = [f"bench://about/{number}" for number in range(uris)]
    return modern("subscriptions/listen", {"notifications": wanted}, fields)


ATTACKS = {
    "initialize": Initialize,
    "bodies": Bodies,
    "nesting": Nesting,
    "slow-readers": SlowReaders,
    "slow-writers": SlowWriters,
    "streams": Streams,
    "frozen-streams": FrozenStreams,
    "asking": Asking,
    "state-full": StateFull,
    "disk-full": DiskFull,
    "allocate": Allocate,
    "leak": Leak,
    "spin": Spin,
    "heavy-calls": HeavyCalls,
    "sleepers": Sleepers,
    "connections": Connections,
    "pipelined": Pipelined,
    "subscriptions": Subscriptions,
    "preferences": Preferences,
    "garbage": Garbage,
    "http2": HTTP2,
}
