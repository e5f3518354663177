// The three passes of a convolution; instantiated for float and double.
#pragma once

#include "kernels/cpu/conv_shape.h"

namespace lockstep::kernels::cpu {

template <class T> void conv_value(const ConvCall& call, const ConvShape& shape);
template <class T> void conv_data_gradient(const ConvCall& call, const ConvShape& shape);
template <class T> void conv_weight_gradient(const ConvCall& call, const ConvShape& shape);

}  // namespace lockstep::kernels::cpu
