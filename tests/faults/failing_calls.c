/* Makes the n-th system call on a store's files fail, or the process die in the middle of it.
 *
 * Preloaded in front of libc. Armed by `fail_calls` (through ctypes) or, from outside, by a control
 * file that FAIL_CALLS_CONTROL names: "PREFIX KINDS ERRNO MILLISECONDS"; while it is there, every such
 * call on files under PREFIX takes so much longer, and fails unless ERRNO is 0. The trap: only calls on those files count, or no count would repeat.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, OPEN = 4, TRUNCATE = 8, READ = 16, OPEN_TO_WRITE = 32 };

static char prefix[4096];
static int kinds, error;
static volatile long from, to, seen, failed;
static int dies, delay_ms;

/* Calls `first` to `first + count - 1` of these kinds fail with this error; 0: the process dies. */
void fail_calls(const char *where, int which, long first, long count, int with) {
    snprintf(prefix, sizeof prefix, "%s", where);
    error = with;
    dies = with == 0;
    from = first;
    to = first + count;
    seen = failed = 0;
    kinds = which;
}

long calls_seen(void) { return seen; }
long calls_failed(void) { return failed; }

static void look_at_control(void) {
    static const char *control;
    char text[4096];
    if (!control && !(control = getenv("FAIL_CALLS_CONTROL"))) control = "";
    if (!*control) return;
    int saved = errno, fd = syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : syscall(SYS_read, fd, text, sizeof text - 1);
    if (fd >= 0) syscall(SYS_close, fd);
    errno = saved;
    text[length > 0 ? length : 0] = 0;
    if (sscanf(text, "%4095s %d %d %d", prefix, &kinds, &error, &delay_ms) != 4) kinds = 0;
    from = 0;
    to = 1L << 60;
}

/* Whether this call is to fail; sets errno. */
static int fails(int kind, const char *path) {
    if (!(kinds & kind) || strncmp(path, prefix, strlen(prefix))) return 0;
    long number = __sync_fetch_and_add(&seen, 1);
    if (number < from || number >= to) return 0;
    if (delay_ms) usleep(1000 * delay_ms);
    if (delay_ms && !error) return 0;
    __sync_fetch_and_add(&failed, 1);
    if (!dies) errno = error;
    return 1;
}

static int fails_on(int kind, int fd) {
    char link[64], path[4096];
    look_at_control();
    if (!(kinds & kind)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlink, link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (!fails(kind, path)) return 0;
    if (dies && kind != WRITE) _exit(137);
    return 1;
}

/* A write fails half-way, as it does on a full disk or when the process is killed. */
static ssize_t half_written(int fd, const void *data, size_t n, off_t at) {
    int saved = errno;
    if (at < 0) syscall(SYS_write, fd, data, n / 2);
    else syscall(SYS_pwrite64, fd, data, n / 2, at);
    if (dies) _exit(137);
    errno = saved;
    return -1;
}

ssize_t write(int fd, const void *data, size_t n) {
    return fails_on(WRITE, fd) ? half_written(fd, data, n, -1) : syscall(SYS_write, fd, data, n);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at) {
    if (fails_on(WRITE, fd)) return half_written(fd, data, n, at);
    return syscall(SYS_pwrite64, fd, data, n, at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) { return pwrite(fd, data, n, at); }

#define SIMPLE(type, kind, name, number, parameters, ...)                                          \
    type name parameters { return fails_on(kind, fd) ? -1 : syscall(number, __VA_ARGS__); }
SIMPLE(int, SYNC, fsync, SYS_fsync, (int fd), fd)
SIMPLE(int, SYNC, fdatasync, SYS_fdatasync, (int fd), fd)
SIMPLE(int, TRUNCATE, ftruncate, SYS_ftruncate, (int fd, off_t n), fd, n)
SIMPLE(int, TRUNCATE, ftruncate64, SYS_ftruncate, (int fd, off64_t n), fd, n)
SIMPLE(ssize_t, READ, read, SYS_read, (int fd, void *data, size_t n), fd, data, n)
SIMPLE(ssize_t, READ, pread, SYS_pread64, (int fd, void *data, size_t n, off_t at), fd, data, n, at)
SIMPLE(ssize_t, READ, pread64, SYS_pread64, (int fd, void *data, size_t n, off64_t at), fd, data, n,
       at)

static int opened(int at, const char *path, int flags, mode_t mode) {
    look_at_control();
    int writes = (flags & O_ACCMODE) != O_RDONLY;
    if (fails(OPEN, path) || (writes && fails(OPEN_TO_WRITE, path))) {
        if (dies) _exit(137);
        return -1;
    }
    return syscall(SYS_openat, at, path, flags, mode);
}

#define OPENS(name, parameters, at)                                                                \
    int name parameters {                                                                          \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;                  \
        va_end(rest);                                                                              \
        return opened(at, path, flags, mode);                                                      \
    }
OPENS(open, (const char *path, int flags, ...), AT_FDCWD)
OPENS(open64, (const char *path, int flags, ...), AT_FDCWD)
OPENS(openat, (int at, const char *path, int flags, ...), at)
OPENS(openat64, (int at, const char *path, int flags, ...), at)
