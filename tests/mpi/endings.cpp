// A program that ends in the way that its argument names; endings_test.cpp starts it under mpirun.
#include <cstdio>
#include <stdexcept>
#include <string>

#include <mpi.h>

#include "lockstep/base/error.h"
#include "lockstep/comm/world.h"

namespace {

using lockstep::World;

int end(World& world, const std::string& way) {
  const bool is_last = world.rank() == world.size() - 1;
  if (way == "code") return 75;
  if (way == "size")
    std::printf("size %d over %s\n", world.size(), world.communicator().transport().data());
  if (way == "usage") throw lockstep::UsageError({"a flag", "another flag"});
  if (way == "data" && is_last) throw lockstep::IoError({"a file", "another file"});
  if (way == "throw" && is_last) throw std::runtime_error("cannot go on");
  if (way == "missing" && is_last)
    MPI_Recv(nullptr, 0, MPI_BYTE, 0, 99, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  if (way == "early" && is_last) return 0;
  if (way == "caught") {
    try {
      if (!is_last) world.communicator().barrier();
    } catch (const lockstep::CommError&) {
      return 0;  // the World still ends the process with 4
    }
  }
  world.communicator().barrier();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string way = argc > 1 ? argv[1] : "";
  if (way == "unwound") {
    try {
      World world;
      if (world.rank() == 1) throw std::runtime_error("past the World");
      world.communicator().barrier();
    } catch (const std::runtime_error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 1;
    }
    return 0;
  }
  if (way == "guest") MPI_Init(&argc, &argv);
  const int code = lockstep::run(argc, argv, [&](World& world) { return end(world, way); });
  if (way == "guest") {
    int size = 0;
    MPI_Comm_size(MPI_COMM_WORLD, &size);  // still ours to use and to finalise
    std::printf("guest of %d\n", size);
    MPI_Finalize();
  }
  return code;
}
