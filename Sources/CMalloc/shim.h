// What is glibc's own, and not in Swift's module of it.
#include <malloc.h>
