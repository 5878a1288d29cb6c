"""The bytes against what the C compiler makes of the struct that the format comes from."""

import subprocess

from testbed.wire import list_blocks

PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct node { int id; int next_id; short rating; unsigned price; char title[255]; unsigned content_length; };
int main(int argc, char **argv) {
    int nodes = atoi(argv[argc - 2]), content = atoi(argv[argc - 1]);
    fwrite(&nodes, sizeof nodes, 1, stdout);
    for (int i = 0; i < nodes; i++) {
        struct node node;
        memset(&node, 0, sizeof node);
        node.id = i;
        node.next_id = i + 1 < nodes ? i + 1 : -1;
        node.rating = (short)(2 * i);
        node.price = 3u * (unsigned)i;
        snprintf(node.title, sizeof node.title, "Book by %d", i);
        node.content_length = (unsigned)content;
        fwrite(&node, sizeof node, 1, stdout);
        for (int k = 0; k < content; k++) putchar('a');
    }
}
"""


def test_the_compiler_makes_the_same_bytes(tmp_path):
    source = tmp_path / "struct.c"
    source.write_text(PROGRAM)
    program = tmp_path / "struct"
    subprocess.run(["gcc", "-Wall", "-Werror", "-o", program, source], check=True, timeout=60)
    for nodes, content_bytes in ((10, 1000), (0, 0), (17000, 1)):
        made = subprocess.run([program, str(nodes), str(content_bytes)], check=True, timeout=60, capture_output=True)
        assert made.stdout == b"".join(list_blocks(nodes, content_bytes))
    assert sum(map(len, list_blocks(10, 1000))) == 12764
