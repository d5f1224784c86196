"""The README's first message with pika, as it stands there: it prints the job, and the job is done."""

import contextlib
import io
import pathlib
import re
import sys

import pika

README = pathlib.Path(__file__).parents[3] / "README.md"
PARAMETERS = 'pika.ConnectionParameters("localhost")'


def main(port):
    block = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL).group(1)
    assert block.count(PARAMETERS) == 1, "the README connects in another way"
    code = block.replace(PARAMETERS, f'pika.ConnectionParameters("localhost", {port})')
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(README), "exec"), {})
    assert printed.getvalue() == "b'resize 42.png'\n", printed.getvalue()
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
    channel = connection.channel()
    left = channel.queue_declare("jobs", passive=True).method.message_count
    assert left == 0, f"{left} jobs are left"
    channel.queue_delete("jobs")
    connection.close()
    print("the README's first message: 1 passed, 0 failed")


if __name__ == "__main__":
    main(int(sys.argv[1]))
