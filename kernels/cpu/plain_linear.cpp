#include "kernels/cpu/plain_linear.h"

#include <cmath>

#include "kernels/cpu/convert.h"

namespace lockstep::kernels::cpu::plain {
namespace {

double read(const View& view, std::int64_t offset) {
  return with_type(view.dtype, [&]<class T>(T) { return converted<double>(view.as<T>()[offset]); });
}

void write(const View& view, std::int64_t offset, double value, Write how) {
  if (how == Write::add) value += read(view, offset);
  with_type(view.dtype, [&]<class T>(T) { view.as<T>()[offset] = converted<T>(value); });
}

double activated(Activation activation, double x) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::gelu:
      return 0.5 * x * (1 + std::tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
  }
  return x;
}

// By the result; only the activations whose slope needs nothing else take part in gradients.
double slope(Activation activation, double y) {
  switch (activation) {
    case Activation::relu:
      return y > 0 ? 1 : 0;
    case Activation::tanh:
      return 1 - y * y;
    case Activation::sigmoid:
      return y * (1 - y);
    default:
      return 1;
  }
}

void one_product(const GemmCall& call, std::int64_t a, std::int64_t b, std::int64_t out) {
  const int axis = call.out.rank() - 2;
  const std::int64_t depth = call.a.sizes[axis + 1];
  for (std::int64_t i = 0; i < call.out.sizes[axis]; ++i) {
    for (std::int64_t j = 0; j < call.out.sizes[axis + 1]; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < depth; ++k) {
        sum += read(call.a, a + i * call.a.strides[axis] + k * call.a.strides[axis + 1]) *
               read(call.b, b + k * call.b.strides[axis] + j * call.b.strides[axis + 1]);
      }
      if (call.bias.data != nullptr) sum += read(call.bias, j * call.bias.strides[0]);
      write(call.out, out + i * call.out.strides[axis] + j * call.out.strides[axis + 1],
            activated(call.activation, sum), call.write);
    }
  }
}

// Calls body(x offset, y offset, weight's kernel offset, y row) for all that a convolution
// multiplies.
template <class Body>
void for_windows(const View& x, const View& y, const Window& window, const Body& body) {
  for (std::int64_t n = 0; n < x.sizes[0]; ++n) {
    for (std::int64_t oh = 0; oh < y.sizes[1]; ++oh) {
      for (std::int64_t ow = 0; ow < y.sizes[2]; ++ow) {
        for (int kh = 0; kh < window.height; ++kh) {
          for (int kw = 0; kw < window.width; ++kw) {
            const std::int64_t h = oh * window.stride_height - window.pad_height + kh;
            const std::int64_t w = ow * window.stride_width - window.pad_width + kw;
            if (h < 0 || w < 0 || h >= x.sizes[1] || w >= x.sizes[2]) continue;
            body((n * x.sizes[1] + h) * x.sizes[2] + w, (n * y.sizes[1] + oh) * y.sizes[2] + ow,
                 std::int64_t{kh} * window.width + kw, h * x.sizes[2] + w);
          }
        }
      }
    }
  }
}

void clear(const View& view) {
  for (std::int64_t i = 0; i < view.elements(); ++i) write(view, i, 0, Write::store);
}

void conv_value(const ConvCall& call, std::int64_t in, std::int64_t out) {
  clear(call.y);
  const std::int64_t taps = std::int64_t{call.window.height} * call.window.width;
  for_windows(call.x, call.y, call.window, [&](auto x, auto y, auto tap, auto) {
    for (std::int64_t o = 0; o < out; ++o) {
      double sum = 0;
      for (std::int64_t i = 0; i < in; ++i) {
        sum += read(call.x, x * in + i) * read(call.weight, (o * taps + tap) * in + i);
      }
      write(call.y, y * out + o, sum, Write::add);
    }
  });
  for (std::int64_t i = 0; i < call.y.elements(); ++i) {
    const double bias = call.bias.data != nullptr ? read(call.bias, i % out) : 0;
    write(call.y, i, activated(call.activation, read(call.y, i) + bias), Write::store);
  }
}

}  // namespace

void gemm(const GemmCall& call) {
  const bool is_batched = call.out.rank() == 3;
  for (std::int64_t i = 0; i < (is_batched ? call.out.sizes[0] : 1); ++i) {
    one_product(call, is_batched ? i * call.a.strides[0] : 0,
                is_batched ? i * call.b.strides[0] : 0, is_batched ? i * call.out.strides[0] : 0);
  }
}

void conv(const ConvCall& call) {
  const std::int64_t in = call.weight.sizes[3];
  const std::int64_t out = call.weight.sizes[0];
  const std::int64_t taps = std::int64_t{call.window.height} * call.window.width;
  if (call.pass == ConvPass::value) return conv_value(call, in, out);
  const auto gradient = [&](std::int64_t i) {
    const double g = read(call.g, i);
    return call.activation == Activation::none ? g : g * slope(call.activation, read(call.y, i));
  };
  if (call.pass == ConvPass::data) {
    if (call.write == Write::store) clear(call.x);
    return for_windows(call.x, call.g, call.window, [&](auto x, auto y, auto tap, auto) {
      for (std::int64_t o = 0; o < out; ++o) {
        const double g = gradient(y * out + o);
        for (std::int64_t i = 0; i < in; ++i) {
          write(call.x, x * in + i, g * read(call.weight, (o * taps + tap) * in + i), Write::add);
        }
      }
    });
  }
  if (call.write == Write::store) clear(call.weight);
  for_windows(call.x, call.g, call.window, [&](auto x, auto y, auto tap, auto) {
    for (std::int64_t o = 0; o < out; ++o) {
      const double g = gradient(y * out + o);
      for (std::int64_t i = 0; i < in; ++i) {
        write(call.weight, (o * taps + tap) * in + i, g * read(call.x, x * in + i), Write::add);
      }
    }
  });
  if (call.bias.data == nullptr) return;
  if (call.bias_write == Write::store) clear(call.bias);
  for (std::int64_t i = 0; i < call.g.elements(); ++i)
    write(call.bias, i % out, gradient(i), Write::add);
}

void pool(const PoolCall& call) {
  const std::int64_t c = call.x.sizes[3];
  const std::int64_t plane = call.x.sizes[1] * call.x.sizes[2];
  const View& result = call.pass == Pass::value ? call.y : call.g;
  const double area = call.window.height * call.window.width;
  auto* const indices = call.indices.as<std::int32_t>();
  if (call.pass == Pass::value) {
    const bool is_max = call.op == PoolOp::max;
    for (std::int64_t i = 0; i < call.y.elements(); ++i) {
      write(call.y, i, is_max ? -HUGE_VAL : 0, Write::store);
      if (is_max && indices != nullptr) indices[i] = -1;
    }
    return for_windows(call.x, call.y, call.window, [&](auto x, auto y, auto, auto place) {
      for (std::int64_t i = 0; i < c; ++i) {
        const double value = read(call.x, x * c + i);
        const double before = read(call.y, y * c + i);
        if (!is_max) {
          write(call.y, y * c + i, value / area, Write::add);
        } else if (before == before &&
                   (value > before || value != value || indices[y * c + i] < 0)) {
          write(call.y, y * c + i, value, Write::store);
          indices[y * c + i] = static_cast<std::int32_t>(place);
        }
      }
    });
  }
  if (call.write == Write::store) clear(call.x);
  if (call.op == PoolOp::average) {
    return for_windows(call.x, result, call.window, [&](auto x, auto y, auto, auto) {
      for (std::int64_t i = 0; i < c; ++i)
        write(call.x, x * c + i, read(call.g, y * c + i) / area, Write::add);
    });
  }
  const std::int64_t outputs = result.sizes[1] * result.sizes[2] * c;
  for (std::int64_t i = 0; i < result.elements(); ++i) {
    if (indices[i] < 0) continue;
    const std::int64_t x = ((i / outputs) * plane + indices[i]) * c + i % c;
    write(call.x, x, read(call.g, i), Write::add);
  }
}

}  // namespace lockstep::kernels::cpu::plain
