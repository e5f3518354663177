// The numbers of the row ops.
#pragma once

#include "kernels/math/rows.h"

namespace lockstep::detail {

template <class F> inline constexpr kernels::OpId rows_id = kernels::math::Rows::id_of<F>();

}  // namespace lockstep::detail
