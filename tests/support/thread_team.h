// A Team of host threads: what a row op does on many lanes, under the thread sanitizer if wanted.
#pragma once

#include <barrier>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include "kernels/math/team.h"

namespace lockstep::testing {

// What the lanes of a team share.
template <int width> struct ThreadTeamState {
  std::barrier<> together{width};
  double partial[width] = {};
};

// One lane of `width`.
template <int width> class ThreadTeam {
 public:
  ThreadTeam(ThreadTeamState<width>& state, int lane) : state_(state), lane_(lane) {}

  template <class A, class F> A sum(std::int64_t n, const F& f) const {
    A own = A(0);
    for (std::int64_t i = lane_; i < n; i += width) own += f(i);
    return joined(own, [](A a, A b) { return a + b; });
  }
  template <class A, class F> A max(std::int64_t n, const F& f) const {
    A own = -std::numeric_limits<A>::infinity();
    for (std::int64_t i = lane_; i < n; i += width) own = kernels::math::larger(own, A(f(i)));
    return joined(own, [](A a, A b) { return kernels::math::larger(a, b); });
  }
  template <class F> void each(std::int64_t n, const F& f) const {
    for (std::int64_t i = lane_; i < n; i += width) f(i);
    state_.together.arrive_and_wait();
  }
  bool leads() const { return lane_ == 0; }

 private:
  template <class A, class Join> A joined(A own, const Join& join) const {
    state_.partial[lane_] = static_cast<double>(own);
    state_.together.arrive_and_wait();
    A all = static_cast<A>(state_.partial[0]);
    for (int lane = 1; lane < width; ++lane) all = join(all, static_cast<A>(state_.partial[lane]));
    state_.together.arrive_and_wait();
    return all;
  }

  ThreadTeamState<width>& state_;
  int lane_;
};

// Calls body(team) on `width` threads.
template <int width, class Body> void with_thread_team(const Body& body) {
  ThreadTeamState<width> state;
  std::vector<std::jthread> threads;
  for (int lane = 0; lane < width; ++lane) {
    threads.emplace_back([&state, &body, lane] { body(ThreadTeam<width>(state, lane)); });
  }
}

}  // namespace lockstep::testing
