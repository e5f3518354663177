// Runs what the families of kernels are made of on a GPU. The families take it as `On`, so that
// their tests can run them on the host.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/families.h"
#include "kernels/math/team.h"

namespace lockstep::kernels::cuda {

inline constexpr int block_threads = 256;
inline constexpr int warp_lanes = 32;
// Blocks of a kernel whose threads go on to further steps, for each multiprocessor.
inline constexpr int blocks_per_multiprocessor = 8;

// All lanes of a warp get the join of what each has: in a butterfly, every pair joins the same two
// numbers, so that the bits are the same on all of them.
template <class A, class Join>
__device__ __forceinline__ A joined_in_warp(A own, const Join& join) {
#pragma unroll
  for (int distance = warp_lanes / 2; distance > 0; distance /= 2) {
    own = join(own, static_cast<A>(__shfl_xor_sync(0xffffffffU, own, distance)));
  }
  return own;
}

// A warp for a task, several in a block.
struct WarpLanes {
  static constexpr bool is_block = false;
  __device__ int lane() const { return static_cast<int>(threadIdx.x % warp_lanes); }
  __device__ int lanes() const { return warp_lanes; }
  __device__ void wait() const { __syncwarp(); }
  template <class A, class Join> __device__ A joined(A own, const Join& join) const {
    return joined_in_warp(own, join);
  }
};

// A whole block for a task. Every thread folds the warps' results in their order.
struct BlockLanes {
  static constexpr bool is_block = true;
  __device__ int lane() const { return static_cast<int>(threadIdx.x); }
  __device__ int lanes() const { return block_threads; }
  __device__ void wait() const { __syncthreads(); }
  template <class A, class Join> __device__ A joined(A own, const Join& join) const {
    constexpr int warps = block_threads / warp_lanes;
    __shared__ A of_warp[warps];
    own = joined_in_warp(own, join);
    if (lane() % warp_lanes == 0) of_warp[lane() / warp_lanes] = own;
    __syncthreads();
    A all = of_warp[0];
    for (int warp = 1; warp < warps; ++warp) all = join(all, of_warp[warp]);
    __syncthreads();  // before the next join writes
    return all;
  }
};

template <class Step>
__global__ void __launch_bounds__(block_threads)
    step_kernel(const __grid_constant__ Step step, std::uint32_t steps) {
  const std::uint32_t stride = gridDim.x * blockDim.x;
  for (std::uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < steps; i += stride) step(i);
}

template <class Lanes, class Task>
__global__ void __launch_bounds__(block_threads)
    task_kernel(const __grid_constant__ Task task, std::uint32_t tasks) {
  constexpr unsigned teams = Lanes::is_block ? 1 : block_threads / warp_lanes;  // of a block
  const math::LaneTeam<Lanes> team{};
  const unsigned own = Lanes::is_block ? 0 : threadIdx.x / warp_lanes;
  for (std::uint32_t i = blockIdx.x * teams + own; i < tasks; i += gridDim.x * teams) task(team, i);
}

struct Gpu {
  const Launch& launch;

  core::Allocator& memory() const { return launch.memory; }
  // step(0) ... step(steps - 1), each on a thread of its own, in any order.
  template <class Step> void for_steps(std::uint32_t steps, const Step& step) const {
    step_kernel<<<blocks_for(steps), block_threads, 0, launch.stream>>>(step, steps);
  }
  // task(team, 0) ... task(team, tasks - 1), each on a team: a warp, or a block for `wide` ones.
  template <class Task> void for_tasks(std::uint32_t tasks, bool is_wide, const Task& task) const {
    if (is_wide) {
      const unsigned blocks = blocks_for(std::int64_t{tasks} * block_threads);
      task_kernel<BlockLanes><<<blocks, block_threads, 0, launch.stream>>>(task, tasks);
    } else {
      const unsigned blocks = blocks_for(std::int64_t{tasks} * warp_lanes);
      task_kernel<WarpLanes><<<blocks, block_threads, 0, launch.stream>>>(task, tasks);
    }
  }
  // Called after every launch: names it for errors that show later, and checks its configuration.
  void launched(const char* family, const char* op) const {
    launch.device.launches.note(family, op);
    launch.device.check(launch.device.runtime.last_error(), family);
  }

  unsigned blocks_for(std::int64_t threads) const {
    const std::int64_t most =
        std::int64_t{launch.device.properties.multiprocessors} * blocks_per_multiprocessor;
    return static_cast<unsigned>(
        std::clamp<std::int64_t>((threads + block_threads - 1) / block_threads, 1, most));
  }
};

}  // namespace lockstep::kernels::cuda
