#include "src/ops/window.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"

namespace lockstep::detail {
namespace {

std::string text_of(const Extent& extent) {
  return fmt::format("{} x {}", extent.height, extent.width);
}

std::string text_of(const Padding& padding) {
  const std::string before = text_of(padding.before), after = text_of(padding.after);
  return before == after ? before : before + " before and " + after + " after";
}

bool is_at_least(const Extent& extent, int least) {
  return extent.height >= least && extent.width >= least;
}

}  // namespace

kernels::Window window_of(const char* op, Extent size, Extent stride, const Padding& padding) {
  const Extent before = padding.before;
  const bool is_valid = is_at_least(size, 1) && is_at_least(stride, 1) && is_at_least(before, 0) &&
                        is_at_least(padding.after, 0);
  check<UsageError>(is_valid, [&] {
    return Complaint{fmt::format("{}: window {}, stride {}, padding {}", op, text_of(size),
                                 text_of(stride), text_of(padding)),
                     "use a window and a stride of at least 1 and a padding of at least 0"};
  });
  return {size.height, size.width, stride.height, stride.width, before.height, before.width};
}

Shape windowed(const char* op, const Shape& images, const kernels::Window& window, Extent after,
               std::int64_t channels) {
  const std::int64_t height = images[1] + window.pad_height + after.height - window.height;
  const std::int64_t width = images[2] + window.pad_width + after.width - window.width;
  check<ShapeError>(height >= 0 && width >= 0, [&] {
    return Complaint{fmt::format("{}: a window of {} x {} on images of {} x {} padded by {}", op,
                                 window.height, window.width, images[1], images[2],
                                 text_of(Padding({window.pad_height, window.pad_width}, after))),
                     "use a smaller window or more padding"};
  });
  return {images[0], height / window.stride_height + 1, width / window.stride_width + 1, channels};
}

}  // namespace lockstep::detail
