// The smallest stdio MCP server that can be hosted: it costs next to nothing, so what is measured is its host.
//
//   echo_stdio        answers initialize, ping, tools/list and tools/call, a line each; ends with its input
//
// Tools: `echo` answers its argument `message`. `fill` writes `files` files of `bytes` bytes each into the working
// folder, of noise that does not compress; `count` tells how many there are. It reads only what Torpor and
// harness/hosting.py write: compact JSON with `id` and `method` before everything else, a number as the id, and no
// escapes in what is echoed.

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1 << 20, FILE_MAX_BYTES = 1 << 20 };

static char line[LINE_MAX_BYTES];
static char answer[LINE_MAX_BYTES + 256];

// What follows a member's name and colon; NULL when there is none. Members of `arguments` may have a blank there.
static const char *member(const char *name) {
    const char *at = strstr(line, name);
    if (at == NULL) return NULL;
    at += strlen(name);
    while (*at == ' ') at++;
    return at;
}

static void say(size_t length) {
    answer[length++] = '\n';
    for (size_t sent = 0; sent < length;) {
        ssize_t count = write(STDOUT_FILENO, answer + sent, length - sent);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) exit(0);
        sent += (size_t)count;
    }
}

static void result(long id, const char *text) {
    say((size_t)snprintf(answer, sizeof answer, "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":%s}", id, text));
}

static void failure(long id, int code, const char *text) {
    say((size_t)snprintf(answer, sizeof answer,
                         "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"error\":{\"code\":%d,\"message\":\"%s\"}}",
                         id, code, text));
}

static void echo(long id) {
    const char *text = member("\"message\":");
    const char *end = text == NULL || *text != '"' ? NULL : strchr(++text, '"');
    if (end == NULL) {
        failure(id, -32602, "echo needs a message");
        return;
    }
    say((size_t)snprintf(answer, sizeof answer,
                         "{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":"
                         "{\"content\":[{\"type\":\"text\",\"text\":\"%.*s\"}]}}",
                         id, (int)(end - text), text));
}

static void fill(long id) {
    static uint64_t noise[FILE_MAX_BYTES / sizeof(uint64_t)];
    const char *files = member("\"files\":"), *bytes = member("\"bytes\":");
    long count = files == NULL ? 0 : atol(files), size = bytes == NULL ? 0 : atol(bytes);
    if (count < 1 || count > 10000 || size < 1 || size > FILE_MAX_BYTES) {
        failure(id, -32602, "fill needs files and bytes");
        return;
    }
    uint64_t random = 0x9e3779b97f4a7c15;
    for (long number = 0; number < count; number++) {
        for (long word = 0; word * (long)sizeof(uint64_t) < size; word++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            noise[word] = random;
        }
        char name[32];
        snprintf(name, sizeof name, "file-%05ld", number);
        FILE *file = fopen(name, "wb");
        if (file == NULL || fwrite(noise, 1, (size_t)size, file) != (size_t)size || fclose(file) != 0) {
            failure(id, -32603, "a file cannot be written");
            return;
        }
    }
    result(id, "{\"content\":[{\"type\":\"text\",\"text\":\"filled\"}]}");
}

static void count_files(long id) {
    DIR *folder = opendir(".");
    if (folder == NULL) {
        failure(id, -32603, "the folder cannot be read");
        return;
    }
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) count += strncmp(entry->d_name, "file-", 5) == 0;
    closedir(folder);
    char text[80];
    snprintf(text, sizeof text, "{\"content\":[{\"type\":\"text\",\"text\":\"%d\"}]}", count);
    result(id, text);
}

static void serve(void) {
    const char *method = member("\"method\":\""), *number = member("\"id\":");
    if (method == NULL || number == NULL) return;  // a notification, or an answer to nothing
    long id = atol(number);
    if (strncmp(method, "tools/call\"", 11) == 0) {
        if (strstr(line, "\"name\":\"echo\"") != NULL) {
            echo(id);
        } else if (strstr(line, "\"name\":\"fill\"") != NULL) {
            fill(id);
        } else if (strstr(line, "\"name\":\"count\"") != NULL) {
            count_files(id);
        } else {
            failure(id, -32602, "no such tool");
        }
    } else if (strncmp(method, "initialize\"", 11) == 0) {
        result(id, "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},"
                   "\"serverInfo\":{\"name\":\"echo\",\"version\":\"1\"}}");
    } else if (strncmp(method, "tools/list\"", 11) == 0) {
        result(id, "{\"tools\":[{\"name\":\"echo\",\"inputSchema\":{\"type\":\"object\",\"properties\":"
                   "{\"message\":{\"type\":\"string\"}},\"required\":[\"message\"]}},"
                   "{\"name\":\"count\",\"inputSchema\":{\"type\":\"object\"}},"
                   "{\"name\":\"fill\",\"inputSchema\":{\"type\":\"object\",\"properties\":"
                   "{\"files\":{\"type\":\"integer\"},\"bytes\":{\"type\":\"integer\"}},"
                   "\"required\":[\"files\",\"bytes\"]}}]}");
    } else if (strncmp(method, "ping\"", 5) == 0) {
        result(id, "{}");
    } else {
        failure(id, -32601, "no such method");
    }
}

int main(void) {
    size_t held = 0;
    for (;;) {
        ssize_t count = read(STDIN_FILENO, line + held, sizeof line - 1 - held);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return 0;
        held += (size_t)count;
        // Every whole line; what is left of the next one moves to the front.
        char *end;
        while ((end = memchr(line, '\n', held)) != NULL) {
            size_t length = (size_t)(end - line) + 1;
            *end = '\0';
            serve();
            memmove(line, line + length, held - length);
            held -= length;
        }
        if (held == sizeof line - 1) return 1;  // a line that is too long
    }
}
