/* A file system in a bad hour: one call on files of a folder fails, with any errno.

   cc -shared -fPIC -O1 -o failing_calls.so failing_calls.c -ldl
   LD_PRELOAD=./failing_calls.so FAIL=fsync FAIL_AT=3 FAIL_WITH=5 FAIL_IN=/folder program

   FAIL_AT counts calls from 1; 0 lets all fail. Without FAIL nothing fails; FAIL=any counts all
   calls. FAIL_WITH=-9 ends the program with signal 9 instead. FAIL_LOG names a file to which each
   call that counts is written. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int counts;

static int fails(const char *name, const char *path)
{
    const char *wanted = getenv("FAIL"), *folder = getenv("FAIL_IN"), *log = getenv("FAIL_LOG");
    char whole[8192];
    if (!folder || !path) return 0;
    if (path[0] != '/') {
        char here[4096];
        if (!getcwd(here, sizeof here)) return 0;
        snprintf(whole, sizeof whole, "%s/%s", here, path);
        path = whole;
    }
    if (!strstr(path, folder)) return 0;
    if (log) {
        FILE *(*open_log)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen");
        FILE *out = open_log(log, "a");
        if (out) { fprintf(out, "%s %s\n", name, path); fclose(out); }
    }
    if (!wanted || (strcmp(wanted, name) && strcmp(wanted, "any"))) return 0;
    counts++;
    int at = atoi(getenv("FAIL_AT"));
    if (at && counts != at) return 0;
    int error = atoi(getenv("FAIL_WITH"));
    if (error < 0) kill(getpid(), -error);
    errno = error;
    return 1;
}

static int fails_fd(const char *name, int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return fails(name, path);
}

#define ORIGINAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        va_list more; va_start(more, flags); int mode = va_arg(more, int); va_end(more); \
        return fails("open", path) ? -1 \
            : ORIGINAL(int, name, const char *, int, ...)(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define ON_PATH(name, as) \
    int name(const char *path) \
    { return fails(as, path) ? -1 : ORIGINAL(int, name, const char *)(path); }
ON_PATH(unlink, "unlink")
ON_PATH(rmdir, "rmdir")

int mkdir(const char *path, mode_t mode)
{ return fails("mkdir", path) ? -1 : ORIGINAL(int, mkdir, const char *, mode_t)(path, mode); }

int rename(const char *from, const char *to)
{ return fails("rename", to) ? -1 : ORIGINAL(int, rename, const char *, const char *)(from, to); }

DIR *opendir(const char *path)
{ return fails("opendir", path) ? NULL : ORIGINAL(DIR *, opendir, const char *)(path); }

#define STAT(name, buffer) \
    int name(const char *path, struct buffer *found) \
    { return fails("stat", path) ? -1 \
        : ORIGINAL(int, name, const char *, struct buffer *)(path, found); }
STAT(stat, stat)
STAT(stat64, stat64)
STAT(lstat, stat)
STAT(lstat64, stat64)

#define ON_FD(name, as) \
    int name(int fd) { return fails_fd(as, fd) ? -1 : ORIGINAL(int, name, int)(fd); }
ON_FD(fsync, "fsync")

int flock(int fd, int operation)
{ return fails_fd("flock", fd) ? -1 : ORIGINAL(int, flock, int, int)(fd, operation); }

#define FSTAT(name, buffer) \
    int name(int fd, struct buffer *found) \
    { return fails_fd("fstat", fd) ? -1 : ORIGINAL(int, name, int, struct buffer *)(fd, found); }
FSTAT(fstat, stat)
FSTAT(fstat64, stat64)

ssize_t read(int fd, void *to, size_t n)
{ return fails_fd("read", fd) ? -1 : ORIGINAL(ssize_t, read, int, void *, size_t)(fd, to, n); }

ssize_t write(int fd, const void *from, size_t n)
{ return fails_fd("write", fd) ? -1 : ORIGINAL(ssize_t, write, int, const void *, size_t)(fd, from, n); }

#define AT(name, pointer, as) \
    ssize_t name(int fd, pointer data, size_t n, off64_t at) \
    { return fails_fd(as, fd) ? -1 \
        : ORIGINAL(ssize_t, name, int, pointer, size_t, off64_t)(fd, data, n, at); }
AT(pread, void *, "pread")
AT(pread64, void *, "pread")
AT(pwrite, const void *, "pwrite")
AT(pwrite64, const void *, "pwrite")

#define TRUNCATE(name) \
    int name(int fd, off64_t n) \
    { return fails_fd("ftruncate", fd) ? -1 : ORIGINAL(int, name, int, off64_t)(fd, n); }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define ALLOCATE(name) \
    int name(int fd, off64_t at, off64_t n) \
    { return fails_fd("fallocate", fd) ? errno : ORIGINAL(int, name, int, off64_t, off64_t)(fd, at, n); }
ALLOCATE(posix_fallocate)
ALLOCATE(posix_fallocate64)
