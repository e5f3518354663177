// The families of the CUDA backend: one launcher each.
#pragma once

#include <memory>

#include "kernels/cuda/device_context.h"
#include "lockstep/core/allocator.h"
#include "lockstep/kernels/backend.h"

namespace lockstep::kernels::cuda {

std::unique_ptr<Backend> make_backend(DeviceContext& device, core::Allocator& memory);

// Where a launcher queues its kernels, and scratch memory that the compute stream may reuse.
struct Launch {
  DeviceContext& device;
  core::Allocator& memory;
  StreamHandle stream;
};

void pointwise(const Launch& on, const PointwiseCall& call);
void copy(const Launch& on, const CopyCall& call);
void rows(const Launch& on, const RowsCall& call);
void reduce(const Launch& on, const ReduceCall& call);
void random(const Launch& on, const RandomCall& call);
void update(const Launch& on, const UpdateCall& call);
void gemm(const Launch& on, const GemmCall& call);
void pool(const Launch& on, const PoolCall& call);
void gather(const Launch& on, const GatherCall& call);
void scatter_add(const Launch& on, const GatherCall& call);
void pick(const Launch& on, const PickCall& call);
void fold(const Launch& on, const FoldCall& call);

}  // namespace lockstep::kernels::cuda
