// The families of the CPU backend beside gemm.h, conv.h and pool.h: one function each.
#pragma once

#include "lockstep/kernels/calls.h"

namespace lockstep::kernels::cpu {

void pointwise(const PointwiseCall& call);
void rows(const RowsCall& call);
void reduce(const ReduceCall& call);
void batch_norm(const BatchNormCall& call);
void copy(const CopyCall& call);
void gather(const GatherCall& call);
void scatter_add(const GatherCall& call);
void pick(const PickCall& call);
void random(const RandomCall& call);
void update(const UpdateCall& call);
void fold(const FoldCall& call);

}  // namespace lockstep::kernels::cpu
