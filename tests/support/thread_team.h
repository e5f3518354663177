// A Team of host threads: what a row op does on many lanes, under the thread sanitizer if wanted.
#pragma once

#include <barrier>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "kernels/math/team.h"

namespace lockstep::testing {

// What the lanes of a team share.
template <int width> struct ThreadTeamState {
  std::barrier<> together{width};
  std::uint64_t partial[width] = {};  // the bits of numbers
};

// One lane of `width`.
template <int width> class ThreadLanes {
 public:
  ThreadLanes(ThreadTeamState<width>& state, int lane) : state_(state), lane_(lane) {}

  int lane() const { return lane_; }
  int lanes() const { return width; }
  void wait() const { state_.together.arrive_and_wait(); }
  template <class A, class Join> A joined(A own, const Join& join) const {
    std::memcpy(&state_.partial[lane_], &own, sizeof own);
    wait();
    A all = partial_of<A>(0);
    for (int lane = 1; lane < width; ++lane) all = join(all, partial_of<A>(lane));
    wait();
    return all;
  }

 private:
  template <class A> A partial_of(int lane) const {
    static_assert(sizeof(A) <= sizeof state_.partial[lane]);
    A value;
    std::memcpy(&value, &state_.partial[lane], sizeof value);
    return value;
  }

  ThreadTeamState<width>& state_;
  int lane_;
};
template <int width> using ThreadTeam = kernels::math::LaneTeam<ThreadLanes<width>>;

// Calls body(team) on `width` threads.
template <int width, class Body> void with_thread_team(const Body& body) {
  ThreadTeamState<width> state;
  std::vector<std::jthread> threads;
  for (int lane = 0; lane < width; ++lane) {
    threads.emplace_back([&state, &body, lane] { body(ThreadTeam<width>{{state, lane}}); });
  }
}

}  // namespace lockstep::testing
