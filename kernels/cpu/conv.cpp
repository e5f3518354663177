#include "kernels/cpu/conv.h"

#include "kernels/cpu/conv_passes.h"
#include "kernels/cpu/depthwise.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/widened.h"

namespace lockstep::kernels::cpu {
namespace {

template <class T> void run(const ConvCall& call) {
  if (is_depthwise(call)) return depthwise<T>(call);
  const ConvShape shape = shape_of(call);
  switch (call.pass) {
    case ConvPass::value:
      return conv_value<T>(call, shape);
    case ConvPass::data:
      return conv_data_gradient<T>(call, shape);
    case ConvPass::weight:
      return conv_weight_gradient<T>(call, shape);
  }
}

}  // namespace

void conv(const ConvCall& call) {
  // A result may be f32 where what it is computed from is not.
  const DType dtype = (call.pass == ConvPass::weight ? call.x : call.weight).dtype;
  if (dtype == DType::f32) return run<float>(call);
  if (dtype == DType::f64) return run<double>(call);
  if (is_depthwise(call) || !onednn::conv(call)) widened::conv(call);
}

}  // namespace lockstep::kernels::cpu
