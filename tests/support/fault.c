/* Faults of files, cards and threads, for a program into which this is preloaded. Except for
 * FAULT_SLOW, nothing happens before the file FAULT_FROM exists.
 *
 * FAULT_SLOW=SUFFIX    files whose path ends with this are read at FAULT_MB_S megabytes a second,
 *                      as from a card with nothing in the kernel's cache; the bytes read so
 *                      far, and how many ms that took, are written to the file FAULT_COUNT
 * FAULT_STALL=SUFFIX   reading such a file takes until FAULT_STALL_S s after FAULT_FROM appeared
 * FAULT_READ=SUFFIX    reading (FAULT_OPEN=SUFFIX: opening) a file whose path ends with this hangs
 * FAULT_SYNC=PART      syncing a file to the disk whose path contains this hangs
 * FAULT_CALLS=A,B      these calls of ALSA's library hang
 * FAULT_THREAD=NAME    on this thread clock_gettime() fails, so Rust's own Instant::now() panics
 *
 * A hang lasts forever and ignores signals, like an uninterruptible wait in the kernel. The file
 * FAULT_SEEN is made just before. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int has_begun(void)
{
    const char *from = getenv("FAULT_FROM");
    return from && syscall(SYS_faccessat, AT_FDCWD, from, F_OK) == 0;
}

/* Returns whether the path ends with the value of a variable. */
static int ends_with(const char *path, const char *variable)
{
    const char *suffix = getenv(variable);
    if (!suffix || !path || strlen(path) < strlen(suffix))
        return 0;
    return strcmp(path + strlen(path) - strlen(suffix), suffix) == 0;
}

/* Finds the path of an open file; empty if it has none. */
static const char *path_of(int fd, char *path, size_t size)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, size - 1);
    path[length > 0 ? length : 0] = 0;
    return path;
}

static int is_read_fault(int fd)
{
    char path[4096];
    return getenv("FAULT_READ") && ends_with(path_of(fd, path, sizeof path), "FAULT_READ") && has_begun();
}

static void hang(void)
{
    const char *seen = getenv("FAULT_SEEN");
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    if (seen)
        syscall(SYS_openat, AT_FDCWD, seen, O_CREAT | O_WRONLY, 0600);
    for (;;)
        syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
}

static void pause_s(double seconds)
{
    struct timespec left = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
    if (seconds > 0)
        while (nanosleep(&left, &left) != 0 && errno == EINTR) { }
}

/* Delays and counts what was read of a slow file. */
static void take_time(int fd, ssize_t size)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static long long total, took_ns;
    const char *rate = getenv("FAULT_MB_S"), *count = getenv("FAULT_COUNT");
    char path[4096];
    if (size <= 0 || !rate || !getenv("FAULT_SLOW") || !ends_with(path_of(fd, path, sizeof path), "FAULT_SLOW"))
        return;
    pthread_mutex_lock(&lock);
    total += size;
    struct timespec begun, done;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    pause_s((double)size / (atof(rate) * 1e6));
    clock_gettime(CLOCK_MONOTONIC, &done);
    took_ns += (done.tv_sec - begun.tv_sec) * 1000000000LL + done.tv_nsec - begun.tv_nsec;
    if (count) {
        char text[64];
        int length = snprintf(text, sizeof text, "%lld %lld", total, took_ns / 1000000);
        int file = (int)syscall(SYS_openat, AT_FDCWD, count, O_CREAT | O_WRONLY, 0600);
        syscall(SYS_write, file, text, length);
        syscall(SYS_close, file);
    }
    pthread_mutex_unlock(&lock);
}

static void stall(int fd)
{
    const char *from = getenv("FAULT_FROM"), *seconds = getenv("FAULT_STALL_S");
    char path[4096];
    struct stat begun;
    struct timespec now;
    if (!getenv("FAULT_STALL") || !from || !seconds || !ends_with(path_of(fd, path, sizeof path), "FAULT_STALL"))
        return;
    if (syscall(SYS_newfstatat, AT_FDCWD, from, &begun, 0) != 0)
        return;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    double since = (double)(now.tv_sec - begun.st_mtim.tv_sec) + (double)(now.tv_nsec - begun.st_mtim.tv_nsec) * 1e-9;
    pause_s(atof(seconds) - since);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t read(int fd, void *buffer, size_t size)
{
    REAL(read);
    if (is_read_fault(fd))
        hang();
    stall(fd);
    ssize_t got = real(fd, buffer, size);
    take_time(fd, got);
    return got;
}

ssize_t pread64(int fd, void *buffer, size_t size, off64_t offset)
{
    REAL(pread64);
    if (is_read_fault(fd))
        hang();
    stall(fd);
    ssize_t got = real(fd, buffer, size, offset);
    take_time(fd, got);
    return got;
}

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

static void opening(const char *path)
{
    if (ends_with(path, "FAULT_OPEN") && has_begun())
        hang();
}

int open(const char *path, int flags, ...)
{
    REAL(open);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    opening(path);
    return real(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    REAL(open64);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    opening(path);
    return real(path, flags, mode);
}

int fsync(int fd)
{
    REAL(fsync);
    const char *part = getenv("FAULT_SYNC");
    char path[4096];
    if (part && strstr(path_of(fd, path, sizeof path), part) && has_begun())
        hang();
    return real(fd);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    REAL(clock_gettime);
    const char *wanted = getenv("FAULT_THREAD");
    char name[16] = "";
    if (wanted && pthread_getname_np(pthread_self(), name, sizeof name) == 0 && strcmp(name, wanted) == 0
        && has_begun()) {
        errno = EINVAL;
        return -1;
    }
    return real(clock, time);
}

static void call(const char *name)
{
    const char *calls = getenv("FAULT_CALLS");
    const char *found = calls ? strstr(calls, name) : NULL;
    if (found && strchr(",", found[strlen(name)]) && has_begun())
        hang();
}

int snd_pcm_open(void **pcm, const char *name, int stream, int mode);
int snd_pcm_close(void *pcm);
long snd_pcm_writei(void *pcm, const void *frames, unsigned long count);
int snd_mixer_open(void **mixer, int mode);

int snd_pcm_open(void **pcm, const char *name, int stream, int mode)
{
    REAL(snd_pcm_open);
    call("snd_pcm_open");
    return real(pcm, name, stream, mode);
}

int snd_pcm_close(void *pcm)
{
    REAL(snd_pcm_close);
    call("snd_pcm_close");
    return real(pcm);
}

long snd_pcm_writei(void *pcm, const void *frames, unsigned long count)
{
    REAL(snd_pcm_writei);
    call("snd_pcm_writei");
    return real(pcm, frames, count);
}

int snd_mixer_open(void **mixer, int mode)
{
    REAL(snd_mixer_open);
    call("snd_mixer_open");
    return real(mixer, mode);
}
