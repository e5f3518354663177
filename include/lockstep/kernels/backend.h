// The narrow waist: the families of kernels that a device implements.
#pragma once

#include "lockstep/core/stream.h"
#include "lockstep/kernels/calls.h"

namespace lockstep::kernels {

// Calls are checked by the ops above: a backend may trust shapes, dtypes and devices. It throws
// DeviceError (through Host::fail) only for what it cannot do or what its libraries refuse.
class Backend {
 public:
  virtual ~Backend() = default;
  // Whether the device itself multiplies matrices of this dtype; else they are widened to f32
  // first.
  virtual bool multiplies(DType dtype) const = 0;

  virtual void pointwise(const PointwiseCall&, core::Stream&) = 0;
  virtual void rows(const RowsCall&, core::Stream&) = 0;
  virtual void reduce(const ReduceCall&, core::Stream&) = 0;
  virtual void gemm(const GemmCall&, core::Stream&) = 0;
  virtual void conv(const ConvCall&, core::Stream&) = 0;
  virtual void pool(const PoolCall&, core::Stream&) = 0;
  virtual void batch_norm(const BatchNormCall&, core::Stream&) = 0;
  virtual void copy(const CopyCall&, core::Stream&) = 0;
  virtual void gather(const GatherCall&, core::Stream&) = 0;
  virtual void scatter_add(const GatherCall&, core::Stream&) = 0;
  virtual void pick(const PickCall&, core::Stream&) = 0;
  virtual void random(const RandomCall&, core::Stream&) = 0;
  virtual void update(const UpdateCall&, core::Stream&) = 0;
  virtual void fold(const FoldCall&, core::Stream&) = 0;
};

}  // namespace lockstep::kernels
