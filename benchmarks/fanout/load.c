/* The viewers of the live benchmark: COUNT connections in one cheap process.
 *
 * load PORT COUNT REQUEST FIRST
 *   REQUEST  what every connection sends, with its line ends
 *   FIRST    what it sends behind the answer's head, in hexadecimal, or -
 *
 * Says "ready" once all are connected. Then reads commands, one a line: "reset", "report". A
 * delivery is a mark "T=" with 19 digits, the CLOCK_MONOTONIC time in ns at which it was published,
 * whatever the frame around it. A report: count bytes p50 p99 max last, times in ns.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MARK = 21, BUFFER = 1 << 16, SAMPLES = 1 << 22 };

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

/* Counts the marks; returns how many bytes at the end may be the beginning of one. */
static size_t count_marks(const char *data, size_t length, uint64_t at_ns)
{
    const char *end = data + length, *place = data;
    while ((place = memmem(place, (size_t)(end - place), "T=", 2)) != NULL) {
        if (end - place < MARK)
            return (size_t)(end - place);
        char digits[MARK - 1] = {0};
        memcpy(digits, place + 2, MARK - 2);
        if (count < SAMPLES)
            latencies[count] = (uint32_t)((at_ns - strtoull(digits, NULL, 10)) >> 4);
        count++;
        last_ns = at_ns;
        place += MARK;
    }
    return length > 0 && end[-1] == 'T';
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
    if (argc != 5)
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
