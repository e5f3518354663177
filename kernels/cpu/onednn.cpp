// Matrix products.
#include "kernels/cpu/onednn.h"

#include "kernels/cpu/onednn_primitives.h"
#include "kernels/host.h"

namespace lockstep::kernels::cpu::onednn {
namespace {

using Key = std::array<std::int64_t, 25>;

struct Matmul {
  dnnl::matmul primitive;
  dnnl::memory::desc a, b, packed_b, bias, out, scratchpad;
};

// oneDNN reads matrices whose rows or columns are contiguous, and no broadcast ones.
bool is_readable(const View& x) {
  const int last = x.rank() - 1;
  for (const std::int64_t stride : x.strides) {
    if (stride <= 0) return false;
  }
  return x.strides[last] == 1 || x.strides[last - 1] == 1;
}

bool is_bf16_or_f32(const View& view) {
  return view.dtype == DType::bf16 || view.dtype == DType::f32;
}

bool is_for_onednn(const GemmCall& call) {
  if (call.a.dtype != DType::bf16 || call.b.dtype != DType::bf16 || !multiplies_bf16())
    return false;
  if (!is_bf16_or_f32(call.out)) return false;
  if (call.bias.data != nullptr && !is_bf16_or_f32(call.bias)) return false;
  if (call.a.elements() == 0 || call.b.elements() == 0) return false;
  if (call.bias.data != nullptr && call.bias.strides[0] != 1) return false;
  // The activation passes over the result, row after row.
  if (call.activation != Activation::none &&
      (!call.out.is_contiguous() || call.out.dtype != DType::bf16)) {
    return false;
  }
  return is_readable(call.a) && is_readable(call.b) && is_readable(call.out);
}

Key key_of(const GemmCall& call) {
  Key key{};
  std::size_t next = 0;
  for (const View* view : {&call.a, &call.b, &call.out}) {
    for (int axis = 0; axis < view->rank(); ++axis) {
      key[next++] = view->sizes[axis];
      key[next++] = view->strides[axis];
    }
  }
  key[20] = 2 * call.out.rank() + (call.out.dtype == DType::bf16 ? 1 : 0);
  if (call.bias.data != nullptr) key[21] = call.bias.dtype == DType::bf16 ? 1 : 2;
  key[22] = call.write == Write::add;
  key[23] = call.weight_key != 0;
  key[24] = threads();
  return key;
}

dnnl::matmul::primitive_desc primitive_desc_of(const Matmul& m, const dnnl::memory::desc& b,
                                               const dnnl::primitive_attr& attributes) {
#if DNNL_VERSION_MAJOR >= 3
  if (m.bias) return {engine(), m.a, b, m.bias, m.out, attributes};
  return {engine(), m.a, b, m.out, attributes};
#else
  if (m.bias.get_size() > 0) return {{m.a, b, m.bias, m.out}, attributes, engine()};
  return {{m.a, b, m.out}, attributes, engine()};
#endif
}

std::optional<Matmul> make(const GemmCall& call) {
  Matmul m;
  m.a = desc_of(call.a.sizes, call.a.strides, DType::bf16);
  m.b = desc_of(call.b.sizes, call.b.strides, DType::bf16);
  m.out = desc_of(call.out.sizes, call.out.strides, call.out.dtype);
  if (call.bias.data != nullptr) {
    Shape sizes = call.out.sizes, strides = call.out.sizes;
    for (int axis = 0; axis < sizes.rank(); ++axis) {
      const bool is_last = axis == sizes.rank() - 1;
      if (!is_last) sizes[axis] = 1;
      strides[axis] = is_last ? 1 : call.out.sizes[call.out.rank() - 1];
    }
    m.bias = desc_of(sizes, strides, call.bias.dtype);
  }
  dnnl::primitive_attr attributes = user_scratchpad();
  if (call.write == Write::add) {
    dnnl::post_ops sum;
    sum.append_sum(1);
    attributes.set_post_ops(sum);
  }
  dnnl::memory::desc b = m.b;
  if (call.weight_key != 0)  // worth a copy in the layout that suits the kernel best
    b = {m.b.dims(), DataType::bf16, dnnl::memory::format_tag::any};
  const auto description = primitive_desc_of(m, b, attributes);
  m.packed_b = description.weights_desc();
  m.scratchpad = description.scratchpad_desc();
  m.primitive = dnnl::matmul(description);
  return m;
}

}  // namespace

bool gemm(const GemmCall& call) {
  if (!is_for_onednn(call)) return false;
  static thread_local PrimitiveCache<Key, Matmul> cache;
  const auto [made, number] = cache.made(key_of(call), [&] { return make(call); });
  if (made == nullptr) return false;
  const Matmul& m = *made;
  const bool is_turned = call.b.strides[call.b.rank() - 1] != 1;
  const PackedKey key{.weight = call.weight_key,
                      .version = call.weight_version,
                      .packing = is_turned ? Packing::gemm_turned : Packing::gemm};
  Arguments arguments{{DNNL_ARG_SRC, memory_at(m.a, call.a.data)},
                      {DNNL_ARG_WEIGHTS, packed(m.b, m.packed_b, call.b.data, key, number)},
                      {DNNL_ARG_DST, memory_at(m.out, call.out.data)}};
  if (call.bias.data != nullptr)
    arguments.emplace(DNNL_ARG_BIAS, memory_at(m.bias, call.bias.data));
  execute(m.primitive, std::move(arguments), m.scratchpad);
  activate_bf16(call.activation, call.out.data, call.out.elements());
  return true;
}

}  // namespace lockstep::kernels::cpu::onednn
