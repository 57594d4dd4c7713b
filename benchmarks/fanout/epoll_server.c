/* The least that a server of live readings can do: one epoll loop, one send for each client.
 *
 * epoll_server ws|sse BYTES
 *
 * Says its port. Then reads commands, one a line: "publish COUNT EVERY_NS" sends COUNT messages of
 * about BYTES to everybody, one each EVERY_NS (0: as fast as it goes), and says "done". It checks
 * nothing of what clients send and keeps nothing for a client that does not read: it is a bound.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 65536 };

static const char WS_HEAD[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";
static const char SSE_HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

static int clients[MOST], used;
static int is_ws, size;
static long long missed;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void publish(void)
{
    static char frame[8192];
    int head = is_ws ? 4 : 6;
    memset(frame, '.', sizeof frame);
    snprintf(frame + head, sizeof frame - 16, "T=%019llu", (unsigned long long)now_ns());
    frame[head + 21] = '.';
    if (is_ws) {
        frame[0] = (char)0x81;
        frame[1] = 126;
        frame[2] = (char)(size >> 8);
        frame[3] = (char)size;
    } else {
        memcpy(frame, "data: ", 6);
        memcpy(frame + head + size, "\n\n", 2);
    }
    size_t length = (size_t)(head + size + (is_ws ? 0 : 2));
    for (int i = 0; i < used; i++)
        if (send(clients[i], frame, length, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)length)
            missed++;
}

static void receive(int fd)
{
    char buffer[4096];
    if (recv(fd, buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
        if (memcmp(buffer, "GET ", 4) == 0) { /* one segment on the loopback */
            const char *head = is_ws ? WS_HEAD : SSE_HEAD;
            if (send(fd, head, strlen(head), MSG_NOSIGNAL) > 0)
                clients[used++] = fd;
        }
        return;
    }
    for (int i = 0; i < used; i++)
        if (clients[i] == fd)
            clients[i] = clients[--used];
    close(fd);
}

static void accept_all(int epoll, int listener)
{
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static void say(const char *word)
{
    puts(word);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    is_ws = strcmp(argv[1], "ws") == 0;
    size = atoi(argv[2]);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int epoll = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 4096) < 0)
        return 1;
    getsockname(listener, (struct sockaddr *)&address, &length);
    for (int each[] = {listener, timer, 0}, i = 0; i < 3; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = each[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, each[i], &event);
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    long long left = 0, every_ns = 0;
    for (;;) {
        struct epoll_event events[256];
        int some = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < some; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                accept_all(epoll, listener);
            } else if (fd == timer) {
                uint64_t times;
                if (read(timer, &times, sizeof times) > 0 && left > 0) {
                    publish();
                    if (--left == 0) {
                        struct itimerspec never = {0};
                        timerfd_settime(timer, 0, &never, NULL);
                        say("done");
                    }
                }
            } else if (fd == 0) {
                char line[128] = {0};
                if (read(0, line, sizeof line - 1) <= 0)
                    return 0;
                if (sscanf(line, "publish %lld %lld", &left, &every_ns) != 2)
                    return 1;
                if (every_ns == 0) {
                    for (; left > 0; left--)
                        publish();
                    say("done");
                } else {
                    struct timespec step = {every_ns / 1000000000, every_ns % 1000000000};
                    struct itimerspec beat = {step, step};
                    timerfd_settime(timer, 0, &beat, NULL);
                }
            } else {
                receive(fd);
            }
        }
    }
}
