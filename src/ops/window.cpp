#include "src/ops/window.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"

namespace lockstep::detail {

kernels::Window window_of(const char* op, Extent size, Extent stride, Extent padding) {
  const bool is_valid = size.height >= 1 && size.width >= 1 && stride.height >= 1 &&
                        stride.width >= 1 && padding.height >= 0 && padding.width >= 0;
  check<UsageError>(is_valid, [&] {
    return Complaint{
        fmt::format("{}: window {} x {}, stride {} x {}, padding {} x {}", op, size.height,
                    size.width, stride.height, stride.width, padding.height, padding.width),
        "use a window and a stride of at least 1 and a padding of at least 0"};
  });
  return {size.height, size.width, stride.height, stride.width, padding.height, padding.width};
}

Shape windowed(const char* op, const Shape& images, const kernels::Window& window,
               std::int64_t channels) {
  const std::int64_t height = images[1] + 2 * window.pad_height - window.height;
  const std::int64_t width = images[2] + 2 * window.pad_width - window.width;
  check<ShapeError>(height >= 0 && width >= 0, [&] {
    return Complaint{fmt::format("{}: a window of {} x {} on images of {} x {} padded by {} x {}",
                                 op, window.height, window.width, images[1], images[2],
                                 window.pad_height, window.pad_width),
                     "use a smaller window or more padding"};
  });
  return {images[0], height / window.stride_height + 1, width / window.stride_width + 1, channels};
}

}  // namespace lockstep::detail
