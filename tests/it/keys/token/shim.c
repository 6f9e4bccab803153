/* A PKCS#11 module that is another one, and slow or away while a file of that name is in a folder. It writes down a byte for
   each login and each initialization. Without the headers of PKCS#11, which Debian has in none of the packages that are
   installed anyway: a list of functions is a version and pointers, in the order of the standard. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long ulong;
typedef ulong (*fn)(ulong, ulong, ulong, ulong, ulong, ulong);
struct list { unsigned char version[2]; fn all[68]; };
enum { INITIALIZE = 0, GET_FUNCTION_LIST = 3, GET_SLOT_LIST = 4, OPEN_SESSION = 12, CLOSE_ALL = 14, LOGIN = 18, SIGN_INIT = 42, SIGN = 43 };
enum { DEVICE_REMOVED = 0x32, TOKEN_NOT_PRESENT = 0xE0 };

static struct list *real, mine;

static char *path(const char *name) {
  static __thread char text[4096];
  snprintf(text, sizeof text, "%s/%s", getenv("SHIM"), name);
  return text;
}

static int is(const char *name) { return access(path(name), F_OK) == 0; }

static void note(const char *name) {
  int file = open(path(name), O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (file >= 0 && write(file, "x", 1) == 1) close(file);
}

/* As a token that was pulled out: its sessions and logins are gone. */
static int away(void) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static int gone;
  pthread_mutex_lock(&lock);
  int now = is("away");
  if (now && !gone) {
    ulong slots[16], count = 16;
    if (real->all[GET_SLOT_LIST](1, (ulong)slots, (ulong)&count, 0, 0, 0) == 0)
      for (ulong at = 0; at < count; at++) real->all[CLOSE_ALL](slots[at], 0, 0, 0, 0, 0);
  }
  gone = now;
  pthread_mutex_unlock(&lock);
  return now;
}

static ulong initialize(ulong a, ulong b, ulong c, ulong d, ulong e, ulong f) {
  note("initialized");
  return real->all[INITIALIZE](a, b, c, d, e, f);
}

static ulong open_session(ulong a, ulong b, ulong c, ulong d, ulong e, ulong f) {
  return away() ? TOKEN_NOT_PRESENT : real->all[OPEN_SESSION](a, b, c, d, e, f);
}

static ulong login(ulong a, ulong b, ulong c, ulong d, ulong e, ulong f) {
  note("logins");
  return real->all[LOGIN](a, b, c, d, e, f);
}

static ulong sign_init(ulong a, ulong b, ulong c, ulong d, ulong e, ulong f) {
  return away() ? DEVICE_REMOVED : real->all[SIGN_INIT](a, b, c, d, e, f);
}

static ulong sign(ulong a, ulong b, ulong c, ulong d, ulong e, ulong f) {
  /* The first call only asks for the length. */
  if (d && is("slow")) {
    note("waiting");
    while (is("slow")) usleep(2000);
  }
  return away() ? DEVICE_REMOVED : real->all[SIGN](a, b, c, d, e, f);
}

ulong C_GetFunctionList(struct list **list) {
  if (!real) {
    void *library = dlopen(getenv("REAL"), RTLD_NOW);
    ulong (*get)(struct list **) = library ? (ulong (*)(struct list **))dlsym(library, "C_GetFunctionList") : 0;
    if (!get || get(&real)) return 5;
    memcpy(&mine, real, sizeof mine);
    mine.all[INITIALIZE] = initialize;
    mine.all[GET_FUNCTION_LIST] = (fn)C_GetFunctionList;
    mine.all[OPEN_SESSION] = open_session;
    mine.all[LOGIN] = login;
    mine.all[SIGN_INIT] = sign_init;
    mine.all[SIGN] = sign;
  }
  *list = &mine;
  return 0;
}
