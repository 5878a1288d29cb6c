/* The list that the clients send, as a C compiler lays the struct out: the sizes and the padding are its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    int id;
    int next_id;
    short rating;
    unsigned price;
    char title[255];
    unsigned content_length;
};

int main(int argc, char *argv[])
{
    if (argc != 4)
        return 1;
    const int count = atoi(argv[1]);
    const unsigned content_length = (unsigned)atoi(argv[2]);

    for (int list = 0; list < atoi(argv[3]); list++) {
        fwrite(&count, sizeof(count), 1, stdout);
        for (int i = 0; i < count; i++) {
            struct node node;
            memset(&node, 0, sizeof(node));
            node.id = i;
            node.next_id = i + 1 < count ? i + 1 : -1;
            node.rating = (short)(2 * i);
            node.price = 3u * (unsigned)i;
            snprintf(node.title, sizeof(node.title), "Book by %d", i);
            node.content_length = content_length;
            fwrite(&node, sizeof(node), 1, stdout);
            for (unsigned at = 0; at < content_length; at++)
                putchar('a');
        }
    }
    return 0;
}
