/* The viewers of the live benchmark: COUNT connections in one cheap process.
 *
 * load PORT COUNT REQUEST FIRST MARK
 *   REQUEST  what every connection sends, with its line ends
 *   FIRST    what it sends behind the answer's head, in hexadecimal, or -
 *   MARK     how a delivery tells the CLOCK_MONOTONIC time at which it was published:
 *            digits   "T=" and 19 digits, in ns
 *            msgpack  the value of the reading lab/mark, float64 seconds
 *            json     the same in JSON; more than 60 bytes follow
 *
 * Says "ready" once all are connected. Then reads commands, one a line: "reset", "report". Every
 * mark is a delivery, whatever the frame around it. A report: count bytes p50 p99 max last, times
 * in ns.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 16, SAMPLES = 1 << 22 };

/* The ways to tell a time: each begins with a key and is so many bytes long. */
static uint64_t of_digits(const char *mark), of_msgpack(const char *mark), of_json(const char *mark);
static const struct way {
    const char *name, *key;
    ptrdiff_t length;
    uint64_t (*time_ns)(const char *mark);
} WAYS[] = {
    {"digits", "T=", 21, of_digits},
    {"msgpack", "lab/mark\xcf", 26, of_msgpack}, /* uint64 time, float64 value */
    {"json", "\"lab/mark\",", 70, of_json},
};
static const struct way *way;

struct viewer {
    int fd;
    int is_ready;  /* the head of the answer has come */
    int kept;      /* bytes of a mark, or of the head, that is not yet complete */
    char rest[1024];
};

static uint32_t latencies[SAMPLES]; /* in units of 16 ns */
static size_t count;
static uint64_t bytes, last_ns;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void send_all(int fd, const char *data, size_t length)
{
    if (send(fd, data, length, 0) != (ssize_t)length)
        die("send");
}

static uint64_t of_digits(const char *mark)
{
    char digits[20] = {0};
    memcpy(digits, mark + 2, 19);
    return strtoull(digits, NULL, 10);
}

static uint64_t of_msgpack(const char *mark)
{
    uint64_t bits;
    double seconds;
    memcpy(&bits, mark + 18, sizeof bits);
    bits = be64toh(bits);
    memcpy(&seconds, &bits, sizeof seconds);
    return (uint64_t)(seconds * 1e9);
}

static uint64_t of_json(const char *mark)
{
    char text[71] = {0};
    memcpy(text, mark, 70);
    return (uint64_t)(strtod(strchr(text + strlen(way->key), ',') + 1, NULL) * 1e9);
}

/* Counts the marks; returns how many bytes at the end may be the beginning of one. */
static size_t count_marks(const char *data, size_t length, uint64_t at_ns)
{
    const char *end = data + length, *place = data;
    size_t key = strlen(way->key);
    while ((place = memmem(place, (size_t)(end - place), way->key, key)) != NULL) {
        if (end - place < way->length)
            return (size_t)(end - place);
        if (count < SAMPLES)
            latencies[count] = (uint32_t)((at_ns - way->time_ns(place)) >> 4);
        count++;
        last_ns = at_ns;
        place += way->length;
    }
    for (size_t kept = key < length ? key - 1 : length; kept > 0; kept--)
        if (memcmp(end - kept, way->key, kept) == 0)
            return kept;
    return 0;
}

/* Takes what has come; returns 1 when this made the viewer ready. */
static int take(struct viewer *viewer, const char *first, size_t first_length)
{
    static char buffer[BUFFER + sizeof viewer->rest];
    memcpy(buffer, viewer->rest, (size_t)viewer->kept);
    ssize_t got = recv(viewer->fd, buffer + viewer->kept, BUFFER, 0);
    if (got <= 0) {
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        die("a connection ended");
    }
    uint64_t at_ns = now_ns();
    char *data = buffer;
    size_t length = (size_t)(viewer->kept + got), kept;
    int became_ready = 0;
    if (!viewer->is_ready) {
        char *head = memmem(buffer, length, "\r\n\r\n", 4);
        if (head == NULL) {
            kept = length;
            goto keep;
        }
        length -= (size_t)(head + 4 - data);
        data = head + 4;
        viewer->is_ready = became_ready = 1;
        if (first_length)
            send_all(viewer->fd, first, first_length);
    }
    bytes += (uint64_t)got;
    kept = count_marks(data, length, at_ns);
keep:
    if (kept > sizeof viewer->rest)
        die("the head is too long");
    memmove(viewer->rest, data + length - kept, kept);
    viewer->kept = (int)kept;
    return became_ready;
}

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void report(void)
{
    size_t known = count < SAMPLES ? count : SAMPLES;
    uint64_t p50 = 0, p99 = 0, most = 0;
    if (known) {
        qsort(latencies, known, sizeof *latencies, by_size);
        p50 = (uint64_t)latencies[known / 2] << 4;
        p99 = (uint64_t)latencies[known * 99 / 100] << 4;
        most = (uint64_t)latencies[known - 1] << 4;
    }
    printf("%zu %llu %llu %llu %llu %llu\n", count, (unsigned long long)bytes,
           (unsigned long long)p50, (unsigned long long)p99, (unsigned long long)most,
           (unsigned long long)last_ns);
    fflush(stdout);
}

static void obey(void)
{
    char line[64];
    ssize_t got = read(0, line, sizeof line - 1);
    if (got <= 0)
        exit(0);
    line[got] = 0;
    if (strncmp(line, "reset", 5) == 0)
        count = bytes = last_ns = 0;
    report();
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    for (size_t i = 0; i < sizeof WAYS / sizeof *WAYS; i++)
        if (strcmp(WAYS[i].name, argv[5]) == 0)
            way = &WAYS[i];
    if (way == NULL)
        return 2;
    int port = atoi(argv[1]), viewers = atoi(argv[2]), ready = 0;
    static char first[4096];
    size_t first_length = 0;
    if (strcmp(argv[4], "-") != 0)
        for (const char *hex = argv[4]; hex[0] && hex[1]; hex += 2, first_length++) {
            unsigned byte;
            sscanf(hex, "%2x", &byte);
            first[first_length] = (char)byte;
        }
    struct rlimit limit = {(rlim_t)viewers + 64, (rlim_t)viewers + 64};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    struct viewer *all = calloc((size_t)viewers, sizeof *all);
    int epoll = epoll_create1(0);
    for (int i = 0; i < viewers; i++) {
        all[i].fd = connect_to(port);
        send_all(all[i].fd, argv[3], strlen(argv[3]));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event);
    }
    struct epoll_event commands = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &commands);
    for (;;) {
        struct epoll_event events[256];
        int some = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < some; i++) {
            if (events[i].data.ptr == NULL)
                obey();
            else if (take(events[i].data.ptr, first, first_length) && ++ready == viewers) {
                puts("ready");
                fflush(stdout);
            }
        }
    }
}
