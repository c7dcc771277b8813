/* A disk that fails on command: loaded before libc into the program under test, it stands between SQLite and the kernel.
 * The test holds the other end of a mapped file and says there what is to happen (see faults.rs, which has the same layout). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

struct orders {
    int64_t writes;      /* counted here: writes to the database's files so far */
    int64_t kill_at;     /* the process is killed at this write, or never when 0 */
    int64_t torn;        /* whether half of that write still happens */
    int64_t write_errno; /* what every write fails with, or 0 */
    int64_t sync_errno;  /* what every fsync fails with, or 0 */
    int64_t refused;     /* counted here: calls that we failed */
};

static struct orders *orders;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) orders = at;
    close(fd);
}

/* Only the database and its log; standard output is nobody's disk. */
static int is_database(int fd) {
    char link[32], path[4096];
    if (!orders || fd < 3) return 0;
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length <= 0) return 0;
    path[length] = 0;
    return strstr(path, "unforget.db") && !strstr(path, "-shm");
}

static int fails(int64_t with) {
    if (!with) return 0;
    __atomic_add_fetch(&orders->refused, 1, __ATOMIC_SEQ_CST);
    errno = (int)with;
    return 1;
}

/* Counts a write. Positive: go on with so many bytes and die then; 0: go on; negative: failed. */
static ssize_t before_write(int fd, size_t size) {
    if (!is_database(fd)) return 0;
    int64_t number = __atomic_add_fetch(&orders->writes, 1, __ATOMIC_SEQ_CST);
    if (orders->kill_at && number >= orders->kill_at) {
        if (orders->torn && size > 1) return (ssize_t)(size / 2);
        kill(getpid(), SIGKILL);
    }
    return fails(orders->write_errno) ? -1 : 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define GUARDED(fd, size, whole, half)                                                                                                    \
    ssize_t first = before_write(fd, size);                                                                                               \
    if (first < 0) return -1;                                                                                                             \
    if (first > 0) {                                                                                                                      \
        ssize_t ignored = half;                                                                                                           \
        (void)ignored;                                                                                                                    \
        kill(getpid(), SIGKILL);                                                                                                          \
    }                                                                                                                                     \
    return whole

ssize_t write(int fd, const void *from, size_t size) {
    GUARDED(fd, size, REAL(write)(fd, from, size), REAL(write)(fd, from, (size_t)first));
}

ssize_t pwrite(int fd, const void *from, size_t size, off_t at) {
    GUARDED(fd, size, REAL(pwrite)(fd, from, size, at), REAL(pwrite)(fd, from, (size_t)first, at));
}

ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) {
    GUARDED(fd, size, REAL(pwrite64)(fd, from, size, at), REAL(pwrite64)(fd, from, (size_t)first, at));
}

int fsync(int fd) {
    return is_database(fd) && fails(orders->sync_errno) ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd) {
    return is_database(fd) && fails(orders->sync_errno) ? -1 : REAL(fdatasync)(fd);
}
