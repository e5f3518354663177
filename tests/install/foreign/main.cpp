#include <lockstep/version.h>

#include <cstdio>

int main() { return std::printf("lockstep %s\n", lockstep::version()) > 0 ? 0 : 1; }
