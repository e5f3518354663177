// Shared memory among processes: what they find of each other, and what is left when they die. They
// meet over shared memory of threads that was made before they were forked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/comm/transport.h"
#include "tests/support/scratch.h"

namespace lockstep::tests {
namespace {

using comm::Communicator;
using comm::Reduce;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

struct Process {
  pid_t id = 0;
  int status = 0;
  std::string message;  // what the rank said before it ended
};

class Family {
 public:
  // Forks `size` ranks. What body returns or throws is the rank's message.
  Family(int size, const std::function<std::string(Communicator& bootstrap)>& body) {
    auto bootstrap = comm::shm_threads(size);
    for (int rank = 0; rank < size; ++rank) {
      const pid_t id = ::fork();
      if (id == 0) run_child(*bootstrap[static_cast<std::size_t>(rank)], body);
      processes_.push_back({id, 0, {}});
    }
  }
  void kill(int rank) { ::kill(processes_[static_cast<std::size_t>(rank)].id, SIGKILL); }
  // The sockets that the ranks hold at this moment, as /proc names them: "socket:[INODE]".
  std::vector<std::string> sockets() const {
    std::vector<std::string> found;
    for (const Process& process : processes_) {
      const auto descriptors = "/proc/" + std::to_string(process.id) + "/fd";
      std::error_code gone;  // a descriptor may close while we look
      for (std::filesystem::directory_iterator entry(descriptors, gone), end; !gone && entry != end;
           entry.increment(gone)) {
        const std::string target = std::filesystem::read_symlink(*entry, gone).string();
        if (target.rfind("socket:", 0) == 0) found.push_back(target);
        gone.clear();
      }
    }
    return found;
  }
  std::vector<Process> ended() {
    for (std::size_t rank = 0; rank < processes_.size(); ++rank) {
      ::waitpid(processes_[rank].id, &processes_[rank].status, 0);
      processes_[rank].message = text_of(scratch_ / std::to_string(rank));
    }
    return processes_;
  }

 private:
  [[noreturn]] void run_child(Communicator& bootstrap,
                              const std::function<std::string(Communicator&)>& body) {
    std::string message;
    try {
      message = body(bootstrap);
    } catch (const std::exception& error) {
      message = error.what();
    }
    std::ofstream(scratch_ / std::to_string(bootstrap.rank())) << message;
    ::_exit(0);
  }

  Scratch scratch_;
  std::vector<Process> processes_;
};

std::vector<std::string> messages_of(Family&& family) {
  std::vector<std::string> messages;
  for (const Process& process : family.ended()) messages.push_back(process.message);
  return messages;
}

// Sums in memory that all processes see, over and over.
std::string sums(Communicator& ranks, int repeats, std::int64_t count = 100'000) {
  core::Stream stream;
  const core::Memory memory = ranks.allocate(static_cast<std::size_t>(count) * sizeof(float));
  auto* const first = static_cast<float*>(memory->data());
  const core::Buffer data{first, count, DType::f32, {}, memory};
  for (int repeat = 0; repeat < repeats; ++repeat) {
    std::fill_n(first, count, 1.0F);
    ranks.all_reduce(data, data, Reduce::sum, stream).wait();
    const auto expected = static_cast<float>(ranks.size());
    if (std::any_of(first, first + count, [&](float each) { return each != expected; }))
      return "a wrong sum";
  }
  ranks.barrier();
  return "done";
}

TEST(ShmProcesses, FoldWhatTheOthersWroteExact) {
  for (const int size : {1, 2, 3, 8, 16}) {
    EXPECT_THAT(messages_of(Family(size,
                                   [](Communicator& bootstrap) {
                                     auto ranks = comm::shm(bootstrap);
                                     return sums(*ranks, 20);
                                   })),
                Each("done"))
        << size << " processes";
  }
}

TEST(ShmProcesses, SplitIntoGroupsWithMemoryOfTheirOwn) {
  EXPECT_THAT(messages_of(Family(5,
                                 [](Communicator& bootstrap) {
                                   auto ranks = comm::shm(bootstrap);
                                   auto part = ranks->split(ranks->rank() % 2, -ranks->rank());
                                   const std::string before = sums(*part, 5);
                                   ranks.reset();
                                   return before == "done" ? sums(*part, 5) : before;
                                 })),
              Each("done"));
}

TEST(ShmProcesses, TellEachOtherOfALackOfMemory) {
  const auto messages = messages_of(Family(3, [](Communicator& bootstrap) {
    auto ranks = comm::shm(bootstrap);
    return sums(*ranks, 1, std::int64_t{1} << 44) + " for nothing";
  }));
  EXPECT_THAT(messages, Each(HasSubstr("memory of 3 ranks needs")));
}

// Whether a socket of this name ("socket:[INODE]") still exists in the whole network namespace.
bool is_open(const std::string& socket) {
  const std::string inode = socket.substr(8, socket.size() - 9);
  std::istringstream table(text_of("/proc/net/unix"));
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields(line);
    std::string field;
    for (int column = 0; column < 7; ++column) fields >> field;  // the seventh is the inode
    if (field == inode) return true;
  }
  return false;
}

// Other programs come and go there too.
std::string our_entries_of(const std::filesystem::path& folder) {
  std::string names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.find("lockstep") != std::string::npos) names += name + "\n";
  }
  return names;
}

TEST(ShmProcesses, AKillAtAnyMomentIsNoticedAndLeavesNothing) {
  const std::string before = our_entries_of("/dev/shm");
  std::size_t sockets_seen = 0;
  for (int trial = 0; trial < 12; ++trial) {
    const int victim = trial % 3;
    Family family(3, [](Communicator& bootstrap) {
      ::setenv("LOCKSTEP_TIMEOUT", "2", 1);
      bootstrap.use_timeout(2s);
      auto ranks = comm::shm(bootstrap);
      return sums(*ranks, 1'000'000, 5'000'000);
    });
    std::this_thread::sleep_for(trial * 5ms);
    const auto sockets = family.sockets();
    sockets_seen += sockets.size();
    const auto begin = std::chrono::steady_clock::now();
    family.kill(victim);
    const auto processes = family.ended();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
    for (const std::string& socket : sockets) EXPECT_FALSE(is_open(socket)) << socket;
    for (int rank = 0; rank < 3; ++rank) {
      const Process& process = processes[static_cast<std::size_t>(rank)];
      EXPECT_EQ(WIFSIGNALED(process.status), rank == victim);
      if (rank != victim) {
        EXPECT_THAT(process.message, AllOf(Not("done"), HasSubstr("fix:"))) << "rank " << rank;
      }
    }
  }
  EXPECT_EQ(our_entries_of("/dev/shm"), before);
  EXPECT_GT(sockets_seen, 0U);
}

TEST(ShmProcesses, ADeadRankIsNamedAlsoWhereAnotherHasLeftInOrder) {
  Family family(3, [](Communicator& bootstrap) -> std::string {
    auto ranks = comm::shm(bootstrap);
    ranks->barrier();
    if (ranks->rank() == 1) return "done";
    if (ranks->rank() == 2) {
      std::this_thread::sleep_for(200ms);
      std::raise(SIGKILL);
    }
    float value = 0;
    core::Stream stream;
    ranks->receive(core::Buffer{&value, 1, DType::f32, {}, {}}, 2, stream).wait();
    return "received";
  });
  const auto processes = family.ended();
  EXPECT_EQ(processes[1].message, "done");
  EXPECT_THAT(processes[0].message,
              HasSubstr("rank 2 failed first: its process has ended without leaving"));
}

TEST(ShmProcesses, ADeadRankIsNamedAtOnce) {
  for (const int victim : {0, 1, 2}) {
    Family family(3, [](Communicator& bootstrap) {
      auto ranks = comm::shm(bootstrap);
      ranks->barrier();
      return sums(*ranks, 1'000'000, 500'000);
    });
    std::this_thread::sleep_for(300ms);
    const auto begin = std::chrono::steady_clock::now();
    family.kill(victim);
    const auto processes = family.ended();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 1500ms);
    for (int rank = 0; rank < 3; ++rank) {
      if (rank == victim) continue;
      EXPECT_THAT(processes[static_cast<std::size_t>(rank)].message,
                  HasSubstr("rank " + std::to_string(victim) +
                            " failed first: its process has ended without leaving"));
    }
  }
}

}  // namespace
}  // namespace lockstep::tests
