// A program that ends in the way that its argument names; endings_test.cpp starts it under mpirun.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

#include <mpi.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lockstep/base/error.h"
#include "lockstep/comm/world.h"
#include "lockstep/core/stream.h"
#include "lockstep/obs/activity.h"

namespace {

using lockstep::World;

// For endings_test.cpp, which measures how long the job outlives it.
void mark_event() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::printf(
      "event at %lld ms\n",
      static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count()));
  std::fflush(stdout);
}

// From now on whoever writes this rank's flight file waits for ever, as for a disk that is gone.
void block_flight_file(int rank) {
  const std::string folder = std::getenv("LOCKSTEP_FLIGHT_DIR");
  mkfifo((folder + "/rank0000" + std::to_string(rank) + ".flight.jsonl.tmp").c_str(), 0600);
}

// What the last rank does to itself after "<event>-"; the others are in what follows it.
void meet(const std::string& event) {
  // A rank that stops is known as of its last heartbeat, which may be 1.5 s old.
  if (event == "stop") std::this_thread::sleep_for(std::chrono::milliseconds(2500));
  mark_event();
  if (event == "kill") std::raise(SIGKILL);
  if (event == "stop") std::raise(SIGSTOP);
  if (event == "cut") std::this_thread::sleep_for(std::chrono::seconds(3));
  if (event == "folder") std::this_thread::sleep_for(std::chrono::seconds(60));
  if (event == "exit") std::exit(0);
  if (event == "quit") _exit(0);
  if (event == "load") {
    const lockstep::obs::Activity activity("loader.next");
    std::this_thread::sleep_for(std::chrono::seconds(60));
  }
  if (event == "throw") throw std::runtime_error("cannot go on");
}

int disturb(World& world, const std::string& event, const std::string& place) {
  world.communicator().barrier();
  if (event == "folder") block_flight_file(world.rank());
  const bool is_last = world.rank() == world.size() - 1;
  if (place == "compute") {
    if (is_last) meet(event);
    std::this_thread::sleep_for(std::chrono::seconds(60));
  } else if (place == "barrier") {
    if (is_last) meet(event);
    world.communicator().barrier();
  } else {
    float value = 1;
    const lockstep::core::Buffer data{&value, 1, lockstep::DType::f32, {}, {}};
    lockstep::core::Stream stream;
    auto work = world.communicator().all_reduce(data, data, lockstep::comm::Reduce::sum, stream);
    if (is_last) meet(event);
    work.wait();
    std::this_thread::sleep_for(std::chrono::seconds(60));
  }
  return 0;
}

int end(World& world, const std::string& way) {
  const bool is_last = world.rank() == world.size() - 1;
  if (const auto dash = way.find('-'); dash != std::string::npos)
    return disturb(world, way.substr(0, dash), way.substr(dash + 1));
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
  if (way == "alone" && std::getenv("OMPI_COMM_WORLD_RANK") == std::string("1"))
    std::this_thread::sleep_for(std::chrono::seconds(100));  // never initialises MPI
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
