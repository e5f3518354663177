// A program whose ranks meet often; merged_trace_test.cpp starts it under mpirun.
#include "lockstep/comm/world.h"

int main(int argc, char** argv) {
  return lockstep::run(argc, argv, [](lockstep::World& world) {
    for (int i = 0; i < 30; ++i) world.communicator().barrier();
  });
}
