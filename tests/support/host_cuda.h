// The CUDA kernels' code on threads of the host: their races and mathematics, without a GPU.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "kernels/cuda/copy.h"
#include "lockstep/core/allocator.h"
#include "lockstep/kernels/backend.h"
#include "tests/support/thread_team.h"

namespace lockstep::testing {

// Runs what kernels are made of, as kernels/cuda/gpu.cuh does on a GPU.
struct HostCuda {
  static constexpr std::uint32_t threads = 3;
  // Threads of a team, and how many tasks they do together; the others are done by one each, since
  // threads that wait for each other take long.
  static constexpr int narrow = 4, wide = 64;
  static constexpr std::uint32_t narrow_tasks = 24, wide_tasks = 4;

  core::Allocator& memory() const { return core::allocator({}); }
  template <class Step> void for_steps(std::uint32_t steps, const Step& step) const {
    std::vector<std::jthread> all;
    for (std::uint32_t first = 0; first < std::min(threads, steps); ++first) {
      all.emplace_back([&step, first, steps] {
        for (std::uint32_t i = first; i < steps; i += threads) step(i);
      });
    }
  }
  template <class Task> void for_tasks(std::uint32_t tasks, bool is_wide, const Task& task) const {
    const std::uint32_t shared = std::min(tasks, is_wide ? wide_tasks : narrow_tasks);
    is_wide ? run<wide>(shared, task) : run<narrow>(shared, task);
    for_steps(tasks - shared,
              [&](std::uint32_t i) { task(kernels::math::SerialTeam{}, shared + i); });
  }
  void launched(const char* /*family*/, const char* /*op*/) const {}

  // Square by square, as a block would.
  template <class Bits> void transpose(const kernels::cuda::TransposeArguments& a) const {
    for_steps(a.outer.steps * a.tiles, [&a](std::uint32_t task) {
      std::int64_t at[2];
      a.outer.find(task / a.tiles, at);
      const std::uint32_t row = task % a.tiles % a.row_tiles * kernels::cuda::tile;
      const std::uint32_t column = task % a.tiles / a.row_tiles * kernels::cuda::tile;
      for (std::uint32_t r = row; r < std::min(a.rows, row + kernels::cuda::tile); ++r) {
        for (std::uint32_t c = column; c < std::min(a.columns, column + kernels::cuda::tile); ++c) {
          static_cast<Bits*>(a.out)[at[0] + c * a.out_stride + r] =
              static_cast<const Bits*>(a.in)[at[1] + r * a.in_stride + c];
        }
      }
    });
  }

 private:
  template <int width, class Task> static void run(std::uint32_t tasks, const Task& task) {
    with_thread_team<width>([&](const ThreadTeam<width>& team) {
      for (std::uint32_t i = 0; i < tasks; ++i) task(team, i);
    });
  }
};

// The families of the CUDA backend that need no library, on host memory.
std::unique_ptr<kernels::Backend> make_host_cuda();

}  // namespace lockstep::testing
